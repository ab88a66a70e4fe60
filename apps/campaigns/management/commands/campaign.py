"""Campaigns from the command line: drafted, checked, launched, watched and steered."""

from __future__ import annotations

import argparse
import getpass
import sys
from functools import partial
from typing import TYPE_CHECKING, Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from apps.brands.errors import BrandsError
from apps.brands.registering import find_brand
from apps.campaigns import (
    audience,
    checking,
    controlling,
    counting,
    drafting,
    launching,
    showing,
)
from apps.campaigns.domains import PacedDomains
from apps.campaigns.errors import CampaignError, LaunchRefused
from apps.campaigns.management import desk_actions
from apps.campaigns.management.arguments import audience_from, text_from
from apps.campaigns.management.desk_actions import add_desk_actions
from apps.campaigns.models import Campaign
from apps.campaigns.watching import watch
from apps.contacts.errors import ContactsError
from apps.mail.errors import MailError
from apps.mail.models import Mailing, Message, Template
from apps.mail.results import effort, results
from apps.queues.terminal import open_console

if TYPE_CHECKING:
    from collections.abc import Callable

    from rich.console import Console

    from apps.brands.models import Brand

REFUSED = 3
SOME_FAILED = 4
HALTED = 5
INTERRUPTED = 130
LISTED_AT_MOST = 100

EXIT_CODES = f"""
exit codes:
  0  done; with a watch: the campaign is completed and nobody failed
  1  it cannot be done; the message says why
  2  wrong arguments
  {REFUSED}  check, launch: something must be corrected first, nothing was launched
  {SOME_FAILED}  watch: completed, and some mails failed or are unknown
  {HALTED}  watch: the campaign is paused or was cancelled
  {INTERRUPTED}  watch was left by Ctrl-C; the campaign goes on
"""


