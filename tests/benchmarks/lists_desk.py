"""What the benchmark of lists has done within the station."""

from __future__ import annotations

import resource
import time
from pathlib import Path

from apps.brands.models import Brand, ProviderAccount
from apps.sms.listing import running, starting
from apps.sms.models import ListSyncRun, OptInList

PAGE_BYTES = resource.getpagesize()


def sync_list(*, list_id: str, api_id: str) -> dict[str, float]:
    """Seconds, CPU seconds, and by how much the process grew at most, in MB."""
    account, _ = ProviderAccount.objects.get_or_create(
        kind=ProviderAccount.Kind.LIME, name="lime", username="bench", defaults={"api_key": api_id}
    )
    opt_in_list, _ = OptInList.objects.get_or_create(
        brand=Brand.objects.order_by("pk").first(), account=account, list_id=list_id
    )
    run = starting.start(opt_in_list_id=opt_in_list.pk, trigger=ListSyncRun.Trigger.COMMAND)
    before, most = _resident_mb(), 0.0

    def watch(_: running.Progress) -> None:
        nonlocal most
        most = max(most, _resident_mb())

    started_at, cpu = time.monotonic(), time.process_time()
    done = running.advance_run(run_id=run.pk, on_progress=watch)
    seconds, cpu = time.monotonic() - started_at, time.process_time() - cpu
    if done is None or done.state != ListSyncRun.State.DONE or done.verified != int(list_id):
        raise RuntimeError(f"the list was not synced: {done} {done and done.problem}")
    return {
        "seconds": seconds,
        "cpu_seconds": cpu,
        "megabytes": done.bytes_read / 1e6,
        "grown_mb": max(most, _resident_mb()) - before,
    }


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * PAGE_BYTES / 1e6
