"""Tracked links in a text's body: `{{ links.sale }}` becomes a short address of ours."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.conf import settings

from apps.sms.models import TextLink
from apps.sms.tracking import codes
from apps.sms.tracking.codes import Target

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping
    from datetime import date

PATH = "/t/"


def slots_of(message_ids: Collection[int]) -> dict[int, dict[str, int]]:
    """The slots of each message's links by their names; one query."""
    found: dict[int, dict[str, int]] = {pk: {} for pk in message_ids}
    rows = TextLink.objects.filter(message_id__in=message_ids)
    for message_id, name, slot in rows.values_list("message_id", "name", "slot"):
        found[message_id][name] = slot
    return found


def urls(*, sent_text_id: int, local_day: date, slots: Mapping[str, int]) -> dict[str, str]:
    """The addresses in one text, by the links' names. Pure: nothing is read, nothing written."""
    return {
        name: _url(codes.encode(Target(sent_text_id, local_day, slot)))
        for name, slot in slots.items()
    }


def sample_urls(names: Collection[str]) -> dict[str, str]:
    """As long as real ones, leading nowhere: for previews and counts of length."""
    return dict.fromkeys(names, _url("x" * codes.LENGTH))


def free_slot(message_id: int) -> int | None:
    """The lowest that none of the message's links has, or None where there is no room.

    Slots stand in texts that were sent, so links of a message that was sent are never deleted.
    """
    taken = set(TextLink.objects.filter(message_id=message_id).values_list("slot", flat=True))
    return next((slot for slot in range(codes.MOST_SLOTS) if slot not in taken), None)


def _url(code: str) -> str:
    return f"{settings.TEXT_LINK_BASE_URL}{PATH}{code}"