class Command(BaseCommand):
    help = "Drafts, checks, launches, watches and steers campaigns."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.formatter_class = argparse.RawDescriptionHelpFormatter
        parser.epilog = EXIT_CODES
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
        self._add_create(actions.add_parser("create", help="make a draft"))
        listing = actions.add_parser("list", help="the newest campaigns")
        listing.add_argument("--brand", metavar="SLUG")
        add_desk_actions(partial(_add_action, actions))
        _add_action(actions, "check", "what stands against a launch")
        _add_action(actions, "count", "how many would get it, and who is skipped why")
        launch = _add_action(actions, "launch", "check, count, ask, and send")
        launch.add_argument("--watch", action="store_true", help="stay and show the progress")
        launch.add_argument("--yes", action="store_true", help="do not ask")
        _add_action(actions, "watch", "progress until it is over")
        pause = _add_action(actions, "pause", "plan and send nothing more for now")
        pause.add_argument("--reason", default="", help="kept with the campaign")
        _add_action(actions, "resume", "go on after a pause")
        cancel = _add_action(actions, "cancel", "end it for good")
        cancel.add_argument("--reason", default="", help="kept with the campaign")
        _add_action(actions, "results", "what became of everybody")
        retry = _add_action(actions, "retry", "send to those for whom it failed")
        retry.add_argument(
            "--reason", action="append", help="only these, as “results” lists them; repeatable"
        )

    def _add_create(self, parser: argparse.ArgumentParser) -> None:
        parser.add_argument("--brand", required=True, metavar="SLUG")
        parser.add_argument("--name", required=True)
        parser.add_argument("--slug", default="", help="made from the name unless given")
        parser.add_argument(
            "--sender", default="", metavar="EMAIL", help="the brand's default unless given"
        )
        parser.add_argument("--audience", required=True, metavar="FILE|JSON", help=AUDIENCE_EXAMPLE)
        parser.add_argument("--template", metavar="SLUG", help="a template that exists already")
        parser.add_argument("--template-subject", metavar="LIQUID", help="else: its subject")
        parser.add_argument("--html", metavar="FILE", help="its HTML")
        parser.add_argument(
            "--text", metavar="FILE", help="its text, made from the HTML if missing"
        )
        parser.add_argument("--replace", action="store_true", help="rewrite the draft of this slug")

    def handle(self, *_args: Any, **options: Any) -> None:
        actions: dict[str, Callable[[dict[str, Any]], None]] = {
            "create": self._create,
            "list": self._list,
            "check": self._check,
            "count": self._count,
            "launch": self._launch,
            "watch": self._watch,
            "pause": self._pause,
            "resume": self._resume,
            "cancel": self._cancel,
            "results": self._results,
            "retry": self._retry,
        }
        try:
            if not self._at_the_desk(options):
                actions[options["action"]](options)
        except LaunchRefused as refusal:
            self._write_problems(list(refusal.problems))
            raise CommandError("Nothing was launched.", returncode=REFUSED) from refusal
        except (CampaignError, MailError, BrandsError, ContactsError) as error:
            raise CommandError(str(error)) from error

    def _at_the_desk(self, options: dict[str, Any]) -> bool:
        """Whether the action was one of those between draft and launch; then it is done."""
        write = self.stdout.write
        match options["action"]:
            case "schedule":
                desk_actions.schedule(_named(options), options, write)
            case "unschedule":
                desk_actions.unschedule(_named(options), write)
            case "dry-run":
                desk_actions.dry_run(_named(options), self._console)
            case "test":
                desk_actions.test(_named(options), options, write)
            case "duplicate":
                desk_actions.duplicate(_named(options), write)
            case "request-approval":
                desk_actions.request_approval(_named(options), write)
            case "approve":
                desk_actions.approve(_named(options), options, write)
            case _:
                return False
        return True

    # --- Drafts -------------------------------------------------------------------------------

    def _create(self, options: dict[str, Any]) -> None:
        brand = find_brand(options["brand"])
        slug = options["slug"] or drafting.slug_from(options["name"])
        if not slug:
            raise CommandError("Give --slug: the name has no letters a to z to make one from.")
        draft = Campaign.objects.filter(brand=brand, slug=slug).first()
        if draft is not None and not options["replace"]:
            raise CommandError(
                f"The brand has a campaign {slug!r} already: give another --slug, or --replace to"
                " rewrite that draft."
            )
        with transaction.atomic():
            campaign = _write_draft(brand, slug, draft, options)
        self.stdout.write(f"Campaign {campaign.pk} ({campaign.slug}) is a draft.")

    def _list(self, options: dict[str, Any]) -> None:
        campaigns = Campaign.objects.with_parts().order_by("-pk")
        if options["brand"]:
            campaigns = campaigns.filter(brand=find_brand(options["brand"]))
        self._console.print(showing.campaigns_table(campaigns[:LISTED_AT_MOST]))

    def _check(self, options: dict[str, Any]) -> None:
        campaign = drafting.find_campaign(options["campaign"])
        problems = checking.check(campaign, PacedDomains(campaign.sender.account))
        self._write_problems(problems)
        if checking.is_blocked(problems):
            raise CommandError("The campaign cannot be launched.", returncode=REFUSED)
        self.stdout.write("Nothing stands against a launch.")

    def _count(self, options: dict[str, Any]) -> None:
        count = _counted(drafting.find_campaign(options["campaign"]))
        self._console.print(showing.count_table(count))

    # --- Under way ----------------------------------------------------------------------------

    def _launch(self, options: dict[str, Any]) -> None:
        campaign = drafting.find_campaign(options["campaign"])
        confirmed = None
        if campaign.mailing is None:
            confirmed = self._confirm(campaign, asks=not options["yes"])
        campaign = launching.launch(
            campaign_id=campaign.pk,
            by=getpass.getuser(),
            expected_count=confirmed.would_get if confirmed else None,
        )
        self.stdout.write(f"Campaign {campaign.pk} is launched.")
        if options["watch"]:
            self._follow(campaign, expected=confirmed.total if confirmed else 0)

    def _confirm(self, campaign: Campaign, *, asks: bool) -> counting.AudienceCount:
        """Shows what would go out, and to how many."""
        problems = checking.check(campaign, PacedDomains(campaign.sender.account))
        if checking.is_blocked(problems):
            raise LaunchRefused(problems)
        self._write_problems(problems)
        count = _counted(campaign)
        self._console.print(showing.count_table(count))
        if asks and not self._agreed(f"Send {campaign.name!r} to {count.would_get:,} people?"):
            raise CommandError("Nothing was launched.")
        return count

    def _agreed(self, question: str) -> bool:
        if not sys.stdin.isatty():
            raise CommandError("There is no terminal to ask at: give --yes to launch.")
        return input(f"{question} [y/N] ").strip().lower() in {"y", "yes"}

    def _watch(self, options: dict[str, Any]) -> None:
        self._follow(drafting.find_campaign(options["campaign"]))

    def _follow(self, campaign: Campaign, *, expected: int = 0) -> None:
        mailing = _mailing_of(campaign)
        try:
            with self._display() as display:
                last = watch(mailing, display, expected=expected)
        except KeyboardInterrupt:
            self.stdout.write(
                f"\nThe campaign goes on. Watch it again: manage.py campaign watch {campaign.pk}"
            )
            sys.exit(INTERRUPTED)
        self._show_results(campaign)
        if last.state == Mailing.State.PAUSED:
            raise CommandError(
                f"The campaign is paused ({last.state_reason}). Let it go on: manage.py campaign"
                f" resume {campaign.pk}",
                returncode=HALTED,
            )
        if last.state == Mailing.State.CANCELLED:
            raise CommandError("The campaign was cancelled.", returncode=HALTED)
        if last.failed or last.unknown:
            sys.exit(SOME_FAILED)

    def _display(self) -> showing.LiveBar | showing.PlainLines:
        if self.stdout.isatty():
            return showing.LiveBar(self._console)
        return showing.PlainLines(self.stdout.write)

    def _pause(self, options: dict[str, Any]) -> None:
        campaign = drafting.find_campaign(options["campaign"])
        controlling.pause(campaign_id=campaign.pk, by=getpass.getuser(), reason=options["reason"])
        self.stdout.write(f"Campaign {campaign.pk} is paused; calls under way end.")

    def _resume(self, options: dict[str, Any]) -> None:
        campaign = drafting.find_campaign(options["campaign"])
        controlling.resume(campaign_id=campaign.pk, by=getpass.getuser())
        self.stdout.write(f"Campaign {campaign.pk} goes on.")

    def _cancel(self, options: dict[str, Any]) -> None:
        campaign = drafting.find_campaign(options["campaign"])
        controlling.cancel(campaign_id=campaign.pk, by=getpass.getuser(), reason=options["reason"])
        self.stdout.write(f"Campaign {campaign.pk} is cancelled; calls under way end.")

    def _results(self, options: dict[str, Any]) -> None:
        self._show_results(drafting.find_campaign(options["campaign"]))

    def _show_results(self, campaign: Campaign) -> None:
        campaign = Campaign.objects.with_parts().get(pk=campaign.pk)
        mailing = _mailing_of(campaign)
        table = showing.results_table(campaign, results(mailing), effort(mailing))
        self._console.print(table)

    def _retry(self, options: dict[str, Any]) -> None:
        campaign = drafting.find_campaign(options["campaign"])
        found = results(_mailing_of(campaign)).by_reason(Message.State.FAILED)
        unknown = set(options["reason"] or ()) - found.keys()
        if unknown:
            raise CommandError(
                f"Nobody failed for {', '.join(sorted(unknown))}; the reasons are:"
                f" {', '.join(found) or 'none'}."
            )
        retried = controlling.retry_failed(
            campaign_id=campaign.pk, by=getpass.getuser(), reasons=options["reason"]
        )
        self.stdout.write(f"{retried:,} people are tried again.")

    # --- Writing ------------------------------------------------------------------------------

    @property
    def _console(self) -> Console:
        return open_console(self.stdout)

    def _write_problems(self, problems: list[checking.Problem]) -> None:
        for line in showing.problem_lines(problems):
            self.stdout.write(line)


