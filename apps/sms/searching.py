"""Finding people by a number or an address, by indexes alone."""

from __future__ import annotations

import re

from django.db.models import Q

from apps.sms import zones
from apps.sms.models import Subscriber

FOUND_AT_MOST = 200
_DIGITS = re.compile(r"[0-9]{3,15}")


def find_subscribers(text: str) -> list[int]:
    """Ids of those whose number begins so, or whose address is this; at most `FOUND_AT_MOST`."""
    term = text.strip().lower()
    if "@" in term:
        rows = Subscriber.objects.filter(email=term)
    else:
        starts = _starts(term)
        if not starts:
            return []
        rows = Subscriber.objects.filter(Q(phone__gte=starts) & Q(phone__lt=f"{starts}:"))
    return list(rows.values_list("pk", flat=True)[:FOUND_AT_MOST])


def _starts(term: str) -> str:
    """The beginning of a number in E.164; ":" follows "9" in the order of the index."""
    try:
        return zones.read_phone(term)
    except zones.PhoneError:
        digits = "".join(re.findall(r"[0-9]", term))
        if not _DIGITS.fullmatch(digits):
            return ""
        known_country = term.startswith("+") or digits.startswith("1")
        return f"+{digits}" if known_country else f"+1{digits}"
