"""Tests of one file go to one process, so that it sets the file's fixtures up once.

In place of pytest-xdist's `loadgroup`, whose groups pytest 9.2 no longer sees.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING, Any

from xdist.scheduler import LoadScopeScheduling

if TYPE_CHECKING:
    import pytest


class FileScheduling(LoadScopeScheduling):  # type: ignore[misc]  # xdist tells no types
    """A row of tests of one file is a unit; a file whose tests stand in two places has two."""

    def __init__(self, config: pytest.Config, log: Any = None) -> None:
        super().__init__(config, log)
        self._units: dict[str, str] = {}

    def schedule(self) -> None:
        if not self._units:
            collected = next(iter(self.registered_collections.values()))
            for place, (file, tests) in enumerate(groupby(collected, key=_file)):
                self._units.update((test, f"{file} {place}") for test in tests)
        super().schedule()

    def _split_scope(self, nodeid: str) -> str:
        return self._units[nodeid]


def _file(nodeid: str) -> str:
    return nodeid.partition("::")[0]
