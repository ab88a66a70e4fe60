"""One breaker for all who share it; shared ones on a real Valkey, others by what they see."""

from __future__ import annotations

import itertools
import random
import time
from typing import TYPE_CHECKING

import pytest
from structlog.testing import capture_logs

from apps.queues import metrics
from apps.queues.breaking import Breaker, Permit, Phase, Rules
from apps.queues.limiting import Held, HeldReason, open_broker
from tests.integration.queues.throwaway_valkey import ThrowawayValkey

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from redis import Redis

    Make = Callable[..., Breaker]

HOLD = 0.2
RULES = Rules(
    window_s=10, least_calls=20, error_share=0.5, run=10, hold_s=HOLD, longest_hold_s=2, probe_s=0.8
)


@pytest.fixture(scope="module")
def valkey(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ThrowawayValkey]:
    server = ThrowawayValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
def broker(valkey: ThrowawayValkey) -> Iterator[Redis]:
    with open_broker(valkey.url) as client:
        client.flushall()
        yield client


@pytest.fixture(params=["shared", "alone"])
def make(request: pytest.FixtureRequest, broker: Redis) -> Make:
    """Makes breakers that the broker keeps, and ones that have no broker."""
    nowhere = open_broker("redis://127.0.0.1:1/0")
    client = broker if request.param == "shared" else nowhere
    return lambda name="account:1", rules=RULES, **options: Breaker(client, name, rules, **options)


def permit(got: Permit | Held) -> Permit:
    assert isinstance(got, Permit)
    return got


def held(got: Permit | Held) -> Held:
    assert isinstance(got, Held)
    return got


def fail(breaker: Breaker, times: int) -> int:
    """Calls that all fail, until they are held; how many were let through."""
    for made in range(times):
        got = breaker.admit()
        if isinstance(got, Held):
            return made
        got.failed()
    return times


def succeed(breaker: Breaker, times: int) -> None:
    for _ in range(times):
        permit(breaker.admit()).succeeded()


def open_now(breaker: Breaker) -> None:
    assert fail(breaker, 50) == RULES.run


def span_of(breaker: Breaker) -> float:
    """How long it holds in all, however late this is asked."""
    standing = breaker.look()
    assert standing.since_s is not None
    return standing.held_for_s + standing.since_s


def let_hold_pass(breaker: Breaker) -> None:
    time.sleep(breaker.look().held_for_s + 0.01)


def test_unknown_breaker_is_closed(make: Make) -> None:
    standing = make().look()

    assert standing.phase is Phase.CLOSED
    assert (standing.openings, standing.calls, standing.last_success_s) == (0, 0, None)


def test_breaker_opens_when_everything_fails_even_after_thousands_of_successes(make: Make) -> None:
    breaker = make()
    succeed(breaker, 300)

    made = fail(breaker, 50)

    assert made == RULES.run
    refusal = held(breaker.admit())
    assert refusal.reason is HeldReason.BROKEN
    assert 0 < refusal.retry_in_s <= HOLD


def test_breaker_opens_on_the_share_of_errors(make: Make) -> None:
    breaker = make()
    outcomes = itertools.cycle(["good", "bad"])

    made = 0
    while isinstance(got := breaker.admit(), Permit) and made < 100:
        made += 1
        got.failed() if next(outcomes) == "bad" else got.succeeded()

    assert made == RULES.least_calls


def test_breaker_stays_closed_below_the_share(make: Make) -> None:
    breaker = make()

    for number in range(200):
        got = permit(breaker.admit())
        got.failed() if number % 4 == 1 else got.succeeded()

    assert breaker.look().phase is Phase.CLOSED


def test_errors_of_long_ago_do_not_count(make: Make) -> None:
    rules = Rules(window_s=1, least_calls=4, error_share=0.5, run=100, hold_s=HOLD)
    breaker = make(rules=rules)
    fail(breaker, 3)
    time.sleep(1.15)

    succeed(breaker, 1)
    fail(breaker, 1)

    assert breaker.look().phase is Phase.CLOSED
    assert breaker.look().calls == 2


def test_success_of_the_probe_closes(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)

    probe = permit(breaker.admit())
    assert probe.is_probe
    probe.succeeded()

    assert breaker.look().phase is Phase.CLOSED
    assert breaker.look().errors == 0
    succeed(breaker, 5)


def test_only_one_probe_at_a_time(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)

    answers = [breaker.admit() for _ in range(10)]

    assert isinstance(answers[0], Permit)
    assert all(isinstance(answer, Held) for answer in answers[1:])


