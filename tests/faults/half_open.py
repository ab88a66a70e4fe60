"""Connections to broker, database and provider that vanish without a word."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING
from urllib.parse import urlsplit, urlunsplit

from tests.faults.field import WORKERS, await_ready
from tests.faults.proxy import Proxy
from tests.rows import Row

if TYPE_CHECKING:
    from tests.faults.field import Field

STALL_GOAL_SECONDS = 60.0
FAR = "worker-batch-email-far"
SERVERS = {"broker": "REDIS_URL", "database": "DATABASE_URL", "provider": "RESEND_API_URL"}


def half_open(ground: Field, *, times: int) -> list[Row]:
    """All connections of a worker group to one server vanish; then how long nothing is settled."""
    running = ground.running
    supervision = running.station.supervision
    stalls: dict[str, float] = dict.fromkeys(SERVERS, 0.0)
    vanished = 0
    with ExitStack() as stack:
        proxies, addresses = _proxies(ground, stack)
        supervision.stop(WORKERS, "drainer")
        running.start_variant(
            WORKERS, name=FAR, application="config", environment=addresses, concurrency=4
        )
        await_ready(running, FAR)
        campaign = ground.launch("half-open connections")
        campaign.await_settled(2)
        for number in range(times * len(proxies)):
            server = list(proxies)[number % len(proxies)]
            if campaign.is_completed():
                break
            vanished += proxies[server].vanish()
            stalls[server] = max(stalls[server], campaign.await_progress())
        rows = campaign.finish()
        supervision.stop(FAR)
    supervision.start_again(WORKERS, "drainer")
    await_ready(running, WORKERS)
    return [
        Row("connections vanished", vanished, "", "some", vanished > 0),
        *[
            Row(f"stall, {server}", round(stall, 1), "s", f"at most {STALL_GOAL_SECONDS:g}",
                stall <= STALL_GOAL_SECONDS)
            for server, stall in stalls.items()
        ],
        *rows,
    ]  # fmt: skip


def _proxies(ground: Field, stack: ExitStack) -> tuple[dict[str, Proxy], dict[str, str]]:
    proxies, addresses = {}, {}
    for server, variable in SERVERS.items():
        parts = urlsplit(ground.running.station.environment[variable])
        proxy = stack.enter_context(Proxy(str(parts.hostname), int(parts.port or 0)))
        user, at, _ = parts.netloc.rpartition("@")
        netloc = f"{user}{at}127.0.0.1:{proxy.port}"
        proxies[server], addresses[variable] = proxy, urlunsplit(parts._replace(netloc=netloc))
    return proxies, addresses
