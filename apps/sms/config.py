"""The settings that hold for a brand: its row over the global row over our defaults.

The switch `sending` is never taken from here where work begins: whoever claims reads it in the
claiming statement itself (`sending_on_sql`), so that a pause holds for the very next claim.
"""

from __future__ import annotations

import time as clock
from dataclasses import dataclass, fields, replace
from datetime import time
from typing import TYPE_CHECKING, Any

from apps.sms.models import TextConfig

if TYPE_CHECKING:
    from collections.abc import Mapping

KEPT_SECONDS = 1.0
"""How long a process may go by what it has read."""


@dataclass(frozen=True)
class EffectiveConfig:
    """All settings of one brand. The values here are what holds where nobody set anything.

    `brand_daily_cap` is the brand's own `global_daily_cap`, `station_daily_cap` the global row's,
    which counts the texts of all brands; None: no cap. `engagement_days`, `verify_max_age_hours`
    and `gap_minutes` of 0 switch their rule off. Hours are the person's, the end excluded.
    """

    sending: bool = False
    dry_run: bool = False
    account_id: int | None = None
    shortcode: str = ""
    daily_limit: int = 4
    gap_minutes: int = 60
    brand_daily_cap: int | None = None
    station_daily_cap: int | None = None
    engagement_days: int = 90
    verify_max_age_hours: int = 24
    check_per_number: bool = False
    hours_from: time = time(9)
    hours_until: time = time(20)
    default_zone: str = "America/New_York"
    eastern_western_intersection: bool = False
    run_limit: int = 40_000
    chunk_size: int = 100
    transport: str = TextConfig.Transport.BULK
    texts_per_call: int = 100
    in_flight: int = 50
    spacing_ms: int = 20
    requests_per_minute: int = 1000


_OWN_RULES = {"sending", "brand_daily_cap", "station_daily_cap"}
_INHERITED = tuple(one.name for one in fields(EffectiveConfig) if one.name not in _OWN_RULES)
_ROW_NAMES = (*_INHERITED, "sending", "global_daily_cap", "brand_id")
_DEFAULTS = EffectiveConfig()

_kept: dict[int, tuple[float, EffectiveConfig]] = {}


def effective(brand_id: int) -> EffectiveConfig:
    """What holds for the brand, at most `KEPT_SECONDS` old; one query where it is older."""
    kept_at, config = _kept.get(brand_id, (0.0, _DEFAULTS))
    now = clock.monotonic()
    if not kept_at or now - kept_at > KEPT_SECONDS:
        config = read(brand_id)
        _kept[brand_id] = (now, config)
    return config


def forget() -> None:
    """The next `effective` reads anew, in this process."""
    _kept.clear()


def read(brand_id: int) -> EffectiveConfig:
    """What holds for the brand at this moment."""
    return merge(*_rows(brand_id))


def _rows(brand_id: int) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    rows = TextConfig.objects.filter(brand=None) | TextConfig.objects.filter(brand=brand_id)
    found = {row["brand_id"]: row for row in rows.values(*_ROW_NAMES)}
    return found.get(None, {}), found.get(brand_id, {})


def merge(station: Mapping[str, Any], brand: Mapping[str, Any]) -> EffectiveConfig:
    """The global row and the brand's, each {} where there is none, as settings without gaps."""
    chosen = {
        name: value
        for name in _INHERITED
        for value in [_first_set(brand.get(name), station.get(name))]
        if value is not None
    }
    return replace(
        _DEFAULTS,
        **chosen,
        sending=station.get("sending") is True and brand.get("sending") is not False,
        brand_daily_cap=brand.get("global_daily_cap"),
        station_daily_cap=station.get("global_daily_cap"),
    )


def _first_set(*values: Any) -> Any:
    """The first that is neither null nor an empty text; false and 0 are values."""
    return next((value for value in values if value not in (None, "")), None)


def sending_on_sql(brand: str) -> str:
    """A SQL condition: sending is on for `brand` (a column or a parameter of the statement)."""
    return (
        "(EXISTS (SELECT 1 FROM sms_textconfig WHERE brand_id IS NULL AND sending)"
        f" AND NOT EXISTS (SELECT 1 FROM sms_textconfig WHERE brand_id = {brand}"
        " AND sending IS FALSE))"
    )


SENDING_ON = sending_on_sql("%(brand)s")


def effective_sql(brand: str) -> str:
    """A subquery of one row for `brand` (a column or a parameter), to be joined LATERAL.

    Columns: sending, dry_run, account_id, shortcode, transport, texts_per_call; as `effective`
    tells them, but read in the very statement.
    """
    return f"""(
    SELECT {sending_on_sql(brand)} AS sending,
           coalesce(own.dry_run, station.dry_run, {_DEFAULTS.dry_run}) AS dry_run,
           coalesce(own.account_id, station.account_id) AS account_id,
           coalesce(nullif(own.shortcode, ''), station.shortcode, '') AS shortcode,
           coalesce(nullif(own.transport, ''), nullif(station.transport, ''),
                    '{_DEFAULTS.transport}') AS transport,
           coalesce(own.texts_per_call, station.texts_per_call,
                    {_DEFAULTS.texts_per_call}) AS texts_per_call
      FROM (SELECT 1) one
      LEFT JOIN sms_textconfig station ON station.brand_id IS NULL
      LEFT JOIN sms_textconfig own ON own.brand_id = {brand})"""
