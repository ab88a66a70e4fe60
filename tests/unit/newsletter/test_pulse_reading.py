"""What a call may tell, and how its mistakes are named."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from apps.newsletter.pulse.errors import InvalidInteractionsError
from apps.newsletter.pulse.reading import TOLD_AT_MOST, read_interactions

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)


def interaction(**changes: Any) -> dict[str, Any]:
    plain = {"id": "e1", "kind": "visited", "occurred_at": "2026-11-22T10:00:00Z", "contact": 7}
    return {name: value for name, value in (plain | changes).items() if value is not ...}


def errors_of(*given: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidInteractionsError) as raised:
        read_interactions(list(given), now=NOW)
    return raised.value.errors


def test_interaction_is_kept_under_short_names_in_utc() -> None:
    given = interaction(
        contact=..., email="Ada@Example.org", subject="/a", occurred_at="2026-11-22T12:00:00+02:00"
    )

    assert read_interactions([given], now=NOW) == [
        {"e": "e1", "k": "visited", "t": "2026-11-22T10:00:00+00:00", "a": "ada@example.org",
         "s": "/a"}
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"id": ...}, "id"),
        ({"id": "with space"}, "id"),
        ({"id": "x" * 65}, "id"),
        ({"id": 5}, "id"),
        ({"kind": "Visited"}, "kind"),
        ({"kind": "opened"}, "kind"),
        ({"kind": None}, "kind"),
        ({"occurred_at": "yesterday"}, "occurred_at"),
        ({"occurred_at": 1}, "occurred_at"),
        ({"occurred_at": (NOW + timedelta(hours=2)).isoformat()}, "occurred_at"),
        ({"occurred_at": "2020-01-01T00:00:00Z"}, "occurred_at"),
        ({"occurred_at": "0001-01-01T00:00:00+23:59"}, "occurred_at"),
        ({"contact": 0}, "contact"),
        ({"contact": True}, "contact"),
        ({"contact": 2**63}, "contact"),
        ({"email": "a@example.org"}, "email"),
        ({"contact": ..., "email": "nobody"}, "email"),
        ({"subject": "x" * 201}, "subject"),
        ({"subject": ["x"]}, "subject"),
        ({"colour": "red"}, "colour"),
    ],
)
def test_wrong_value_is_named_with_its_place(changes: dict[str, Any], field: str) -> None:
    assert list(errors_of(interaction(), interaction(**changes))) == [f"interactions.1.{field}"]


@pytest.mark.parametrize("given", [None, {}, [], "text", [interaction()] * 5_001])
def test_what_is_no_list_of_bearable_length_is_refused(given: Any) -> None:
    with pytest.raises(InvalidInteractionsError, match="interactions"):
        read_interactions(given, now=NOW)


def test_answer_to_thousands_of_mistakes_stays_short() -> None:
    assert len(errors_of(*["no object"] * 4_000)) == TOLD_AT_MOST
