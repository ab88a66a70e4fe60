"""Finding people and suppressions by their beginnings, through indexes alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.contacts.addresses import is_address, normalise
from apps.contacts.suppressing import find

if TYPE_CHECKING:
    from collections.abc import Collection

# So many of each kind are found; whoever needs others types more letters.
FOUND_AT_MOST = 500
TERM_LIMIT = 254


def find_contacts(term: str, *, brand_ids: Collection[int]) -> list[int]:
    """Ids of the brands' contacts, at most `FOUND_AT_MOST` each by address and by name.

    What has an @ is an address or its beginning. Of two words one begins the first name and the
    other the last name, either way round. Names are compared without case.
    """
    words = term.replace("\0", "").split()
    if not words or len(term) > TERM_LIMIT:
        return []
    if is_address(term):
        # As it is stored: an internationalised domain has another spelling there.
        return _ids(_EXACT, brand_ids, address=normalise(term).address)
    found = []
    if len(words) == 1:
        found += _ids(_ADDRESS, brand_ids, prefix=_prefix(words[0].lower()))
    if "@" not in term:
        found += _by_name(words[0], " ".join(words[1:]), brand_ids)
    return sorted(set(found))


def _by_name(first: str, second: str, brand_ids: Collection[int]) -> list[int]:
    found = _ids(_FIRST_LAST, brand_ids, first=_prefix(first), second=_prefix(second))
    return found + _ids(_LAST_FIRST, brand_ids, first=_prefix(first), second=_prefix(second))


def _prefix(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return f"{escaped}%"


def _ids(kind: tuple[str, str], brand_ids: Collection[int], **parameters: str) -> list[int]:
    with connection.cursor() as cursor:
        cursor.execute(_statement(kind), {"brands": list(brand_ids), **parameters})
        return [pk for (pk,) in cursor.fetchall()]


def _statement(kind: tuple[str, str]) -> str:
    condition, order = kind
    return _FIND.format(condition=condition, order=order)


# A brand at a time and in the index's own order: then the database walks the index, whatever it
# guesses of how many there are.
_FIND = f"""
SELECT found.id FROM unnest(%(brands)s::bigint[]) AS brand (id)
CROSS JOIN LATERAL (
    SELECT c.id FROM contacts_contact c
    WHERE c.brand_id = brand.id AND {{condition}}
    ORDER BY {{order}} LIMIT {FOUND_AT_MOST}
) found LIMIT {FOUND_AT_MOST}
"""
_FIRST, _LAST = (f'lower(c.{name}) COLLATE "C"' for name in ("first_name", "last_name"))
# A condition, and the order of the index that knows it.
_EXACT = ("c.address = %(address)s", "c.address")
_ADDRESS = ("c.address LIKE %(prefix)s", "c.address")
_FIRST_LAST = (
    f"{_FIRST} LIKE lower(%(first)s) AND {_LAST} LIKE lower(%(second)s)",
    f"{_FIRST}, {_LAST}",
)
_LAST_FIRST = (
    f"{_LAST} LIKE lower(%(first)s) AND {_FIRST} LIKE lower(%(second)s)",
    f"{_LAST}, {_FIRST}",
)


def find_suppressions(term: str) -> list[int]:
    """Ids of suppressions, active and lifted, of addresses that begin so: some `FOUND_AT_MOST`.

    A whole address also finds an erased person's, of whom only a digest is kept.
    """
    word = term.replace("\0", "").strip()
    if not word or len(term) > TERM_LIMIT:
        return []
    if is_address(word):
        return list(find(normalise(word).address).values_list("pk", flat=True))
    with connection.cursor() as cursor:
        cursor.execute(_SUPPRESSIONS, {"prefix": _prefix(word.lower())})
        return [pk for (pk,) in cursor.fetchall()]


# Two indexes: one knows the active, one the lifted.
_SUPPRESSIONS = f"""
(SELECT id FROM contacts_suppression
  WHERE lifted_at IS NULL AND address IS NOT NULL AND address LIKE %(prefix)s
  ORDER BY address LIMIT {FOUND_AT_MOST})
UNION ALL
(SELECT id FROM contacts_suppression
  WHERE lifted_at IS NOT NULL AND address LIKE %(prefix)s
  ORDER BY address LIMIT {FOUND_AT_MOST})
"""
