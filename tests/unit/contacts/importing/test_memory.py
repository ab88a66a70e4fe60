from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

from apps.contacts.importing.people import PersonReader
from apps.contacts.importing.staging import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable

    from apps.contacts.importing.planning import ImportPlan

    MakePlan = Callable[..., ImportPlan]

NOTE = "x" * 400


def peak_bytes(plan: ImportPlan) -> int:
    """The most memory that reading the file takes, from bytes to what COPY is given."""
    tracemalloc.start()
    reader, chunk = PersonReader(plan.columns, check_characters=False), Chunk()
    for record in plan.records(start=plan.start, line=plan.line):
        outcome = reader.read(record)
        assert outcome
        chunk.add(record, outcome)
        if len(chunk) == 1000:
            chunk.encode()
            chunk = Chunk()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak


def test_memory_does_not_grow_with_the_file(make_plan: MakePlan) -> None:
    def content(rows: int) -> str:
        return "email,note\n" + "".join(f'p{n}@people.example,"{NOTE}"\n' for n in range(rows))

    small = peak_bytes(make_plan(content(3_000)))
    large = peak_bytes(make_plan(content(15_000)))

    assert large < small * 1.2
