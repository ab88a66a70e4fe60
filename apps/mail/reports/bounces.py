"""What came back, by the domain it was sent to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.mail.models import Mailing


@dataclass(frozen=True)
class BouncedDomain:
    """Bounces of a recipient domain, `permanent` ones among them; the words told most often."""

    domain: str
    bounces: int
    permanent: int
    detail: str


_BY_DOMAIN = """
SELECT domain, count(*), count(*) FILTER (WHERE kind = 'Permanent'),
       coalesce(mode() WITHIN GROUP (ORDER BY nullif(detail, '')), '')
  FROM mail_bounce WHERE month = %(month)s AND mailing_id = %(mailing)s
 GROUP BY domain ORDER BY 2 DESC, 1 LIMIT %(limit)s
"""


def bounces_by_domain(mailing: Mailing, *, limit: int = 50) -> list[BouncedDomain]:
    """The domains with most bounces; one query over the mailing's bounces alone."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_DOMAIN, {"month": mailing.month, "mailing": mailing.pk, "limit": limit})
        return [BouncedDomain(*row) for row in cursor.fetchall()]


_OF_MESSAGES = """
SELECT message_id, kind, detail FROM mail_bounce
 WHERE month = %s AND mailing_id = %s AND message_id = ANY(%s)
"""


def causes(mailing: Mailing, message_ids: list[int]) -> Mapping[int, tuple[str, str]]:
    """The provider's words for why messages came back, by message id: ("Permanent", "General")."""
    with connection.cursor() as cursor:
        cursor.execute(_OF_MESSAGES, [mailing.month, mailing.pk, message_ids])
        return {row[0]: (row[1], row[2]) for row in cursor.fetchall()}
