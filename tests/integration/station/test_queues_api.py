"""The API of queues, asked as a program asks it."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any

import pytest
from celery import current_app
from django.core.cache import caches
from django.db import connection
from django.test import Client
from waffle.models import Switch

from apps.brands import keys
from apps.brands.models import Brand, Scope
from apps.queues import dead_letters, draining
from apps.queues.flags import Flag
from apps.queues.health import backlogs
from apps.queues.models import DeadLetter
from apps.queues.names import Queue, TaskName
from apps.queues.sweeping import Due
from apps.station.queues_desk import working
from tests.factories.brands import BrandFactory

if TYPE_CHECKING:
    from pytest_django import DjangoAssertNumQueries
    from pytest_django.fixtures import Settings

pytestmark = pytest.mark.django_db


class Caller:
    """A program with a key."""

    def __init__(self, brand: Brand, *scopes: Scope) -> None:
        self.brand = brand
        issued = keys.issue(brand=brand, name="ops", scopes=scopes, by="tests")
        self.client = Client(headers={"authorization": f"Bearer {issued.token}"})

    def get(self, path: str) -> Any:
        return self.client.get(f"/api/{path}")

    def post(self, path: str, body: dict[str, Any] | None = None) -> Any:
        return self.client.post(f"/api/{path}", body or {}, content_type="application/json")


@pytest.fixture
def brand() -> Brand:
    made: Brand = BrandFactory.create()
    return made


@pytest.fixture
def caller(brand: Brand) -> Caller:
    return Caller(brand, Scope.QUEUES_READ, Scope.QUEUES_WRITE)


@pytest.fixture
def driven(monkeypatch: pytest.MonkeyPatch, brand: Brand) -> list[int]:
    ids: list[int] = []
    monkeypatch.setitem(dead_letters._redrives, "test.row", ids.append)
    monkeypatch.setitem(dead_letters._brands, "test.row", lambda _: brand.pk)
    return ids


def letter_of(subject: int, queue: str = Queue.BATCH_EMAIL) -> int:
    return dead_letters.record(
        queue=queue,
        task=TaskName.SEND_BATCHES,
        subject="test.row",
        subject_id=subject,
        reason="throttled",
    )


# --- Health -----------------------------------------------------------------------------------


def test_health_tells_of_every_queue(caller: Caller) -> None:
    answer = caller.get("queues/health")

    told = {one["queue"]: one for one in answer.json()["queues"]}
    assert answer.status_code == 200
    assert set(told) >= set(Queue)
    single = told["single-email"]
    assert (single["queue_length"], single["oldest_due_seconds"], single["dead_letters"]) == (
        0,
        None,
        0,
    )
    assert single["last_success_at"] is None
    assert single["error_streak"] == 0


@pytest.mark.parametrize(
    ("scopes", "status"), [((Scope.CONTACTS_READ,), 403), ((Scope.QUEUES_WRITE,), 403)]
)
def test_health_needs_the_scope(brand: Brand, scopes: tuple[Scope, ...], status: int) -> None:
    assert Caller(brand, *scopes).get("queues/health").status_code == status


def test_health_needs_a_key(client: Client) -> None:
    assert client.get("/api/queues/health").status_code == 401


def test_failed_source_is_unknown_and_others_are_told(
    caller: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail() -> backlogs.Backlog:
        with connection.cursor() as cursor:
            cursor.execute("SELECT * FROM no_such_table")
        return backlogs.Backlog(0)

    monkeypatch.setitem(backlogs._sources, Queue.EVENTS, {"events": fail})

    told = {one["queue"]: one for one in caller.get("queues/health").json()["queues"]}

    assert told["events"]["queue_length"] == "unknown"
    assert told["events"]["oldest_due_seconds"] == "unknown"
    assert told["events"]["status"] == "unknown"
    assert told["events"]["warnings"] == ["events could not be read (ProgrammingError)"]
    assert told["imports"]["queue_length"] == 0


def test_broker_that_is_away_leaves_the_rest_known(caller: Caller, settings: Settings) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"

    answer = caller.get("queues/health").json()

    told = {one["queue"]: one for one in answer["queues"]}
    assert told["batch-email"]["wake_ups"] == "unknown"
    assert told["batch-email"]["hold"] == "unknown"
    assert told["batch-email"]["queue_length"] == 0
    assert "wake-ups in the broker could not be read (ConnectionError)" in answer["warnings"]


def test_health_costs_a_fixed_number_of_statements(
    caller: Caller, driven: list[int], django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    caller.get("queues/health")
    for subject in range(20):
        letter_of(subject)
    with django_assert_max_num_queries(110) as counted:
        caller.get("queues/health")
    before = len(counted)
    for subject in range(20, 60):
        letter_of(subject, queue=Queue.EVENTS)

    with django_assert_max_num_queries(before):
        caller.get("queues/health")


# --- Dead letters -----------------------------------------------------------------------------


def test_letters_are_listed_and_filtered(caller: Caller, driven: list[int]) -> None:
    letter_of(1)
    wanted = letter_of(2, queue=Queue.EVENTS)

    answer = caller.get("queues/dead-letters?queue=events&state=open").json()

    assert [one["id"] for one in answer["data"]] == [wanted]
    assert answer["data"][0]["reason"] == "throttled"
    assert answer["data"][0]["brand_scoped"] is True


def test_letters_of_other_brands_are_not_there(caller: Caller, driven: list[int]) -> None:
    letter_id = letter_of(1)
    stranger = Caller(BrandFactory.create(), Scope.QUEUES_READ, Scope.QUEUES_WRITE)

    assert stranger.get("queues/dead-letters").json()["data"] == []
    assert stranger.get(f"queues/dead-letters/{letter_id}").status_code == 404
    assert stranger.post(f"queues/dead-letters/{letter_id}/redrive").status_code == 404
    assert stranger.post("queues/dead-letters/redrive").status_code == 409
    assert driven == []


def test_letter_is_driven_once(caller: Caller, driven: list[int]) -> None:
    letter_id = letter_of(1)

    first = caller.post(f"queues/dead-letters/{letter_id}/redrive")
    second = caller.post(f"queues/dead-letters/{letter_id}/redrive")

    assert (first.status_code, second.status_code) == (200, 409)
    assert first.json()["state"] == "redriven"
    assert first.json()["closed_by"].startswith("key:")
    assert driven == [1]


def test_letter_is_discarded_with_a_note_only(caller: Caller, driven: list[int]) -> None:
    letter_id = letter_of(1)

    refused = caller.post(f"queues/dead-letters/{letter_id}/discard")
    taken = caller.post(f"queues/dead-letters/{letter_id}/discard", {"note": "sent by hand"})

    assert (refused.status_code, taken.status_code) == (422, 200)
    assert DeadLetter.objects.get().note == "sent by hand"


def test_letter_of_the_installation_is_read_by_all_and_driven_by_none_of_several(
    caller: Caller,
) -> None:
    letter_id = dead_letters.record(
        queue=Queue.CONTROL, task=TaskName.CLOSE_MAILINGS, reason="attempts_spent"
    )
    BrandFactory.create()

    assert caller.get(f"queues/dead-letters/{letter_id}").json()["brand_scoped"] is False
    assert caller.post(f"queues/dead-letters/{letter_id}/redrive").status_code == 409
    Brand.objects.exclude(pk=caller.brand.pk).delete()
    assert caller.post(f"queues/dead-letters/{letter_id}/redrive").status_code == 200


def test_kind_is_driven_in_the_background(caller: Caller, driven: list[int]) -> None:
    letter_of(1)

    answer = caller.post("queues/dead-letters/redrive", {"reason": "throttled"})

    bulk = answer.json()
    assert answer.status_code == 202
    assert bulk["finished_at"] is None
    assert caller.get(f"queues/bulk-redrives/{bulk['id']}").json()["id"] == bulk["id"]


# --- Working queues off -----------------------------------------------------------------------


class Work:
    """Due work of two queues; `events` may be slow."""

    def __init__(self) -> None:
        self.left = {"control": 3, "events": 2}
        self.gate = threading.Event()
        self.gate.set()
        self.fails: set[str] = set()

    def due(self) -> list[Due]:
        tasks = {"control": TaskName.CLOSE_MAILINGS, "events": TaskName.APPLY_EVENTS}
        return [Due(tasks[name], 1, {}) for name, left in self.left.items() if left]

    def do(self, due: Due) -> None:
        name = "control" if due.task == TaskName.CLOSE_MAILINGS else "events"
        if name in self.fails:
            raise ValueError(name)
        if name == "events":
            self.gate.wait(10)
        self.left[name] -= 1


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    one = Work()
    monkeypatch.setattr(draining, "due_now", one.due)
    monkeypatch.setattr(draining, "work_directly", one.do)
    monkeypatch.setattr(working, "_at_work", set())
    return one


def results(answer: Any) -> dict[str, tuple[str, int]]:
    return {one["queue"]: (one["status"], one["turns"]) for one in answer.json()["queues"]}


def test_every_queue_is_worked_off(caller: Caller, work: Work) -> None:
    answer = caller.post("process-queues")

    told = results(answer)
    assert answer.status_code == 200
    assert told["control"] == ("empty", 3)
    assert told["events"] == ("empty", 2)
    assert told["sms"] == ("empty", 0)
    assert work.left == {"control": 0, "events": 0}


def test_slow_queue_holds_up_no_other(caller: Caller, work: Work) -> None:
    work.gate.clear()

    answer = caller.post("process-queues", {"deadline_seconds": 1})
    again = caller.post("process-queues", {"deadline_seconds": 1, "queues": ["events"]})
    work.gate.set()

    assert results(answer)["control"] == ("empty", 3)
    assert results(answer)["events"] == ("still_working", 0)
    assert results(again) == {"events": ("still_working", 0)}
    assert answer.json()["duration_ms"] < 3000


def test_limit_is_kept_for_each_queue(caller: Caller, work: Work) -> None:
    answer = caller.post("process-queues", {"limit": 2})

    assert results(answer)["control"] == ("more_to_do", 2)
    assert work.left["control"] == 1


def test_failing_queue_is_told_and_others_are_worked(caller: Caller, work: Work) -> None:
    work.fails.add("control")

    answer = caller.post("process-queues", {"queues": ["control", "events"]})

    assert results(answer) == {"control": ("failing", 1), "events": ("empty", 2)}


def test_queues_are_worked_without_the_broker(
    caller: Caller, work: Work, monkeypatch: pytest.MonkeyPatch, settings: Settings
) -> None:
    settings.REDIS_URL = "redis://127.0.0.1:1/0"
    monkeypatch.setattr(current_app.conf, "broker_write_url", settings.REDIS_URL)

    answer = caller.post("process-queues")

    assert results(answer)["control"] == ("empty", 3)


@pytest.mark.parametrize(
    "body",
    [{"queues": ["no-such"]}, {"queues": []}, {"limit": 0}, {"deadline_seconds": 31}, {"x": 1}],
)
def test_wrong_requests_to_work_are_refused(caller: Caller, work: Work, body: Any) -> None:
    assert caller.post("process-queues", body).status_code == 422
    assert work.left == {"control": 3, "events": 2}


def test_working_queues_needs_the_scope(brand: Brand, work: Work, client: Client) -> None:
    assert Caller(brand, Scope.QUEUES_READ).post("process-queues").status_code == 403
    assert client.post("/api/process-queues").status_code == 401
    assert work.left == {"control": 3, "events": 2}


def test_working_queues_can_be_switched_off(caller: Caller, work: Work) -> None:
    Switch.objects.filter(name=Flag.PROCESS_QUEUES.value).update(active=False)
    caches["flags"].clear()

    answer = caller.post("process-queues")

    caches["flags"].clear()
    assert answer.status_code == 409
    assert work.left == {"control": 3, "events": 2}
