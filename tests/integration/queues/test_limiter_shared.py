"""One budget among many workers, on a real Valkey."""

from __future__ import annotations

import multiprocessing
import threading
import time
from typing import TYPE_CHECKING, Any

import pytest

from apps.queues.limiting import Held, HeldReason, Limiter, Slot, open_broker
from tests.integration.queues.throwaway_valkey import ThrowawayValkey, warm_account

if TYPE_CHECKING:
    from collections.abc import Iterator
    from multiprocessing.queues import Queue

    from redis import Redis


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


def limiter(broker: Redis, *, limit: float | None = 10, worker: str = "one") -> Limiter:
    return Limiter(broker, "account", limit, worker)


def granted(got: Slot | Held) -> Slot:
    assert isinstance(got, Slot)
    return got


def refused(got: Slot | Held) -> Held:
    assert isinstance(got, Held)
    return got


def script_calls(broker: Redis) -> int:
    return int(broker.info("commandstats")["cmdstat_evalsha"]["calls"])


def send_until(limiter: Limiter, end: float, sent: list[tuple[float, float]]) -> None:
    """Send as fast as the limiter lets; notes each slot's instant and when the request left."""
    while time.monotonic() < end:
        got = limiter.reserve()
        if isinstance(got, Held):
            time.sleep(got.retry_in_s)
        elif got.wait():
            sent.append((got.instant / 1e6, time.monotonic()))


