"""The demo's steps, each with the command that an operator would type."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.management import call_command

from apps.brands import accounts, registering
from apps.campaigns.models import Campaign
from apps.campaigns.showing import LiveBar, PlainLines
from apps.campaigns.watching import watch
from apps.mail.models import DeliveryEvent
from apps.station import ledger
from apps.station.comparing import verdict
from apps.station.demo import people, texting
from apps.station.demo.history import write_history
from apps.station.demo.report import collect, report_table
from apps.station.demo.screen import short
from apps.station.demo.stage import (
    LATENCY_MS,
    REQUESTS_PER_SECOND,
    SENDING_DOMAIN,
    WORKERS,
)
from apps.station.demo.waiting import deadline
from apps.station.local.instance import PROJECT

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from apps.brands.models import Brand
    from apps.mail.models import Mailing
    from apps.station.demo.screen import Screen
    from apps.station.demo.stage import Stage

BRAND = "harbour"
CAMPAIGN = "spring-letter"
LETTER = PROJECT / "apps" / "station" / "demo" / "newsletter.html"
SUBJECT = '{{ contact.first_name | strip | default: "Good morning" }}, the spring crates are here'
AUDIENCE = '{"everyone": true, "exclude": {"traits": [{"trait": "plan", "is": "partner"}]}}'
CONSENT = "Ticked “Send me the letter” in the shop"
MOST_IN_A_BATCH = 100

_COMMAND_SECONDS = 120.0
# Some 15 and 30 on two idle cores.
_SENDING_SECONDS = 600.0
_EVENTS_SECONDS = 900.0


def tell(screen: Screen, stage: Stage) -> bool:
    """The whole story on an open stage; whether ledgers and logs agree.

    Raises where a step fails or takes too long.
    """
    brand = _set_up(screen, stage)
    _import(screen, stage, brand)
    mailing = _send(screen)
    _await_events(screen, stage)
    mails_agree = _judge(screen, stage, mailing)
    return texting.tell(screen, stage, brand) and mails_agree


def _set_up(screen: Screen, stage: Stage) -> Brand:
    with screen.step("the tables of the database"), _limited("the migrations", log="postgres"):
        call_command("migrate", verbosity=0, interactive=False)
    with screen.step("a brand, its sender, its account at the provider"):
        brand = _register(stage)
    with screen.step(f"web, beat, sweeper and {len(WORKERS)} workers, under a process manager"):
        stage.start_programs()
        stage.await_programs()
    screen.say(
        f"   The provider takes {REQUESTS_PER_SECOND} requests/s of {MOST_IN_A_BATCH} mails and "
        f"{LATENCY_MS} ms for each: {REQUESTS_PER_SECOND * MOST_IN_A_BATCH} mails/s at most."
    )
    return brand


def _register(stage: Stage) -> Brand:
    brand = registering.add_brand(
        slug=BRAND,
        name="Harbour & Sons",
        postal_address="Kai 7, 20457 Hamburg, Germany",
        website=f"https://{SENDING_DOMAIN}",
        timezone="Europe/Berlin",
    )
    secrets = stage.station.secrets
    account = accounts.add_account(
        name="main",
        api_key=secrets.sandbox_key,
        webhook_secret=secrets.sandbox_webhook_secret,
    )
    stage.send_webhooks(token=account.webhook_token)
    email = f"letters@{SENDING_DOMAIN}"
    registering.add_sender(brand=brand, account=account, name="Harbour & Sons", email=email)
    return brand


def _import(screen: Screen, stage: Stage, brand: Brand) -> None:
    everybody = people.people()
    screen.chapter("Who is here already")
    history = write_history(brand.pk, everybody)
    suppressed = ", ".join(f"{n} {why.replace('_', ' ')}" for why, n in history.suppressed.items())
    screen.say(f"   {history.left} people who left, {history.waiting} who never confirmed")
    screen.say(f"   {sum(history.suppressed.values())} suppressed: {suppressed}")
    screen.say(f"   {history.taken_over} of a former system, with addresses no provider takes")

    screen.chapter("A file with people")
    path = stage.folder / "people.csv"
    rows = people.write_csv(path, everybody)
    screen.say(f"   {short(path)}: {rows:,} rows, names in many scripts, and some that are wrong")
    _manage(screen, "import_contacts", short(path), "--brand", BRAND, "--consent", CONSENT)


def _send(screen: Screen) -> Mailing:
    screen.chapter("A campaign")
    _manage(
        screen, "campaign", "create", "--brand", BRAND, "--name", "Spring letter",
        "--slug", CAMPAIGN, "--template-subject", SUBJECT, "--html", short(LETTER),
        "--audience", AUDIENCE,
    )  # fmt: skip
    _manage(screen, "campaign", "launch", CAMPAIGN, "--yes")
    mailing = Campaign.objects.with_parts().get(slug=CAMPAIGN).mailing
    if mailing is None:
        raise RuntimeError("the campaign was launched without a mailing")
    _follow(screen, mailing)
    mailing.refresh_from_db()
    return mailing


def _follow(screen: Screen, mailing: Mailing) -> None:
    console = screen.console
    display = LiveBar(console) if console.is_terminal else PlainLines(console.print)
    with display, _limited("sending the campaign", _SENDING_SECONDS, log="worker-batch-email"):
        last = watch(mailing, display)
    if last.state != mailing.State.COMPLETED:
        raise RuntimeError(f"the campaign is {last.state} ({last.state_reason})")


def _await_events(screen: Screen, stage: Stage) -> None:
    screen.chapter("What the provider reports back")

    def total() -> int:
        webhooks = stage.sandbox.stats().webhooks
        return webhooks.delivered + webhooks.pending

    screen.watch(
        "events worked off",
        done=DeliveryEvent.objects.filter(applied_at__isnull=False).count,
        total=total,
        seconds=_EVENTS_SECONDS,
        log="worker-events",
    )


def _judge(screen: Screen, stage: Stage, mailing: Mailing) -> bool:
    screen.chapter("The result")
    log = ledger.read_log(stage.sandbox.accepted_log)
    comparison = ledger.compare(mailing.pk, log)
    screen.console.print(report_table(collect(mailing, stage.sandbox.stats(), comparison)))
    colour = "green" if comparison.agrees else "red"
    screen.say(f"[bold {colour}]{verdict(comparison)}[/]")
    if letter := stage.save_letter():
        screen.say(f"One of the letters: {short(letter)}")
    return comparison.agrees


def _manage(screen: Screen, *words: str) -> None:
    """Show a command of manage.py and run it here. Raises CommandError or SystemExit."""
    screen.command("manage.py", *words)
    with _limited(f"manage.py {words[0]}", log="postgres"):
        call_command(*words)


def _limited(
    what: str, seconds: float = _COMMAND_SECONDS, *, log: str
) -> AbstractContextManager[None]:
    return deadline(what, seconds=seconds, log=log)
