"""Who an event is about: people of the brand, by phone, else by email."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Collection


def by_phone(*, brand_id: int, phones: Collection[str]) -> dict[str, int]:
    """Subscribers' ids by their numbers in E.164. One query."""
    return _found(_BY_PHONE, brand_id, phones)


def by_email(*, brand_id: int, emails: Collection[str]) -> dict[str, int]:
    """Subscribers' ids by their addresses in lower case. One query.

    Of several with one address the brand's present one counts, then who did something last.
    """
    return _found(_BY_EMAIL, brand_id, emails)


def _found(statement: str, brand_id: int, texts: Collection[str]) -> dict[str, int]:
    if not texts:
        return {}
    with connection.cursor() as cursor:
        cursor.execute(statement, {"brand": brand_id, "texts": list(texts)})
        return dict(cursor.fetchall())


_BY_PHONE = """
SELECT s.phone, s.id FROM sms_subscriber s
JOIN sms_subscription p ON p.subscriber_id = s.id AND p.brand_id = %(brand)s
WHERE s.phone = ANY(%(texts)s)
"""

_BY_EMAIL = """
SELECT DISTINCT ON (s.email) s.email, s.id FROM sms_subscriber s
JOIN sms_subscription p ON p.subscriber_id = s.id AND p.brand_id = %(brand)s
WHERE s.email IS NOT NULL AND s.email = ANY(%(texts)s)
ORDER BY s.email, p.active DESC, s.last_engagement DESC NULLS LAST, s.id
"""