def work_in_threads(
    url: str, worker: str, seconds: float, results: Queue[list[tuple[float, float]]]
) -> None:
    """A worker process with three threads; puts what it sent."""
    with open_broker(url) as client:
        shared = limiter(client, limit=2, worker=worker)
        sent: list[tuple[float, float]] = []
        end = time.monotonic() + seconds
        threads = [threading.Thread(target=send_until, args=(shared, end, sent)) for _ in range(3)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    results.put(sent)


def most_in_a_second(instants: list[float]) -> int:
    """The largest number of instants in any sliding second."""
    ordered = sorted(instants)
    most = first = 0
    for last, instant in enumerate(ordered):
        while instant - ordered[first] >= 1:
            first += 1
        most = max(most, last - first + 1)
    return most


def sent_by_four_workers(url: str) -> list[tuple[float, float]]:
    """What four processes of three threads each send in nine seconds."""
    context = multiprocessing.get_context("spawn")
    results: Queue[list[tuple[float, float]]] = context.Queue()
    arguments = [(url, f"worker-{number}", 9.0, results) for number in range(4)]
    processes = [context.Process(target=work_in_threads, args=each) for each in arguments]
    for process in processes:
        process.start()
    sent = [pair for _ in processes for pair in results.get(timeout=60)]
    for process in processes:
        process.join()
    return sent


@pytest.mark.parametrize("limit", [5, 40])
def test_many_workers_use_the_limit_and_never_exceed_it(
    valkey: ThrowawayValkey, broker: Redis, limit: int
) -> None:
    warm_account(broker, limit=limit)
    used = 0.0

    # A busy machine delays workers past their slots: measure again before it counts.
    for _ in range(3):
        sent = sent_by_four_workers(valkey.url)
        instants = sorted(instant for instant, _ in sent)
        assert most_in_a_second([left for _, left in sent]) <= limit
        assert most_in_a_second(instants) <= limit
        used = (len(instants) - 1) / (instants[-1] - instants[0]) / limit
        if used >= 0.88:
            break

    assert used >= 0.88
    assert limiter(broker).peek().live_workers == 4


def test_slot_beyond_the_longest_wait_is_held(broker: Redis) -> None:
    warm_account(broker, limit=2)
    one = limiter(broker)
    first = granted(one.reserve(max_wait_ms=600))
    second = granted(one.reserve(max_wait_ms=600))

    held = refused(one.reserve(max_wait_ms=600))

    assert second.instant - first.instant == pytest.approx(1e6 / 1.8, abs=2)
    assert held.reason is HeldReason.PACED
    # The third slot lies 1.11 s behind the first, in reach 0.51 s after it; the rest is spreading.
    assert 0 < held.retry_in_s <= 0.512 + 0.15


def test_held_reserves_nothing(broker: Redis) -> None:
    warm_account(broker, limit=1)
    one = limiter(broker)
    first = granted(one.reserve())

    for _ in range(5):
        refused(one.reserve())

    second = granted(one.reserve(max_wait_ms=2_000))
    assert second.instant - first.instant == pytest.approx(1e6 / 0.9, abs=2)


def test_changed_limit_takes_effect_at_the_next_slot(broker: Redis) -> None:
    warm_account(broker, limit=1)
    one, other = limiter(broker), limiter(broker, worker="other")
    first = granted(one.reserve())

    other.observe(100)

    second = granted(one.reserve())
    assert second.instant - first.instant < 1e6 / 0.9 / 10


def test_observe_asks_the_broker_only_for_news(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker, limit=10)
    one.peek()
    calls_before = script_calls(broker)

    for _ in range(50):
        one.observe(10.0)
    one.observe(20.0)

    assert script_calls(broker) - calls_before == 1
    assert limiter(broker).peek().limit == 20


def test_unknown_account_is_paced_at_the_default_limit(broker: Redis) -> None:
    one = limiter(broker, limit=2)
    first = granted(one.reserve())

    second = granted(one.reserve(max_wait_ms=5_000))

    gap = (second.instant - first.instant) / 1e6
    assert 1.0 <= gap <= 1 / (0.9 * 2 * 0.5)


def test_lifted_limit_costs_one_call_and_no_sleep(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    one.observe(1_000_000)
    commands_before = int(broker.info("stats")["total_commands_processed"])

    slots = [granted(one.reserve(lead_ms=100)) for _ in range(100)]

    commands = int(broker.info("stats")["total_commands_processed"]) - commands_before
    # The script's own commands count too: two for the account, two for the worker, two for its
    # seat, one for the class, and the time.
    assert commands <= 100 * 9 + 5
    assert all(slot.fire_in_s == 0 and slot.wait() for slot in slots)


def test_lifted_slot_is_never_late(broker: Redis) -> None:
    slot = granted(limiter(broker, limit=0).reserve())

    time.sleep(0.1)

    assert slot.wait()


def test_freeze_stops_all_workers_and_halves_the_pace(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one, other = limiter(broker), limiter(broker, worker="other")

    one.freeze(1.0)

    held = refused(other.reserve(max_wait_ms=100))
    assert held.reason is HeldReason.FROZEN
    assert 0.4 <= held.retry_in_s <= 0.925
    assert other.peek().factor == 0.5
    assert 0.4 <= other.peek().frozen_for_s <= 1.0
    assert granted(other.reserve(max_wait_ms=1_000)).fire_in_s > 0.3


def test_pace_grows_back_after_the_thaw(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)
    one.freeze(0.2)

    time.sleep(0.2 + 1.5)

    assert 0.74 <= one.peek().factor <= 0.95


def test_second_429_of_the_same_freeze_does_not_halve_again(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one = limiter(broker)

    one.freeze(1.0)
    one.freeze(2.0)

    use = one.peek()
    assert use.factor == 0.5
    assert 1.4 <= use.frozen_for_s <= 2.0


def test_slot_granted_before_a_freeze_is_not_used_in_it(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one, other = limiter(broker), limiter(broker, worker="other")
    one.reserve()
    waiting = granted(one.reserve())

    other.freeze(1.0)

    assert not waiting.wait()


def test_give_back_frees_the_slot_for_the_next(broker: Redis) -> None:
    warm_account(broker, limit=2)
    one = limiter(broker)
    one.reserve()
    unused = granted(one.reserve(max_wait_ms=1_000))

    undone = one.give_back(unused)

    assert undone
    assert granted(one.reserve(max_wait_ms=1_000)).instant == unused.instant


def test_give_back_after_another_workers_reservation_is_refused(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one, other = limiter(broker), limiter(broker, worker="other")
    mine = granted(one.reserve())
    theirs = granted(other.reserve())

    undone = one.give_back(mine)

    assert not undone
    assert granted(one.reserve()).instant > theirs.instant


def test_late_slot_is_refused_and_its_place_is_free_again(broker: Redis) -> None:
    warm_account(broker, limit=2)
    one = limiter(broker)
    slot = granted(one.reserve())

    time.sleep(0.1)

    assert not slot.wait()
    assert granted(one.reserve()).fire_in_s == 0


def test_worker_is_counted_for_a_minute_after_it_reserved(broker: Redis) -> None:
    warm_account(broker, limit=10)
    one, other = limiter(broker), limiter(broker, worker="other")
    one.reserve()
    other.reserve()
    both = one.peek().live_workers
    long_ago = (time.time() - 61) * 1e6

    broker.zadd("limiter:{account}:workers", {"other": long_ago})

    assert (both, one.peek().live_workers) == (2, 1)


def test_peek_shows_the_use_and_changes_nothing(broker: Redis) -> None:
    warm_account(broker, limit=2)
    one = limiter(broker)
    for _ in range(5):
        one.reserve(max_wait_ms=5_000)
    state = broker.hgetall("limiter:{account}")

    use = limiter(broker, worker="display").peek()

    assert broker.hgetall("limiter:{account}") == state
    assert (use.limit, use.factor, use.live_workers, use.shared) == (2, 1, 1, True)
    assert 1.5 <= use.ahead_s <= 4 / 1.8
    assert use.per_second == pytest.approx(0.82, abs=0.01)


def test_broker_clock_that_went_back_does_not_stop_the_account(broker: Redis) -> None:
    warm_account(broker, limit=10)
    tomorrow = round((time.time() + 86_400) * 1e6)
    broker.hset("limiter:{account}", mapping={"last": tomorrow, "frozen": tomorrow})

    slot = limiter(broker).reserve()

    assert granted(slot).fire_in_s < 0.2


def test_broker_clock_that_went_back_does_not_keep_the_account_slow(broker: Redis) -> None:
    warm_account(broker, limit=10)
    tomorrow = round((time.time() + 86_400) * 1e6)
    broker.hset("limiter:{account}", mapping={"factor": 0.5, "changed": tomorrow})
    one = limiter(broker)
    one.reserve()

    time.sleep(0.6)

    assert one.peek().factor >= 0.6


def test_peek_at_an_unknown_account_leaves_no_trace(broker: Redis) -> None:
    use = limiter(broker).peek()

    assert (use.limit, use.factor, use.live_workers) == (10, 0.5, 0)
    assert broker.keys() == []


def test_lead_time_keeps_the_slot_away(broker: Redis) -> None:
    warm_account(broker, limit=10)

    slot = granted(limiter(broker).reserve(lead_ms=300))

    assert 0.05 < slot.fire_in_s <= 0.32


def test_accounts_do_not_share_a_budget(broker: Redis) -> None:
    warm_account(broker, limit=1)
    one = limiter(broker)
    one.reserve()

    slot = Limiter(broker, "elsewhere", 1, "one").reserve()

    assert granted(slot).fire_in_s == 0


def test_slot_keeps_its_instant_when_the_answer_came_late(
    broker: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    warm_account(broker, limit=2)
    ahead = [0.0]
    one = Limiter(broker, "account", 10, "one", clock=lambda: time.monotonic() + ahead[0])
    granted(one.reserve())
    call = one._script.call

    def call_slowly(*arguments: Any) -> Any:
        reply = call(*arguments)
        ahead[0] += 0.05  # this process had to wait for a processor
        return reply

    monkeypatch.setattr(one._script, "call", call_slowly)
    slot = granted(one.reserve(max_wait_ms=1_000))

    assert 0 < slot.fire_in_s < 0.556 - 0.05 + 0.02
    assert slot.leave_by - slot.fires_at > 0.05


def test_first_reservation_learns_the_clock_before(broker: Redis) -> None:
    warm_account(broker, limit=10)
    limiter(broker).peek()  # the script is loaded by now
    one = limiter(broker)
    calls_before = script_calls(broker)

    slots = [granted(one.reserve(max_wait_ms=1_000)) for _ in range(3)]

    assert script_calls(broker) - calls_before >= 1 + 3
    assert all(slot.leave_by - slot.fires_at > 0.08 - 0.03 for slot in slots)
