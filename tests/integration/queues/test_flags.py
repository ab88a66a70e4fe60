from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError
from waffle.models import Switch

from apps.brands.models import AuditEntry
from apps.queues import draining, flags, holding, watermarks
from apps.queues.draining import Drainer
from apps.queues.flags import FLAGS, Flag, is_on
from apps.queues.models import Alert
from apps.queues.names import TaskName
from apps.queues.sweeping import Due

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

APPS = Path(settings.BASE_DIR) / "apps"


@pytest.fixture(autouse=True)
def fresh_cache() -> Iterator[None]:
    caches["flags"].clear()
    yield
    caches["flags"].clear()


def switch(flag: Flag, *, on: bool) -> None:
    Switch.objects.filter(name=flag.value).update(active=on)
    caches["flags"].clear()


def test_every_flag_has_a_row_a_default_and_a_line_for_people() -> None:
    rows = dict(Switch.objects.values_list("name", "active"))
    text = (settings.BASE_DIR / "docs" / "flags.md").read_text()

    assert rows == {flag.value: spec.default for flag, spec in FLAGS.items()}
    assert set(FLAGS) == set(Flag)
    assert [flag for flag in Flag if f"| `{flag}` |" not in text] == []


def test_every_flag_is_asked_for_by_some_code() -> None:
    asked: set[str] = set()
    for path in APPS.rglob("*.py"):
        if path.name != "flags.py":
            asked |= set(re.findall(r"is_on\(Flag\.(\w+)\)", path.read_text()))

    assert asked == {flag.name for flag in Flag}


def test_flag_is_as_it_was_switched() -> None:
    switch(Flag.CIRCUIT_BREAKER, on=False)
    assert not is_on(Flag.CIRCUIT_BREAKER)

    switch(Flag.CIRCUIT_BREAKER, on=True)
    assert is_on(Flag.CIRCUIT_BREAKER)


def test_deleted_switch_means_the_default() -> None:
    Switch.objects.all().delete()
    caches["flags"].clear()

    assert [is_on(flag) for flag in Flag] == [FLAGS[flag].default for flag in Flag]


def test_flag_that_cannot_be_read_means_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    class Broken:
        @staticmethod
        def get(_name: str) -> None:
            raise DatabaseError

    monkeypatch.setattr(flags, "get_waffle_switch_model", lambda: Broken)

    assert is_on(Flag.QUEUE_HOLDS)


def test_answer_is_kept_for_seconds_only() -> None:
    assert is_on(Flag.QUEUE_HOLDS)
    assert caches["flags"].default_timeout == 5


def test_queue_is_not_held_where_holds_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    gate = holding.gate_of("events")
    monkeypatch.setattr(holding.Gate, "_is_known_to_be_well", lambda _: False)
    monkeypatch.setattr(gate.breaker, "admit", lambda: None)
    assert gate.enter() is None

    switch(Flag.QUEUE_HOLDS, on=False)

    assert gate.enter() is not None
    assert gate.places() is None


def test_nothing_is_drained_where_draining_is_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(draining, "due_now", lambda: [Due(TaskName.CLOSE_MAILINGS, 1, {}, 3600)])
    monkeypatch.setattr(Drainer, "_note_broker", lambda *_, **__: pytest.fail("it drains"))
    drainer = Drainer(wakers=None, after_seconds=10)  # type: ignore[arg-type]
    switch(Flag.DRAIN_WITHOUT_BROKER, on=False)

    assert drainer.look() == 0


def test_watermarks_raise_nothing_where_alerts_are_off(monkeypatch: pytest.MonkeyPatch) -> None:
    found = watermarks.Finding("queue_depth", "events", 9.0, 1.0, "9 wait in events")
    monkeypatch.setattr(watermarks, "_findings", lambda _: [found])
    switch(Flag.WATERMARK_ALERTS, on=False)
    assert watermarks.watch() != []
    assert not Alert.objects.exists()

    switch(Flag.WATERMARK_ALERTS, on=True)
    watermarks.watch()
    assert Alert.objects.open().filter(kind="queue_depth").exists()


def test_change_of_a_switch_is_in_the_audit_log() -> None:
    switch(Flag.WATERMARK_ALERTS, on=False)

    entry = AuditEntry.objects.filter(table_name="waffle_switch", action="update").get()
    assert (entry.before, entry.after) == ({"active": True}, {"active": False})
