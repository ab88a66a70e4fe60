"""Backfills by command: streamed, resumable, tried out first."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command

from apps.sms.backfilling import files, running
from apps.sms.backfilling.jobs import SubscribersJob
from apps.sms.models import Backfill, SentText, SubscribeFlag, Subscriber, TrackingEvent
from tests.factories.brands import BrandFactory
from tests.factories.texts import SubscriberFactory, SubscriptionFactory, TextMessageFactory

if TYPE_CHECKING:
    from pathlib import Path

    from apps.brands.models import Brand

PHONE = "+12125550100"


@pytest.fixture
def brand(db: None) -> Brand:
    brand = BrandFactory.create(slug="wswd")
    SubscribeFlag.objects.create(field="subscribe_wswd", brand=brand)
    return brand


def told(command: str, *arguments: object, **options: object) -> str:
    stream = StringIO()
    call_command(command, *map(str, arguments), stdout=stream, **options)
    return stream.getvalue()


def people(
    path: Path, count: int, *, header: str = "phone,firstName,totalClicks,subscribe_wswd"
) -> Path:
    lines = [f"+1212{5550000 + n},Anna {n},{n},true" for n in range(count)]
    path.write_text("\n".join([header, *lines]) + "\n", encoding="utf-8")
    return path


def test_subscribers_are_brought_in_and_refused_rows_told(brand: Brand, tmp_path: Path) -> None:
    path = people(tmp_path / "people.csv", 3)
    with path.open("a", encoding="utf-8") as file:
        file.write("nobody,Bob,many,perhaps\n")
    rejects = tmp_path / "rejects.csv"

    tried = told("backfill_subscribers", path, brand="wswd", dry_run=True)
    before = Subscriber.objects.count()
    done = told("backfill_subscribers", path, brand="wswd", rejects=rejects)

    assert "Would be taken: 3 of 4 rows; 1 refused" in tried
    assert before == 0
    assert "Taken: 3 of 4" in done
    assert Subscriber.objects.filter(subscriptions__active=True).count() == 3
    assert Subscriber.objects.get(first_name="Anna 2").baseline_clicks == 2
    assert rejects.read_text(encoding="utf-8").startswith("4,")
    assert "phone" in rejects.read_text(encoding="utf-8")


def test_a_run_that_was_killed_goes_on_behind_its_last_page(brand: Brand, tmp_path: Path) -> None:
    path = people(tmp_path / "people.csv", 25)
    pages: list[int] = []

    def show(progress: running.Progress) -> None:
        pages.append(progress.done)
        if progress.done == 20:
            raise KeyboardInterrupt

    job = SubscribersJob(brand)
    run: dict[str, Any] = {"job": job, "path": path, "brand_slug": "wswd", "dry_run": False}
    with pytest.raises(KeyboardInterrupt):
        running.run(**run, show=show, page_size=10)
    result = running.run(**run, show=show, page_size=10)

    assert pages == [10, 20, 25]
    assert (result.done, Subscriber.objects.count()) == (25, 25)
    assert Backfill.objects.get().finished_at is not None


def test_another_file_of_the_name_starts_anew(brand: Brand, tmp_path: Path) -> None:
    told("backfill_subscribers", people(tmp_path / "people.csv", 2), brand="wswd")

    again = told("backfill_subscribers", people(tmp_path / "people.csv", 4), brand="wswd")

    assert "4 of 4" in again
    assert Subscriber.objects.count() == 4


def test_files_that_cannot_be_read(brand: Brand, tmp_path: Path) -> None:
    unknown = people(tmp_path / "a.csv", 1, header="phone,shoe,totalClicks,subscribe_wswd")
    missing = people(tmp_path / "b.csv", 1, header="name,firstName,totalClicks,subscribe_wswd")
    latin = tmp_path / "c.csv"
    latin.write_bytes("phone,name\n+12125550100,Zo\xe9\n".encode("latin-1"))

    for path, reason in ((unknown, "Unknown columns: shoe"), (missing, "Missing columns: phone"),
                         (latin, "UTF-8"), (tmp_path / "none.csv", "no file")):  # fmt: skip
        with pytest.raises(CommandError, match=reason):
            told("backfill_subscribers", path, brand="wswd")
    with pytest.raises(CommandError, match="No brand"):
        told("backfill_subscribers", unknown, brand="nobody")
    assert files.fingerprint(unknown) != files.fingerprint(missing)


def test_events_and_texts_of_the_past(brand: Brand, tmp_path: Path) -> None:
    person = SubscriberFactory.create(phone=PHONE, timezone="America/Los_Angeles")
    SubscriptionFactory.create(subscriber=person, brand=brand)
    message = TextMessageFactory.create(campaign__brand=brand, brand=brand)
    sent = tmp_path / "sent.csv"
    sent.write_text(
        f"phone,message_id,sent_at\n{PHONE},{message.pk},2026-03-01T03:00:00Z\n"
        f"{PHONE},999999,2026-03-01T03:00:00Z\n+13105550100,{message.pk},2026-03-01T03:00:00Z\n"
    )
    events = tmp_path / "events.csv"
    events.write_text(
        "type,event_id,phone,occurred_at,value,currency\n"
        f"purchase,o1,{PHONE},2026-03-02 10:00:00,12.50,USD\n"
        f"reply,o2,{PHONE},1999-03-02 10:00:00,,\n"
    )

    first = told("backfill_sent_log", sent, brand="wswd")
    Backfill.objects.all().delete()
    again = told("backfill_sent_log", sent, brand="wswd")
    bought = told("backfill_events", events, brand="wswd")

    assert "1 of 3 rows; 2 refused" in first
    assert "1 of 3" in again
    text = SentText.objects.get()
    assert (str(text.local_day), text.state) == ("2026-02-28", "sent")
    assert "1 of 2 rows; 1 refused" in bought
    event = TrackingEvent.objects.get()
    assert (event.message_id, event.source) == (message.pk, "backfill")


def test_timezones_are_derived_where_none_was_given(db: None) -> None:
    bare = SubscriberFactory.create(phone="+13105550100", timezone="", state="")
    given = SubscriberFactory.create(
        phone="+13105550101", timezone="America/Denver", state="CO", zone_source="given"
    )
    wrong = SubscriberFactory.create(
        phone="+13105550102", timezone="America/New_York", zone_source="brand"
    )

    tried = told("backfill_timezones", dry_run=True)
    missing = told("backfill_timezones")
    everybody = told("backfill_timezones", all=True)

    assert "1 people looked at, 1 would change" in tried
    assert "1 people looked at, 1 changed" in missing
    assert "2 people looked at, 1 changed" in everybody
    zones = [
        Subscriber.objects.values_list("timezone", "state", "zone_source").get(pk=one.pk)
        for one in (bare, given, wrong)
    ]
    assert zones == [
        ("America/Los_Angeles", "CA", "number"),
        ("America/Denver", "CO", "given"),
        ("America/Los_Angeles", "CA", "number"),
    ]
