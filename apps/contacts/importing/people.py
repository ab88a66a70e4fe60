"""From a row to a person, or to the reason why not."""

from __future__ import annotations

import re
from enum import StrEnum
from functools import cache, lru_cache
from typing import TYPE_CHECKING, NamedTuple
from zoneinfo import available_timezones

import orjson

from apps.contacts.addresses import normalise
from apps.contacts.errors import InvalidAddressError
from apps.contacts.importing.columns import Field
from apps.contacts.importing.formulas import unescape_formula
from apps.contacts.importing.records import QUOTED_CHARACTERS_LIMIT, QUOTED_LINES_LIMIT
from apps.contacts.models.contact import LOCALE_LIMIT, NAME_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.contacts.importing.columns import ColumnPlan
    from apps.contacts.importing.records import Record

TRAIT_LIMIT = 4096  # characters of one trait
TRAITS_LIMIT_BYTES = 65_536  # of all traits of a person, as JSON


class Fault(StrEnum):
    """Why a row is rejected; the counts of an import go by these."""

    EMAIL_MISSING = "email_missing"
    EMAIL_INVALID = "email_invalid"
    DUPLICATE = "duplicate"
    ERASED = "erased"
    TOO_LONG = "too_long"
    LOCALE = "locale_unknown"
    TIMEZONE = "timezone_unknown"
    TOO_MANY_CELLS = "too_many_cells"
    QUOTE = "quote_not_closed"
    ENCODING = "broken_characters"


class Person(NamedTuple):
    """A row that can be merged; `traits` is the JSON text of an object of texts."""

    email: str
    address: str
    first_name: str
    last_name: str
    locale: str
    timezone: str
    traits: str


class Rejection(NamedTuple):
    """`message` names field, limit and fix, and holds no value of the row."""

    field: str
    fault: Fault
    message: str


class RowFaultError(Exception):
    """Inside this module: the row cannot become a person."""

    def __init__(self, field: str, fault: Fault, message: str) -> None:
        super().__init__(message)
        self.rejection = Rejection(field, fault, message)


_LANGUAGE_TAG = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_EXAMPLE_LOCALES = "such as en, de-AT or pt-BR"
_NO_EMAIL = "The email cell is empty: fill it in, or leave the row out."
_BROKEN = Rejection(
    "",
    Fault.QUOTE,
    "A quote is opened but not closed, or not followed by a delimiter (or the cell has more than "
    f"{QUOTED_LINES_LIMIT:,} lines or {QUOTED_CHARACTERS_LIMIT:,} characters). Close it, and "
    "double the quotes inside the cell.",
)


