"""`make faults`: all scenarios, or one by NAME; rows go to faults.json."""

from __future__ import annotations

import argparse
import random
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tests.faults import named_points, queue_faults, texts, under_fire
from tests.rows import Row, add_to, print_table

if TYPE_CHECKING:
    from collections.abc import Callable

ROWS = Path(__file__).resolve().parents[2] / "faults.json"


def _under_fire(seed: int) -> list[Row]:
    return under_fire.run(
        under_fire.Plan(
            recipients=20_000,
            worker_kills=20,
            broker_restarts=2,
            broker_flushes=1,
            database_crashes=1,
            seed=seed,
        )
    ).rows


def _named_points(_seed: int) -> list[Row]:
    return named_points.run(recipients=2_000, kills=3)


def _texts(seed: int) -> list[Row]:
    return texts.run(
        texts.Plan(texts=40_000, worker_kills=50, broker_restarts=2, database_crashes=1, seed=seed)
    )


def _guards(_seed: int) -> list[Row]:
    from tests.faults import guards

    return guards.run()


SCENARIOS: dict[str, Callable[[int], list[Row]]] = {
    "under-fire": _under_fire,
    "named-points": _named_points,
    "texts": _texts,
    **queue_faults.LONG,
    "guards": _guards,
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="make faults", description=__doc__)
    parser.add_argument("name", nargs="?", choices=sorted(SCENARIOS))
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(10**6))
    options = parser.parse_args()
    ok = True
    for name in [options.name] if options.name else SCENARIOS:
        print(f"{name}: seed {options.seed}", flush=True)
        rows = SCENARIOS[name](options.seed)
        print_table(f"{name}, seed {options.seed}", rows)
        add_to(ROWS, name, rows, seed=options.seed)
        ok = ok and all(row.ok for row in rows)
    print("\nEverything held." if ok else "\nSomething did not hold: see RED above.")
    return 0 if ok else 1


if __name__ == "__main__":
    sys.exit(main())
