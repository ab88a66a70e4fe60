"""How quickly texts leave, and what a thousand of them cost; BullMQ does the same beside us."""

from __future__ import annotations

import time
from typing import Self

from tests.benchmarks import bullmq_peer
from tests.benchmarks.cpu_time import cpu_seconds
from tests.rows import Row
from tests.texting import LIFTED, WORKER, TextingStation

TEXTS = 40_000
IN_FLIGHT = 1_000
LATENCY_MS = 200
PROCESSES = 2
LIMITS = {"per_second": 60, "per_minute": 1_000}
"""Of the stand-in, once it is warm."""
PAUSE_BETWEEN_LISTS_S = 5.0
BOUND = IN_FLIGHT / (LATENCY_MS / 1000)


def texts_fixed() -> list[Row]:
    """40,000 texts, one request each, 1,000 in flight, 200 ms: ours and BullMQ's."""
    return _race("200 ms", {"latency_ms": LATENCY_MS}, goal=0.9 * BOUND)


def texts_jittered() -> list[Row]:
    """The same where 90 % take 150 to 200 ms, 9 % up to 500, 1 % a second and a half."""
    return _race("jittered", {"latency": "jittered"}, goal=None)


def texts_whole() -> list[Row]:
    """From the wake-up to the last outcome at the account's default limits, in bulk calls."""
    with _Started({"latency_ms": LATENCY_MS}) as running:
        running.lime.configure(**LIMITS)
        running.reserve(TEXTS)
        running.configure(transport="bulk", texts_per_call=100)
        started = time.monotonic()
        took = running.send(started=started)
        requests = running.lime.stats()
        return [
            Row("40,000 texts, bulk, default limits", round(took, 1), "s", "under 60", took < 60),
            Row("requests", sum(requests.requests.values()), ""),
            Row("most requests in any minute", running.lime.busiest(seconds=60), "",
                "at most 1,000", running.lime.busiest(seconds=60) <= 1_000),
            Row("most in flight", requests.most_in_flight, "", "at most 50",
                requests.most_in_flight <= 50),
        ]  # fmt: skip


def texts_minute() -> list[Row]:
    """2,200 requests for texts at the default limits, with lists read by the same account."""
    number = 2_200
    with _Started({"latency_ms": LATENCY_MS}) as running:
        running.lime.configure(lists="300=300", **LIMITS)
        running.reserve(number)
        running.configure(transport="single")
        started = time.monotonic()
        running.switch(on=True)
        running.wake(PROCESSES)
        lists = 0
        while running.open_texts():
            running.sync_list("300")
            lists += 1
            time.sleep(PAUSE_BETWEEN_LISTS_S)
        took = time.monotonic() - started
        seen = running.lime.stats()
        busiest = running.lime.busiest(seconds=60)
        return [
            Row("2,200 texts, one request each, default limits", round(took), "s"),
            Row("lists read meanwhile", lists, "", "10 or more", lists >= 10),
            Row("requests refused for a limit", seen.errors.get("429", 0), "", "0",
                not seen.errors.get("429", 0)),
            Row("most requests in any minute, lists among them", busiest, "", "800 to 1,000",
                800 <= busiest <= 1_000),
        ]  # fmt: skip


def texts_enqueueing() -> list[Row]:
    """Wake-ups for 40,000 texts: one for each chunk of 100."""
    with TextingStation("bench") as running:
        started = time.perf_counter()
        taken = running.wake(TEXTS // 100)
        took = time.perf_counter() - started
        return [
            Row("enqueue of 40,000 texts", round(took, 3), "s", "under 0.5",
                took < 0.5 and taken == TEXTS // 100),
        ]  # fmt: skip


def _race(title: str, lime: dict[str, object], *, goal: float | None) -> list[Row]:
    with _Started(lime) as running:
        running.configure(transport="single", in_flight=IN_FLIGHT, **LIFTED)
        running.reserve(TEXTS)
        before = running.cpu()
        sandbox_before = running.lime.stats().cpu_seconds
        took = running.send(started=time.monotonic())
        cpu = running.cpu() - before
        sandbox = running.lime.stats().cpu_seconds - sandbox_before
        if running.states() != {"sent": TEXTS} or len(running.lime.counts()) != TEXTS:
            raise RuntimeError(f"{running.states()}: no figure counts")
        peer = bullmq_peer.measure(running, texts=TEXTS, processes=PROCESSES, in_flight=IN_FLIGHT)
    rate, per_thousand = TEXTS / took, cpu / (TEXTS / 1000)
    rows = [
        Row(f"40,000 texts, {title}, 1,000 in flight", round(rate), "texts/s",
            "" if goal is None else f"at least {goal:,.0f}", goal is None or rate >= goal),
        Row("CPU per 1,000 texts, broker, client and database", round(per_thousand, 3), "s"),
        Row("the stand-in's own, not counted", round(sandbox / (TEXTS / 1000), 3), "s"),
    ]  # fmt: skip
    if peer:
        rows += [
            Row("BullMQ 6 and undici, 2 x 500", round(peer.rate), "texts/s",
                "not quicker than we are", peer.rate <= rate),
            Row("its CPU per 1,000 texts, broker and client", round(peer.cpu_per_thousand, 3), "s",
                "not less than ours", peer.cpu_per_thousand >= per_thousand),
            Row("its enqueueing of 40,000", round(peer.enqueue_s, 2), "s"),
        ]  # fmt: skip
    return rows


class _Started(TextingStation):
    def __init__(self, lime: dict[str, object]) -> None:
        super().__init__("bench", lime=lime, durable=True)

    def __enter__(self) -> Self:
        super().__enter__()
        self.start("sweeper", WORKER, concurrency={WORKER: PROCESSES})
        self._warm_up()
        return self

    def _warm_up(self) -> None:
        """A worker's first text loads code, opens connections; that is another question."""
        self.reserve(2_000, prefix="13105")
        self.configure(transport="single", in_flight=100, **LIFTED)
        self.send(started=time.monotonic())
        self.execute("DELETE FROM sms_senttext")
        self.execute("DELETE FROM sms_textchunk")
        self.configure(spacing_ms=None, requests_per_minute=None, in_flight=None)
        with self.station.valkey.server.client() as broker:
            for key in broker.scan_iter("window:*"):
                broker.delete(key)
        self.lime.reset()

    def send(self, *, started: float) -> float:
        """Seconds from the wake-ups to the last outcome."""
        self.switch(on=True)
        self.wake(PROCESSES)
        self.await_settled(seconds=300)
        took = time.monotonic() - started
        self.switch(on=False)
        return took

    def cpu(self) -> float:
        """User and system time of workers, broker and database so far."""
        roots = [pid for name in (WORKER, "postgres", "valkey") for pid in self.station.pids(name)]
        return cpu_seconds(roots)
