"""What the statements of the choice are given: settings, places and messages as plain arrays."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from apps.sms.choosing import places
from apps.sms.choosing.statements import Shape

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import date, datetime

    from apps.sms.choosing.places import Place
    from apps.sms.choosing.pool import Choice
    from apps.sms.config import EffectiveConfig


def build(
    *,
    brand_id: int,
    config: EffectiveConfig,
    choices: Sequence[Choice],
    at: datetime,
    pairs: Sequence[tuple[str, str]],
) -> dict[str, Any]:
    """What the statements of `statements` ask for, but for `cursor`, `limit`, `seed` and the like.

    `pairs` of zone and state are those of the people that are asked about. One statement: the laws
    of the states.
    """
    judged = places.judge(pairs, laws=places.read_laws(), config=config, pool=choices, at=at)
    days = _days(judged) or [at.date()]
    return {
        "brand": brand_id,
        "at": at,
        "day_ago": at - timedelta(hours=24),
        "quiet_since": at - timedelta(minutes=config.gap_minutes),
        "verified_after": _hours_before(at, config.verify_max_age_hours),
        "engaged_after": _hours_before(at, config.engagement_days * 24),
        "daily_limit": config.daily_limit,
        "chunk_size": config.chunk_size,
        "log_after": min(days) - timedelta(days=7),
        "log_until": max(days),
        **_places(judged, len(choices)),
        **_messages(choices),
    }


def shape_of(choices: Sequence[Choice]) -> Shape:
    """The statements that go with what `build` makes of these choices."""
    return Shape(len(_capped(choices)), any(one.left is not None for one in choices))


def _capped(choices: Sequence[Choice]) -> list[tuple[int, int]]:
    """Campaigns with a weekly cap, and that cap."""
    caps = {one.campaign_id: one.weekly_cap for one in choices}
    return [(campaign, cap) for campaign, cap in caps.items() if cap is not None]


def _days(judged: Sequence[Place]) -> list[date]:
    """Of the places that are open now; where none is, of those that have a day at all."""
    open_now = [one.day for one in judged if one.day and not one.refused]
    return open_now or [one.day for one in judged if one.day]


def _hours_before(at: datetime, hours: int) -> datetime | None:
    return at - timedelta(hours=hours) if hours else None


def _places(judged: Sequence[Place], messages: int) -> dict[str, Any]:
    endings = [
        (number, slot, until)
        for number, place in enumerate(judged, 1)
        for slot, until in place.ends
    ]
    return {
        "timezones": [one.timezone for one in judged],
        "states": [one.state for one in judged],
        "refused": [one.refused or "" for one in judged],
        "days": [one.day for one in judged],
        "untils": [one.until for one in judged],
        "maxima": [one.max_per_24h for one in judged],
        "open_to": [_bits(one.open_to or (False,) * messages) for one in judged],
        "none": "0" * messages,
        "ending_places": [number for number, _, _ in endings],
        "ending_slots": [slot for _, slot, _ in endings],
        "ending_untils": [until for _, _, until in endings],
    }


def _messages(choices: Sequence[Choice]) -> dict[str, Any]:
    campaigns = {one.campaign_id: one for one in choices}
    given: dict[str, Any] = {
        "messages": [one.message_id for one in choices],
        "campaigns": [one.campaign_id for one in choices],
        "weights": [one.weight for one in choices],
        "campaign_ids": list(campaigns),
        "places_left": [one.left for one in campaigns.values()],
    }
    for number, (campaign, cap) in enumerate(_capped(choices)):
        given[f"capped_{number}"] = campaign
        given[f"weekly_cap_{number}"] = cap
        given[f"capped_bits_{number}"] = _bits(one.campaign_id == campaign for one in choices)
    return given


def _bits(flags: Iterable[bool]) -> str:
    return "".join("1" if flag else "0" for flag in flags)