AUDIENCE_EXAMPLE = 'such as {"topics": {"any": ["news"]}}, or {"everyone": true}'


def _add_action(actions: Any, name: str, words: str) -> argparse.ArgumentParser:
    """An action on one campaign. The type of `actions` has no public name."""
    parser: argparse.ArgumentParser = actions.add_parser(name, help=words)
    parser.add_argument("campaign", help="its id, slug or brand/slug")
    return parser


def _named(options: dict[str, Any]) -> Campaign:
    return drafting.find_campaign(options["campaign"])


def _counted(campaign: Campaign) -> counting.AudienceCount:
    return counting.count_rules(campaign.audience, brand_id=campaign.brand_id)


def _mailing_of(campaign: Campaign) -> Mailing:
    if campaign.mailing is None:
        raise CommandError(f"Campaign {campaign.pk} is a draft; launch it first.")
    return campaign.mailing


def _write_draft(
    brand: Brand, slug: str, draft: Campaign | None, options: dict[str, Any]
) -> Campaign:
    rules = audience_from(options["audience"])
    audience.parse(rules)
    fields: dict[str, Any] = {
        "sender": drafting.find_sender(brand, options["sender"]),
        "template": _template(brand, slug, draft, options),
        "name": options["name"],
        "audience": rules,
        "actor": getpass.getuser(),
    }
    if draft is None:
        return drafting.create_campaign(brand=brand, slug=slug, **fields)
    return drafting.rewrite_campaign(campaign_id=draft.pk, **fields)


def _template(brand: Brand, slug: str, draft: Campaign | None, options: dict[str, Any]) -> Template:
    """The one that is named, or the campaign's own, which has the campaign's slug."""
    named = options["template"] or slug
    template = Template.objects.filter(brand=brand, slug=named).first()
    if options["template"]:
        if template is None:
            raise CommandError(f"--template: the brand has no template {named!r}.")
        return template
    if not (options["template_subject"] and options["html"]):
        raise CommandError("Give --template SLUG, or --template-subject and --html.")
    if template is not None and (draft is None or draft.template_id != template.pk):
        raise CommandError(
            f"The brand has a template {slug!r} already: give another --slug, or --template {slug}"
            " to use it as it is."
        )
    return drafting.write_template(
        brand=brand,
        slug=slug,
        subject=options["template_subject"],
        html=text_from(options["html"], "--html"),
        text=text_from(options["text"], "--text") if options["text"] else "",
        actor=getpass.getuser(),
    )