def test_failed_probe_holds_longer_each_time_up_to_the_longest(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    spans = [span_of(breaker)]

    for _ in range(5):
        let_hold_pass(breaker)
        permit(breaker.admit()).failed()
        spans.append(span_of(breaker))

    for grown, span in zip((0.2, 0.4, 0.8, 1.6, 2.0, 2.0), spans, strict=True):
        assert grown * 0.75 - 0.001 <= span <= grown + 0.001


def test_killed_prober_blocks_only_for_its_lease(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)
    permit(breaker.admit())  # and its process is gone

    held(breaker.admit())
    time.sleep(RULES.probe_s + 0.02)

    assert permit(breaker.admit()).is_probe


def test_prober_that_comes_back_too_late_decides_nothing(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)
    first = permit(breaker.admit())
    time.sleep(RULES.probe_s + 0.02)
    second = permit(breaker.admit())

    first.succeeded()

    assert breaker.look().phase is Phase.PROBING
    second.failed()
    assert breaker.look().phase is Phase.OPEN


def test_probe_that_made_no_call_is_free_at_once(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)

    with permit(breaker.admit()):
        held(breaker.admit())

    assert permit(breaker.admit()).is_probe


def test_answers_to_calls_from_before_the_opening_tell_nothing_new(make: Make) -> None:
    breaker = make()
    under_way = [permit(breaker.admit()) for _ in range(14)]
    open_now(breaker)
    let_hold_pass(breaker)
    permit(breaker.admit()).succeeded()

    for late in under_way:
        late.failed()

    assert breaker.look().phase is Phase.CLOSED
    assert breaker.look().error_run == 0


def test_breaker_that_opens_again_soon_holds_longer(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)
    permit(breaker.admit()).succeeded()

    open_now(breaker)

    assert breaker.look().openings == 2
    assert span_of(breaker) > HOLD


def test_reset_closes_and_forgets(make: Make) -> None:
    breaker = make()
    open_now(breaker)

    with capture_logs() as lines:
        breaker.reset()

    assert breaker.look().phase is Phase.CLOSED
    assert breaker.look().openings == 0
    assert [line["event"] for line in lines] == ["breaker_reset"]


def test_each_change_is_told_once(make: Make) -> None:
    name = f"account:{random.randrange(10**9)}"
    breaker, other = make(name), make(name)

    with capture_logs() as lines:
        open_now(breaker)
        other.look()
        let_hold_pass(breaker)
        permit(breaker.admit()).succeeded()

    told = [(line["event"], line["log_level"]) for line in lines if "account" in line]
    assert told == [
        ("breaker_opened", "error"), ("breaker_probing", "info"), ("breaker_closed", "info"),
    ]  # fmt: skip
    counted = [
        metrics.BREAKER_CHANGES.labels(name, phase)._value.get()
        for phase in ("open", "probing", "closed")
    ]
    assert counted == [1, 1, 1]


def test_failed_probe_is_no_second_alert(make: Make) -> None:
    breaker = make()
    open_now(breaker)
    let_hold_pass(breaker)
    probe = permit(breaker.admit())

    with capture_logs() as lines:
        probe.failed()

    told = [(line["event"], line["log_level"]) for line in lines if "account" in line]
    assert told == [("breaker_opened", "info")]


def test_all_workers_share_one_state(broker: Redis) -> None:
    workers = [Breaker(broker, "account:1", RULES) for _ in range(5)]

    made = 0
    while isinstance(got := workers[made % 5].admit(), Permit):
        got.failed()
        made += 1

    assert made == RULES.run
    assert all(worker.look().phase is Phase.OPEN for worker in workers)


def test_client_whose_clock_is_off_neither_probes_early_nor_late(broker: Redis) -> None:
    here = Breaker(broker, "account:1", RULES)
    ahead = Breaker(broker, "account:1", RULES, clock=lambda: time.monotonic() + 30)
    open_now(ahead)

    early = ahead.admit()
    let_hold_pass(here)
    late = Breaker(broker, "account:1", RULES, clock=lambda: time.monotonic() - 30).admit()

    assert isinstance(early, Held)
    assert permit(late).is_probe


def test_emptied_broker_means_closed(valkey: ThrowawayValkey, broker: Redis) -> None:
    breaker = Breaker(broker, "account:1", RULES)
    open_now(breaker)
    let_hold_pass(breaker)
    probe = permit(breaker.admit())

    valkey.flush()
    probe.failed()

    succeed(breaker, 3)
    assert breaker.look().phase is Phase.CLOSED


def test_server_clock_that_went_back_does_not_hold_for_long(broker: Redis) -> None:
    breaker = Breaker(broker, "account:1", RULES)
    open_now(breaker)
    tomorrow = round((time.time() + 86_400) * 1e6)

    broker.hset("breaker:{account:1}", "until", tomorrow)

    assert breaker.look().held_for_s <= RULES.longest_hold_s


def test_broker_that_is_lost_leaves_what_it_held(tmp_path_factory: pytest.TempPathFactory) -> None:
    server = ThrowawayValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    with open_broker(server.url) as client:
        breaker = Breaker(client, "account:1", Rules(run=10, hold_s=1, longest_hold_s=1))
        assert fail(breaker, 50) == 10

        server.kill()
        refusal = held(breaker.admit())
        time.sleep(refusal.retry_in_s + 0.01)
        probe = permit(breaker.admit())
        probe.succeeded()
        alone = breaker.look()
        server.start()
        time.sleep(0.6)
        again = breaker.look()
        server.kill()

    assert 0 < refusal.retry_in_s <= 1
    assert (alone.shared, alone.phase) == (False, Phase.CLOSED)
    assert again.shared


def test_frozen_broker_costs_its_timeout_once_and_stops_nothing(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    server = ThrowawayValkey(tmp_path_factory.mktemp("valkey"))
    server.start()
    with open_broker(server.url) as client:
        breaker = Breaker(client, "account:1", RULES)
        succeed(breaker, 1)
        server.hang()
        started = time.monotonic()

        succeed(breaker, 100)
        took = time.monotonic() - started
        server.go_on()
        server.kill()

    assert took < 2


@pytest.mark.parametrize(
    "senseless",
    [
        {"window_s": 0}, {"window_s": 3601}, {"least_calls": 0}, {"run": 0}, {"error_share": 0},
        {"hold_s": 0}, {"hold_s": 10, "longest_hold_s": 5}, {"probe_s": 0}, {"quiet_s": -1},
    ],
)  # fmt: skip
def test_senseless_rules_are_refused(senseless: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"give|must be"):
        Rules(**senseless)  # type: ignore[arg-type]