class PersonReader:
    """Reads rows under one plan of columns. `short_rows` counts those with cells missing."""

    def __init__(self, plan: ColumnPlan, *, check_characters: bool) -> None:
        self._width = len(plan.columns)
        self._email = plan.index_of(Field.EMAIL) or 0
        self._first_name = plan.index_of(Field.FIRST_NAME)
        self._last_name = plan.index_of(Field.LAST_NAME)
        self._locale = plan.index_of(Field.LOCALE)
        self._timezone = plan.index_of(Field.TIMEZONE)
        self._traits = plan.traits
        self._headers = {one.index: one.name for one in plan.columns}
        self._unescape = plan.is_rejects_file
        self._check_characters = check_characters
        self.short_rows = 0

    def read(self, record: Record) -> Person | Rejection | None:
        """None for a row without any text."""
        if record.is_broken:
            return _BROKEN
        try:
            return self._read(record)
        except RowFaultError as fault:
            return fault.rejection
        except InvalidAddressError as error:
            return Rejection(Field.EMAIL, Fault.EMAIL_INVALID, str(error))

    def _read(self, record: Record) -> Person | None:
        cells = record.cells
        if len(cells) != self._width:
            cells = self._fitted(cells)
        if not any(map(str.strip, cells)):
            return None
        if self._check_characters:
            self._refuse_unreadable(cells)
        if self._unescape:
            cells = [unescape_formula(cell) for cell in cells]
        email = cells[self._email].strip()
        if not email:
            raise RowFaultError(Field.EMAIL, Fault.EMAIL_MISSING, _NO_EMAIL)
        address = normalise(email)
        return Person(
            address.email,
            address.address,
            _read_name(_cell(cells, self._first_name), Field.FIRST_NAME),
            _read_name(_cell(cells, self._last_name), Field.LAST_NAME),
            read_locale(_cell(cells, self._locale)),
            read_timezone(_cell(cells, self._timezone)),
            self._traits_json(cells, record.size_bytes),
        )

    def _fitted(self, cells: list[str]) -> list[str]:
        if len(cells) < self._width:
            self.short_rows += len(cells) > 1 or self._width == 1
            return cells + [""] * (self._width - len(cells))
        if any(map(str.strip, cells[self._width :])):
            raise RowFaultError(
                "",
                Fault.TOO_MANY_CELLS,
                f"The row has {len(cells)} cells, the header {self._width}: put a cell that holds "
                "the delimiter into double quotes.",
            )
        return cells[: self._width]

    def _refuse_unreadable(self, cells: list[str]) -> None:
        for index, cell in enumerate(cells):
            if "\0" in cell or _has_surrogates(cell):
                raise RowFaultError(
                    self._headers[index],
                    Fault.ENCODING,
                    f"“{self._headers[index]}” holds bytes that are no characters of the file's "
                    "encoding: type the text again.",
                )

    def _traits_json(self, cells: list[str], size_bytes: int) -> str:
        if not self._traits:
            return "{}"
        traits = {key: text for key, index in self._traits if (text := cells[index].strip())}
        # No cell of a shorter row can be too long.
        if size_bytes > TRAIT_LIMIT:
            for key, text in traits.items():
                if len(text) > TRAIT_LIMIT:
                    raise _too_long(f"traits.{key}", len(text), TRAIT_LIMIT)
        packed = orjson.dumps(traits)
        if len(packed) > TRAITS_LIMIT_BYTES:
            raise RowFaultError(
                "traits",
                Fault.TOO_LONG,
                f"The traits take {len(packed):,} bytes together, at most {TRAITS_LIMIT_BYTES:,} "
                "are kept: skip some columns (--skip-column).",
            )
        return packed.decode()


def _cell(cells: list[str], index: int | None) -> str:
    return "" if index is None else cells[index].strip()


def _read_name(text: str, field: Field) -> str:
    name = " ".join(text.split())
    if len(name) > NAME_LIMIT:
        raise _too_long(field, len(name), NAME_LIMIT)
    return name


@lru_cache(maxsize=4096)
def read_locale(text: str) -> str:
    """`de_AT` as `de-AT`, nothing as nothing. Raises RowFaultError for what is no language tag."""
    if not text:
        return ""
    tag = text.partition(".")[0].replace("_", "-")
    if len(tag) > LOCALE_LIMIT or not _LANGUAGE_TAG.fullmatch(tag):
        raise RowFaultError(
            Field.LOCALE,
            Fault.LOCALE,
            f"The locale is no language tag {_EXAMPLE_LOCALES}: correct it, or import the column "
            "as a trait (--map).",
        )
    return tag


@lru_cache(maxsize=4096)
def read_timezone(text: str) -> str:
    """The zone's own spelling. Raises RowFaultError for what is no zone of the IANA list."""
    if not text:
        return ""
    zone = _zones().get(text.replace(" ", "_").casefold())
    if zone is None:
        raise RowFaultError(
            Field.TIMEZONE,
            Fault.TIMEZONE,
            "The time zone is not in the IANA list, such as Europe/Berlin: correct it, or import "
            "the column as a trait (--map).",
        )
    return zone


@cache
def _zones() -> Mapping[str, str]:
    return {name.casefold(): name for name in available_timezones()}


def _too_long(field: str, found: int, limit: int) -> RowFaultError:
    return RowFaultError(
        field,
        Fault.TOO_LONG,
        f"{field} has {found:,} characters, at most {limit:,} are kept: shorten it.",
    )


def _has_surrogates(cell: str) -> bool:
    try:
        cell.encode()
    except UnicodeEncodeError:
        return True
    return False
