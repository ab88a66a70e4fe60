"""`make bench`: all benchmarks, or one by NAME; rows go to bench.json."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.benchmarks import (
    choosing,
    engagement,
    joining,
    lists,
    pages,
    people,
    queues,
    sending,
    sequences,
    subscribers,
    texts,
    webhooks,
)
from tests.rows import Row, add_to, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = Path(__file__).resolve().parents[2] / "bench.json"

BENCHMARKS: dict[str, Callable[[], list[Row]]] = {
    "hundreds-lifted": sending.hundreds_lifted,
    "hundreds-limited": sending.hundreds_limited,
    "forty-thousand-lifted": sending.forty_thousand_lifted,
    "forty-thousand-limited": sending.forty_thousand_limited,
    "texts-fixed": texts.texts_fixed,
    "texts-jittered": texts.texts_jittered,
    "texts-whole": texts.texts_whole,
    "texts-minute": texts.texts_minute,
    "texts-enqueueing": texts.texts_enqueueing,
    "suppression": people.suppression,
    "dry-run": people.dry_run,
    "statements": people.statements,
    "audience": people.audience,
    "imports": people.imports,
    "lists": lists.lists,
    "subscribers": subscribers.subscribers,
    "empty-tasks": queues.empty_tasks,
    "enqueueing": queues.enqueueing,
    "limiter": queues.limiter,
    "claims": queues.claims,
    "minutes-choice": choosing.minutes_choice,
    "minutes-choice-grown": choosing.minutes_choice_grown,
    "desk-pages": pages.desk_pages,
    "progress-read": pages.progress_read,
    "subscribe": joining.subscribe,
    "webhook-arrivals": webhooks.arrivals,
    "recompute": engagement.recompute,
    "pulse": engagement.pulse,
    "sequence-steps": sequences.sequence_steps,
}
# A quarter of an hour and more: run when they are named.
ONLY_BY_NAME = {"minutes-choice-grown"}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(BENCHMARKS))
    name = parser.parse_args().name
    ok = True
    for one in [name] if name else [one for one in BENCHMARKS if one not in ONLY_BY_NAME]:
        rows = BENCHMARKS[one]()
        print_table(one, rows)
        if not all(row.ok for row in rows):
            print("  A goal was missed: measured again, as another program may have been busy.")
            rows = BENCHMARKS[one]()
            print_table(one, rows)
        add_to(ROWS, one, rows)
        ok = ok and all(row.ok for row in rows)
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
