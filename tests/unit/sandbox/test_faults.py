from __future__ import annotations

from collections import Counter

from apps.sandbox.faults import ACCEPTING, Fault, FaultKind, FaultPlan

RATES = {FaultKind.ERROR_AFTER: 0.15, FaultKind.RESET_BEFORE: 0.1}


def kinds(plan: FaultPlan, count: int, *, seed: int = 1, **given: object) -> list[FaultKind | None]:
    rates = given.get("rates", {})
    script = given.get("script", {})
    faults = [plan.draw(seed=seed, rates=rates, script=script) for _ in range(count)]  # type: ignore[arg-type]  # passed on as given
    return [fault.kind if fault else None for fault in faults]


def test_faults_with_the_same_seed_are_the_same() -> None:
    assert kinds(FaultPlan(), 500, rates=RATES) == kinds(FaultPlan(), 500, rates=RATES)


def test_faults_with_another_seed_differ() -> None:
    assert kinds(FaultPlan(), 500, rates=RATES) != kinds(FaultPlan(), 500, rates=RATES, seed=2)


def test_faults_by_rate_come_about_as_often_as_asked() -> None:
    counts = Counter(kinds(FaultPlan(), 20_000, rates=RATES))

    assert 2_800 < counts[FaultKind.ERROR_AFTER] < 3_200
    assert 1_800 < counts[FaultKind.RESET_BEFORE] < 2_200
    assert counts[None] == 20_000 - counts[FaultKind.ERROR_AFTER] - counts[FaultKind.RESET_BEFORE]


def test_script_names_the_nth_request() -> None:
    script = {2: FaultKind.TRUNCATED, 4: FaultKind.GARBAGE}

    drawn = kinds(FaultPlan(), 5, script=script)

    assert drawn == [None, FaultKind.TRUNCATED, None, FaultKind.GARBAGE, None]


def test_one_shot_comes_before_script_and_rates() -> None:
    plan = FaultPlan()
    plan.add_next(Fault(FaultKind.DELAY, 3.0), count=2)

    drawn = kinds(plan, 3, script=dict.fromkeys(range(1, 4), FaultKind.GARBAGE))

    assert drawn == [FaultKind.DELAY, FaultKind.DELAY, FaultKind.GARBAGE]
    assert plan.drawn == {"delay": 2, "garbage": 1}


def test_reset_forgets_counts_and_one_shots() -> None:
    plan = FaultPlan()
    kinds(plan, 3, rates={FaultKind.GARBAGE: 1.0})
    plan.add_next(Fault(FaultKind.DELAY))

    plan.reset()

    assert plan.count == 0
    assert not plan.drawn
    assert kinds(plan, 1) == [None]


def test_every_kind_named_after_accepts_and_before_does_not() -> None:
    for kind in FaultKind:
        if kind.endswith("_after"):
            assert kind in ACCEPTING
        if kind.endswith("_before"):
            assert kind not in ACCEPTING
