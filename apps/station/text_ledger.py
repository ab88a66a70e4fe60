"""The sent log against the text provider's own log, number by number.

The provider knows no ids, so a number's texts are counted on both sides. What the sent log calls
unknown may be in the other or not; anything else is a difference. Findings name texts, never
numbers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from django.db import connection, transaction

from apps.station.ledger import Finding, Joined, finding

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True, slots=True)
class TextComparison:
    """What the sent log of one brand calls sent, what the provider accepted, and the difference."""

    sent: int
    accepted: int
    matching: int
    """Texts that are in both."""
    missing: Finding
    """Numbers with more texts sent than accepted."""
    doubled: Finding
    """Numbers with more texts accepted than sent or unknown."""
    foreign: Finding
    """Numbers with accepted texts, and none that was sent or is unknown."""
    unknown: int = 0
    unknown_accepted: int = 0

    @property
    def agrees(self) -> bool:
        """Whether nothing is lost, doubled or foreign."""
        findings = (self.missing, self.doubled, self.foreign)
        return self.sent == self.matching and not any(one.count for one in findings)


_LOG_TABLE = "CREATE TEMPORARY TABLE text_ledger_log (phone text NOT NULL) ON COMMIT DROP"
_JOINED = """
CREATE TEMPORARY TABLE text_ledger_joined ON COMMIT DROP AS
SELECT ours.first_id, coalesce(ours.sent, 0) AS sent, coalesce(ours.unknown, 0) AS unknown,
       coalesce(theirs.lines, 0) AS lines
  FROM (SELECT phone, min(id) AS first_id, count(*) FILTER (WHERE state = 'sent') AS sent,
               count(*) FILTER (WHERE state = 'unknown') AS unknown
          FROM sms_senttext WHERE brand_id = %s GROUP BY phone) ours
  FULL JOIN (SELECT phone, count(*) AS lines FROM text_ledger_log GROUP BY phone) theirs
    ON theirs.phone = ours.phone
"""
_COUNTS = """
SELECT coalesce(sum(sent), 0), coalesce(sum(lines), 0), coalesce(sum(least(sent, lines)), 0),
       coalesce(sum(unknown), 0), coalesce(sum(least(unknown, greatest(lines - sent, 0))), 0)
  FROM text_ledger_joined
"""
_FINDINGS = {
    "missing": ("sent > lines", "sent || ' sent, ' || lines || ' in the log'"),
    "doubled": (
        "sent + unknown > 0 AND lines > sent + unknown",
        "sent + unknown || ' sent or unknown, ' || lines || ' in the log'",
    ),
    "foreign": ("sent + unknown = 0 AND lines > 0", "lines || ' in the log'"),
}


def compare(brand_id: int, accepted: Iterable[str]) -> TextComparison:
    """Compare a brand's sent log with the numbers (digits) of the texts that were accepted."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_LOG_TABLE)
        with cursor.copy("COPY text_ledger_log FROM STDIN") as rows:
            for mobile in accepted:
                rows.write_row((f"+{mobile}",))
        cursor.execute(_JOINED, [brand_id])
        cursor.execute(_COUNTS)
        sent, lines, matching, unknown, unknown_accepted = map(int, cursor.fetchone())
        findings = {kind: finding(cursor, _BOTH, *how) for kind, how in _FINDINGS.items()}
        cursor.execute("DROP TABLE text_ledger_joined, text_ledger_log")
    return TextComparison(
        sent=sent,
        accepted=lines,
        matching=matching,
        unknown=unknown,
        unknown_accepted=unknown_accepted,
        **findings,
    )


_BOTH = Joined("text_ledger_joined", "first_id", "text", "no text of ours")
