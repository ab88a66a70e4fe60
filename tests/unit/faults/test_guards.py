from __future__ import annotations

import pytest

from tests.faults.guards import GUARDS, PROJECT, Guard

PAGE = PROJECT / "docs" / "faults.md"


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_guard_stands_where_the_run_without_it_looks(guard: Guard) -> None:
    text = (PROJECT / guard.path).read_text()

    assert text.count(guard.text) == 1
    assert (PROJECT / guard.tests).exists()


@pytest.mark.parametrize("guard", GUARDS, ids=lambda guard: guard.name)
def test_guard_is_listed_for_readers(guard: Guard) -> None:
    assert f"| {guard.name} |" in PAGE.read_text()
