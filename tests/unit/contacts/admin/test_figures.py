"""The figures of an import, in words."""

from __future__ import annotations

from apps.contacts.admin.figures import _FAULTS, figures_of
from apps.contacts.importing.people import Fault

SAVED = {
    "rows_read": 1010,
    "short_rows": 0,
    "created": 1000,
    "updated": 0,
    "unchanged": 5,
    "opted_in": 0,
    "unsubscribed_kept": 1,
    "suppressed": 2,
    "rejected": {"email_invalid": 3, "duplicate": 2},
}


def test_figures_add_up_and_are_told_in_short() -> None:
    figures = figures_of(SAVED)

    assert figures is not None
    assert figures.rejected == 5
    assert figures.in_short() == "1,000 new, 5 unchanged, 5 rejected"
    assert figures.changes_anything


def test_nothing_saved_is_nothing() -> None:
    assert figures_of(None) is None


def test_every_fault_has_words() -> None:
    assert set(_FAULTS) == set(Fault)
