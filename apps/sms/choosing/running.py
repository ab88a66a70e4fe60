"""The minute's run of one brand: who gets which text, reserved in the sent log.

Runs take turns: each holds one lock of the installation until it has committed, and looks at the
log only once it has it, in a statement of its own. So no run counts what another is about to add,
also for caps that count the texts of all brands. What still slips through, a second writer of the
log say, meets the unique rule of the database.
"""

from __future__ import annotations

import json
import time
import zlib
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import structlog
from django.db import connection, transaction
from psycopg.types.json import Jsonb

from apps.queues.correlation import correlation_id
from apps.queues.enqueueing import enqueue
from apps.queues.names import TaskName
from apps.queues.registry import QUEUES, TASK_QUEUES
from apps.sms import config as settings_of_brands
from apps.sms.choosing import expiring, parameters, places, pool, statements
from apps.sms.errors import SmsError
from apps.sms.models import ChoiceRun, TextCampaign, TextChunk

if TYPE_CHECKING:
    from collections.abc import Mapping

    from django.db.backends.utils import CursorWrapper

    from apps.sms.config import EffectiveConfig

log = structlog.get_logger(__name__)

# One for the installation: daily and state limits count the texts of all brands.
LOCK = "sms.choosing"
_LONGEST_WAIT = "30s"

# 200,000 rows are sorted and hashed here: in memory, by one process, without compiling.
_PREPARE = f"""
SELECT set_config('work_mem', '64MB', true), set_config('jit', 'off', true),
       set_config('lock_timeout', '{_LONGEST_WAIT}', true)
"""
_TAKE_TURN = "SELECT pg_advisory_xact_lock(hashtextextended(%s, 0))"
_FOLD = """
WITH gone AS (DELETE FROM sms_texttallychange RETURNING subscriber_id, local_day, change),
     net AS (SELECT subscriber_id, local_day, sum(change) AS change FROM gone GROUP BY 1, 2)
UPDATE sms_texttally tally SET texts = greatest(tally.texts + net.change, 0)
  FROM net WHERE tally.subscriber_id = net.subscriber_id AND tally.day = net.local_day
"""
_STANDING = """
SELECT (SELECT cursor FROM sms_choicerun WHERE brand_id = %(brand)s AND stopped_by = \'\'
         ORDER BY minute DESC LIMIT 1),
       coalesce(sum(run.reserved) FILTER (WHERE run.brand_id = %(brand)s), 0),
       coalesce(sum(run.reserved), 0)
  FROM brands_brand brand
  JOIN sms_choicerun run
    ON run.minute >= date_trunc('day', %(at)s AT TIME ZONE brand.timezone)
                         AT TIME ZONE brand.timezone
 WHERE brand.id = %(brand)s
"""
_NOTE = """
INSERT INTO sms_choicerun (brand_id, minute, looked_at, chosen, reserved, stopped_by, dry_run,
                           reasons, cursor, seed, duration_ms)
VALUES (%(brand)s, %(minute)s, %(looked_at)s, %(chosen)s, %(reserved)s, %(stopped_by)s,
        %(dry_run)s, %(reasons)s, %(cursor)s, %(seed)s, %(duration_ms)s)
    ON CONFLICT (brand_id, minute) DO NOTHING RETURNING id
"""


class MinuteTakenError(SmsError):
    """The brand has had this minute's run: nothing was done, and nothing needs to be."""


@dataclass(frozen=True)
class RunFigures:
    """What a run looked at and did."""

    looked_at: int = 0
    chosen: int = 0
    reserved: int = 0
    reasons: Mapping[str, int] | None = None
    cursor: int = 0
    stopped_by: str = ChoiceRun.StoppedBy.NOTHING


def run_brands(*, minute: datetime) -> int:
    """The runs of all brands with something to do; how many texts were reserved.

    A brand that fails does not keep the others from theirs: its error is raised in the end, and a
    repeated run passes over those that have had the minute.
    """
    reserved, errors = 0, []
    for brand_id in _brands_with_work():
        try:
            reserved += run(brand_id=brand_id, minute=minute).reserved
        except MinuteTakenError:
            continue
        except Exception as error:  # noqa: BLE001 - raised below, after the others' turn
            log.warning("texts_not_chosen", brand=brand_id, error=type(error).__name__)
            errors.append(error)
    if errors:
        raise errors[0]
    return reserved


def _brands_with_work() -> list[int]:
    """Those with a running campaign, or with reservations that are still to end."""
    running = TextCampaign.objects.filter(state=TextCampaign.State.RUNNING)
    waiting = TextChunk.objects.exclude(state=TextChunk.State.DONE)
    rows = running.values_list("brand_id").union(waiting.values_list("brand_id"))
    return sorted(brand_id for (brand_id,) in rows)


