"""The demo's text campaign: a list of the provider's, the minute's run, the texts, the result."""

from __future__ import annotations

from datetime import time
from typing import TYPE_CHECKING

from django.core.management import call_command
from django.db.models import Count
from django.utils import timezone

from apps.brands.models import ProviderAccount
from apps.brands.saving import save_valid
from apps.sms import config
from apps.sms.choosing import running
from apps.sms.models import (
    ChoiceRun,
    OptInList,
    SentText,
    Subscriber,
    TextCampaign,
    TextConfig,
    TextMessage,
)
from apps.station import text_ledger
from apps.station.demo.stage import LIST_ID, LIST_PEOPLE, TEXT_LATENCY_MS
from apps.station.demo.text_report import text_table, text_verdict
from apps.station.demo.waiting import deadline
from apps.station.local.keeping import LIME_USER

if TYPE_CHECKING:
    from apps.brands.models import Brand
    from apps.station.demo.screen import Screen
    from apps.station.demo.stage import Stage

BODY = "{{ subscriber.first_name | default: 'Hello' }}, the spring crates are here. STOP to end"
SHORTCODE = "71441"
_SYNC_SECONDS, _CHOICE_SECONDS, _SENDING_SECONDS = 120.0, 120.0, 300.0
_OPEN = (SentText.State.RESERVED, SentText.State.CALLING)


def tell(screen: Screen, stage: Stage, brand: Brand) -> bool:
    """From an empty list to texts that arrived; whether sent log and provider's log agree."""
    account = _register(stage, brand)
    _sync(screen)
    _choose(screen, brand, account)
    _await_texts(screen, brand)
    return _judge(screen, stage, brand)


def _register(stage: Stage, brand: Brand) -> ProviderAccount:
    account = ProviderAccount(
        kind=ProviderAccount.Kind.LIME,
        name="texts",
        username=LIME_USER,
        api_key=stage.station.secrets.lime_sandbox_key,
    )
    save_valid(account)
    save_valid(OptInList(brand=brand, account=account, list_id=LIST_ID, keyword="HARBOUR"))
    return account


def _sync(screen: Screen) -> None:
    screen.chapter("Texts: the provider's list of people")
    screen.say(f"   The provider has {LIST_PEOPLE:,} people who texted HARBOUR to {SHORTCODE}.")
    screen.command("manage.py", "sync_list", LIST_ID)
    with deadline("the sync of the list", seconds=_SYNC_SECONDS, log="postgres"):
        call_command("sync_list", LIST_ID)
    zones = dict(
        Subscriber.objects.values_list("timezone").annotate(number=Count("pk")).order_by("-number")
    )
    shown = ", ".join(f"{zone} {number:,}" for zone, number in zones.items())
    screen.say(f"   Their time zones, by their numbers: {shown}")


def _choose(screen: Screen, brand: Brand, account: ProviderAccount) -> None:
    screen.chapter("A text campaign")
    # At any hour, so that the demo can be seen at any hour: what states forbid stays forbidden.
    TextConfig.objects.filter(brand=None).update(sending=True)
    TextConfig.objects.create(
        brand=brand,
        account=account,
        shortcode=SHORTCODE,
        hours_from=time(0),
        hours_until=time(23, 59, 59),
    )
    config.forget()
    campaign = TextCampaign.objects.create(
        brand=brand, name="Spring crates", state=TextCampaign.State.RUNNING, weekly_cap=1
    )
    TextMessage.objects.create(campaign=campaign, brand=brand, name="crates", body=BODY)
    settings = config.read(brand.pk)
    screen.say(
        f"   In calls of {settings.texts_per_call} texts, {settings.spacing_ms} ms apart, "
        f"{settings.requests_per_minute:,} a minute at most; each takes the provider "
        f"{TEXT_LATENCY_MS} ms."
    )
    with (
        screen.step("the minute's run chooses who gets a text, and reserves it"),
        deadline("the minute's run", seconds=_CHOICE_SECONDS, log="postgres"),
    ):
        _run_minute(brand)


def _run_minute(brand: Brand) -> None:
    """At once; where beat came first, its run is as good."""
    try:
        running.run(brand_id=brand.pk, minute=timezone.now().replace(second=0, microsecond=0))
    except running.MinuteTakenError:
        return


def _await_texts(screen: Screen, brand: Brand) -> None:
    texts = SentText.objects.filter(brand=brand)
    screen.watch(
        "texts settled",
        done=texts.exclude(state__in=_OPEN).count,
        total=texts.count,
        seconds=_SENDING_SECONDS,
        log="worker-sms",
    )


def _judge(screen: Screen, stage: Stage, brand: Brand) -> bool:
    screen.chapter("The result of the texts")
    run = ChoiceRun.objects.filter(brand=brand, reserved__gt=0).earliest("minute")
    accepted = (text.mobile for text in stage.lime.accepted())
    comparison = text_ledger.compare(brand.pk, accepted)
    screen.console.print(text_table(brand, run, stage.lime, comparison))
    colour = "green" if comparison.agrees else "red"
    screen.say(f"[bold {colour}]{text_verdict(comparison)}[/]")
    return comparison.agrees
