"""Comparing wishes with the provider, repairing, handing over in bulk, and the soak's verdict."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import pytest
from django.core.cache import caches
from django.core.management import CommandError, call_command

from apps.brands.models import ProviderAccount
from apps.mail import clients
from apps.mail.resend import Ambiguous, RateLimit, Reply
from apps.mail.resend.errors import CallFacts
from apps.mail.sending import Door
from apps.newsletter.models import SegmentSync, SegmentWish
from apps.newsletter.segments import asking, drift, syncing
from apps.newsletter.segments.asking import Asker
from apps.newsletter.segments.backfilling import backfill
from apps.newsletter.segments.soak import rehearsal
from apps.queues.breaking import Phase
from apps.sandbox.handle import ResendSandbox
from tests.integration.newsletter.segment_house import SegmentHouse, operations
from tests.integration.sandbox.talking import KEY, call

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pytest_django import Settings

    from apps.mail.resend import ContactCalls

pytestmark = pytest.mark.django_db


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResendSandbox]:
    with ResendSandbox(
        tmp_path_factory.mktemp("sync"), accounts={"main": KEY}, rate_limit=0
    ) as server:
        yield server


@pytest.fixture
def house(running: ResendSandbox, settings: Settings) -> Iterator[SegmentHouse]:
    running.restore()
    running.reset()
    running.configure(import_seconds=0)
    settings.RESEND_API_URL = running.url
    settings.SEGMENT_MIN_INTERVAL_MS = settings.SEGMENT_JITTER_MS = 0
    settings.SEGMENT_BURST_MS = 0
    caches["flags"].clear()
    yield SegmentHouse(running)
    clients._limiters.clear()
    clients._breakers.clear()


def sync(house: SegmentHouse, *options: str) -> tuple[dict[str, int], int]:
    out, code = io.StringIO(), 0
    try:
        call_command(
            "sync_segments", "--brand", house.sender.brand.slug, "--json", *options, stdout=out
        )
    except SystemExit as exit_:
        code = int(str(exit_.code))
    return json.loads(out.getvalue()), code


def settled(house: SegmentHouse, *names: str | None) -> list[str]:
    """Contacts that are where they shall be; their ids at the provider."""
    for name in names:
        house.wish(house.contact(), name, mode="initial")
    house.work()
    wishes = SegmentWish.objects.order_by("contact")
    return list(wishes.values_list("provider_contact_id", flat=True))


def meddle(house: SegmentHouse, method: str, contact: str, name: str) -> None:
    """Somebody changes a segment at the provider by hand."""
    call(house.sandbox, method, f"/contacts/{contact}/segments/{house.segments[name]}", {})


def test_drift_is_found_told_and_repaired(house: SegmentHouse) -> None:
    ids = settled(house, "gold", "silver", None, "bronze")
    meddle(house, "DELETE", ids[0], "gold")
    meddle(house, "POST", ids[1], "bronze")
    meddle(house, "POST", ids[2], "gold")
    call(house.sandbox, "POST", "/contacts", {"email": "x@y.example", "segments":
                                              [house.segments["gold"]]})  # fmt: skip

    told, code = sync(house, "--dry-run")
    assert (told["drifted"], told["repaired"], told["strangers"], code) == (3, 0, 1, 3)

    told, code = sync(house)
    assert (told["drifted"], told["repaired"], code) == (3, 3, 0)

    house.work()
    told, code = sync(house, "--dry-run")
    assert (told["drifted"], code) == (0, 0)
    members = [house.members_of(wish.contact) for wish in SegmentWish.objects.order_by("contact")]
    assert members == [{"gold"}, {"silver"}, set(), {"bronze"}]


def test_wishes_under_way_are_no_drift(house: SegmentHouse) -> None:
    settled(house, "gold")
    house.wish(SegmentWish.objects.get().contact, "silver")

    told, code = sync(house, "--dry-run")

    assert (told["drifted"], code) == (0, 0)


def test_comparison_that_was_stopped_goes_on(house: SegmentHouse) -> None:
    settled(house, "gold", "silver", "bronze")
    brand = house.sender.brand

    def stop(segment: int, _: int) -> None:
        if segment == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        syncing.compare(brand=brand, tell=stop)
    run = SegmentSync.objects.get(finished_at=None)
    assert run.position["segment"] == 1
    pages: list[int] = []

    seen = syncing.compare(brand=brand, tell=lambda segment, _: pages.append(segment))

    assert (seen.members, pages) == (3, [3])
    assert SegmentSync.objects.get().finished_at is not None
    assert drift.count_drifted(brand_id=brand.pk) == 0


def test_backfill_hands_everybody_over_in_files_and_goes_on(house: SegmentHouse) -> None:
    contacts = [house.contact() for _ in range(5)]
    for contact in contacts[:3]:
        house.wish(contact, "gold")
    SegmentWish.objects.update(state="idle", done_version=1)
    house.contact(status="unsubscribed")
    asker = Asker(Door.of(house.sender.account))

    def stop(done: int, _: int) -> None:
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        backfill(brand=house.sender.brand, page_size=2, asker=asker, tell=stop)
    done = backfill(brand=house.sender.brand, page_size=2, asker=asker, tell=lambda *_: None)

    assert (done.contacts, done.files) == (5, 3)
    assert done.counts["created"] == 5
    assert [house.members_of(contact) for contact in contacts] == [{"gold"}] * 3 + [set()] * 2
    assert operations(house.told("import")) == ["import"] * 3
    assert sync(house, "--dry-run")[0]["drifted"] == 0


def test_calls_of_commands_open_the_breaker_and_wait_for_it(
    house: SegmentHouse, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings.BREAKER_RUN, settings.BREAKER_HOLD_SECONDS = 3, 0.2
    monkeypatch.setattr(asking, "PAUSE_SECONDS", 0.05)
    account = house.sender.account
    seen: list[Phase] = []

    def question(calls: ContactCalls) -> Reply[str]:
        seen.append(clients.breaker_for(account).look().phase)
        if len(seen) < 4:
            raise Ambiguous(CallFacts(name="internal_server_error", status=500))
        return Reply("well", 200, RateLimit(), 1.0)

    assert Asker(Door.of(account)).ask(question) == "well"

    assert seen == [Phase.CLOSED] * 3 + [Phase.PROBING]
    assert clients.breaker_for(account).look().phase is Phase.CLOSED


def test_backfill_in_a_dry_run_asks_nobody(house: SegmentHouse) -> None:
    house.contact()

    told, code = sync(house, "--backfill", "--dry-run")

    assert (told, code) == ({"contacts": 1, "files": 0}, 0)
    assert house.told() == []


def test_unknown_brand_is_refused_by_name() -> None:
    with pytest.raises(CommandError, match="nobody"):
        call_command("sync_segments", "--brand", "nobody")


# --- The soak -------------------------------------------------------------------------------------


@pytest.fixture
def quick(settings: Settings) -> Iterator[None]:
    settings.SEGMENT_MIN_INTERVAL_MS = settings.SEGMENT_JITTER_MS = 20
    settings.SEGMENT_BURST_MS = 50
    caches["flags"].clear()
    yield
    clients._limiters.clear()
    clients._breakers.clear()


def soak(tmp_path: Path, *options: str) -> tuple[dict[str, object], int]:
    code = 0
    files = ["--json", str(tmp_path / "soak.json"), "--csv", str(tmp_path / "soak.csv")]
    try:
        call_command(
            "soak_segments", "--dry-run", "--subscribe-p95-ms", "0", *files, *options,
            stdout=io.StringIO(), stderr=io.StringIO(),
        )  # fmt: skip
    except SystemExit as exit_:
        code = int(str(exit_.code))
    return json.loads((tmp_path / "soak.json").read_text()), code


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick")
def test_soak_passes_where_all_agrees_and_writes_its_figures(tmp_path: Path) -> None:
    report, code = soak(tmp_path)

    assert (report["failures"], code) == ([], 0)
    assert (report["signups"], report["throttled"], report["agreeing"]) == (10, 0, 10)
    rows = list(csv.DictReader((tmp_path / "soak.csv").open()))
    assert len(rows) == 10
    assert all(row["wanted"] == row["logged"] == row["membership"] for row in rows)


@pytest.mark.django_db(transaction=True)
def test_soak_keeps_the_provider_s_limit_to_the_end(house: SegmentHouse) -> None:
    house.sandbox.configure(rate_limit=5)
    ProviderAccount.objects.update(rate_limit=5)  # as an account has that nobody has asked yet
    out = io.StringIO()

    call_command(
        "soak_segments", "--account", house.sender.account.name, "--signups", "4",
        "--subscribe-p95-ms", "0", stdout=out, stderr=io.StringIO(),
    )  # fmt: skip

    assert out.getvalue().endswith("passed\n")
    assert {one.status for one in house.sandbox.requests()} == {200, 201}


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("quick")
def test_soak_fails_where_the_provider_loses_a_segment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = rehearsal.RehearsedCalls.create

    def forgetful(self: rehearsal.RehearsedCalls, new: object, **_: object) -> object:
        reply = real(self, new)  # type: ignore[arg-type]  # as it was given
        self._segments[reply.value] = {}
        return reply

    monkeypatch.setattr(rehearsal.RehearsedCalls, "create", forgetful)

    report, code = soak(tmp_path, "--signups", "2", "--updates", "0")

    assert code == 1
    assert "are not one" in str(report["failures"])