def run(*, brand_id: int, minute: datetime, at: datetime | None = None) -> RunFigures:
    """Chooses and reserves for the brand, once per `minute`.

    `at` is the moment by which rules are judged; the database's clock unless given. Raises
    `MinuteTakenError`.
    """
    started = time.perf_counter()
    seed = zlib.crc32(f"{brand_id} {minute.isoformat()}".encode())
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_PREPARE)
        cursor.execute(_TAKE_TURN, [LOCK])
        moment = at or _now(cursor)
        config = settings_of_brands.read(brand_id)
        expiring.expire(cursor, brand_id=brand_id, at=moment)
        figures = _choose(cursor, brand_id, config, moment, seed)
        _note(cursor, brand_id, minute, config, figures, seed, time.perf_counter() - started)
        _wake(figures, config)
    log.info(
        "texts_chosen",
        brand=brand_id,
        looked_at=figures.looked_at,
        chosen=figures.chosen,
        reserved=figures.reserved,
        stopped_by=figures.stopped_by,
        seconds=round(time.perf_counter() - started, 3),
    )
    return figures


def _choose(
    cursor: CursorWrapper, brand_id: int, config: EffectiveConfig, at: datetime, seed: int
) -> RunFigures:
    if not config.sending:
        return RunFigures(stopped_by=ChoiceRun.StoppedBy.SENDING_OFF)
    cursor.execute(_FOLD)
    cursor.execute(_STANDING, {"brand": brand_id, "at": at})
    after, by_brand, by_all = cursor.fetchone()
    limit = _limit(config, by_brand, by_all)
    if limit <= 0:
        return RunFigures(stopped_by=ChoiceRun.StoppedBy.DAILY_CAP, cursor=after or 0)
    choices = pool.read_pool(brand_id=brand_id, at=at)
    if not choices:
        return RunFigures(stopped_by=ChoiceRun.StoppedBy.NO_MESSAGES, cursor=after or 0)
    given = parameters.build(
        brand_id=brand_id, config=config, choices=choices, at=at, pairs=places.read_pairs()
    )
    given |= {"cursor": after or 0, "limit": limit, "seed": seed, "correlation": correlation_id()}
    shape = parameters.shape_of(choices)
    cursor.execute(statements.count(shape) if config.dry_run else statements.reserve(shape), given)
    looked_at, chosen, reserved, reasons, end = cursor.fetchone()
    return RunFigures(looked_at, chosen, reserved, json.loads(reasons), end)


def _wake(figures: RunFigures, config: EffectiveConfig) -> None:
    """As many wake-ups as there are workers at most: the sweeper sees to the rest."""
    if figures.reserved and config.account_id is not None:
        chunks = -(-figures.reserved // config.chunk_size)
        workers = QUEUES[TASK_QUEUES[TaskName.SEND_TEXTS]].concurrency
        enqueue(TaskName.SEND_TEXTS, copies=min(chunks, workers), account_id=config.account_id)


def _limit(config: EffectiveConfig, by_brand: int, by_all: int) -> int:
    left = [config.run_limit]
    if config.brand_daily_cap is not None:
        left.append(config.brand_daily_cap - by_brand)
    if config.station_daily_cap is not None:
        left.append(config.station_daily_cap - by_all)
    return min(left)


def _note(  # noqa: PLR0913, PLR0917 - the columns of one row
    cursor: CursorWrapper,
    brand_id: int,
    minute: datetime,
    config: EffectiveConfig,
    figures: RunFigures,
    seed: int,
    seconds: float,
) -> None:
    values: dict[str, Any] = {
        "brand": brand_id,
        "minute": minute,
        "looked_at": figures.looked_at,
        "chosen": figures.chosen,
        "reserved": figures.reserved,
        "stopped_by": figures.stopped_by,
        "dry_run": config.dry_run,
        "reasons": Jsonb(dict(figures.reasons or {})),
        "cursor": figures.cursor,
        "seed": seed,
        "duration_ms": int(seconds * 1000),
    }
    cursor.execute(_NOTE, values)
    if not cursor.rowcount:
        raise MinuteTakenError(f"brand {brand_id} has had its run of {minute:%Y-%m-%d %H:%M}")


def _now(cursor: CursorWrapper) -> datetime:
    cursor.execute("SELECT clock_timestamp()")
    now: datetime = cursor.fetchone()[0]
    return now.astimezone(UTC)
