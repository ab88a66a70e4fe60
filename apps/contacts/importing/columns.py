"""What each column of a file becomes: a field of the contact, a trait, or nothing."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from apps.contacts.addresses import is_address
from apps.contacts.errors import FileRefusedError

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

COLUMN_LIMIT = 500
TRAIT_KEY_LIMIT = 64
TRAIT_PREFIX = "traits."
REJECTED_PREFIX = "rejected_"
# The columns that we put in front of rejected rows: skipped when such a file comes back.
REJECT_COLUMNS = ("rejected_line", "rejected_field", "rejected_reason")


class Field(StrEnum):
    EMAIL = "email"
    FIRST_NAME = "first_name"
    LAST_NAME = "last_name"
    LOCALE = "locale"
    TIMEZONE = "timezone"


# Spelled without case, accents, spaces and punctuation: “E-Mail Address” is “emailaddress”.
_SYNONYMS: Mapping[Field, str] = {
    Field.EMAIL: (
        "email mail emailaddress emailaddresses emailadresse mailadresse mailaddress emailid "
        "courriel adresseemail adressemail adresseelectronique correo correoelectronico "
        "direccionemail indirizzoemail subscriberemail contactemail"
    ),
    Field.FIRST_NAME: "firstname first givenname forename fname vorname prenom nombre voornaam",
    Field.LAST_NAME: (
        "lastname last surname familyname lname nachname familienname nomdefamille apellido "
        "apellidos cognome achternaam"
    ),
    Field.LOCALE: "locale language lang sprache langue idioma lingua taal",
    Field.TIMEZONE: "timezone tz zeitzone fuseauhoraire zonahoraria",
}
_FIELD_OF = {word: field for field, words in _SYNONYMS.items() for word in words.split()}
_ABOUT_LEAVING = re.compile(r"unsub|opt_?out|opt_?in|status|bounce|complain|suppress|consent")


@dataclass(frozen=True, slots=True)
class Column:
    """`target` is a Field's value, `traits.KEY`, or empty where the column is skipped."""

    index: int
    header: str
    target: str

    @property
    def name(self) -> str:
        return self.header or f"#{self.index + 1}"


@dataclass(frozen=True, slots=True)
class ColumnPlan:
    columns: tuple[Column, ...]
    is_rejects_file: bool = False

    @property
    def traits(self) -> tuple[tuple[str, int], ...]:
        return tuple(
            (one.target.removeprefix(TRAIT_PREFIX), one.index)
            for one in self.columns
            if one.target.startswith(TRAIT_PREFIX)
        )

    def index_of(self, field: Field) -> int | None:
        return next((one.index for one in self.columns if one.target == field), None)

    def notes(self) -> list[str]:
        """What an operator may not expect of these columns."""
        nameless = [one.name for one in self.columns if not one.header and not one.target]
        leaving = [one.name for one in self.columns if _seems_about_leaving(one)]
        notes = [f"column {name} has no name and is skipped" for name in nameless]
        return notes + [
            f"“{name}” becomes a trait: it neither subscribes nor unsubscribes anybody"
            for name in leaving
        ]


def knows_as_email(header: str) -> bool:
    return _FIELD_OF.get(_squeezed(header)) is Field.EMAIL


def plan_columns(
    header: Sequence[str], *, chosen: Mapping[str, str], skipped: Collection[str] = ()
) -> ColumnPlan:
    """`chosen` maps columns to a field, a trait (`traits.key`) or to be skipped (empty text).

    A column is named by its header, or by its place as `#3`. Raises FileRefusedError where a
    column is unknown or doubled, or none holds the address.
    """
    names = [_clean(cell) for cell in header]
    while names and not names[-1]:
        names.pop()
    _refuse_header(names)
    wishes = {**dict.fromkeys(skipped, ""), **chosen}
    picked = {_find(names, column): _checked_target(to) for column, to in wishes.items()}
    columns = [
        Column(index, name, picked[index] if index in picked else _target_of(name))
        for index, name in enumerate(names)
    ]
    _refuse_doubles(columns)
    if not any(one.target == Field.EMAIL for one in columns):
        raise FileRefusedError(
            f"No column holds the email address. The columns are: {_listed(names)}. "
            'Name it with --map "COLUMN=email".'
        )
    return ColumnPlan(tuple(columns), REJECT_COLUMNS[-1] in names)


def suggest_targets(header: Sequence[str]) -> list[str]:
    """A target for each column as its name suggests; empty where none fits or it is taken."""
    taken: set[str] = set()
    targets = []
    for cell in header:
        try:
            target = _target_of(_clean(cell))
        except FileRefusedError:
            target = ""
        targets.append("" if target in taken else target)
        taken.add(target)
    return targets


def trait_key(header: str) -> str:
    """`First Visit (Berlin)` as `first_visit_berlin`; empty where no letter or digit is left."""
    text = unicodedata.normalize("NFKC", header).casefold()
    key = re.sub(r"\W+", "_", unicodedata.normalize("NFC", text)).strip("_")
    return f"_{key}" if key[:1].isdigit() else key


def _refuse_header(names: list[str]) -> None:
    if len(names) > COLUMN_LIMIT:
        raise FileRefusedError(
            f"The file has {len(names)} columns; at most {COLUMN_LIMIT} are read. Leave out those "
            "that are not needed."
        )
    if any(is_address(name) for name in names):
        raise FileRefusedError(
            "The first line looks like a person, not like column names. Put a line with the names "
            "of the columns above it, such as email,first_name,last_name."
        )


def _refuse_doubles(columns: list[Column]) -> None:
    seen: dict[str, Column] = {}
    for column in columns:
        other = seen.setdefault(column.target, column) if column.target else column
        if other is not column:
            raise FileRefusedError(
                f"Columns #{other.index + 1} “{other.header}” and #{column.index + 1} "
                f"“{column.header}” would both become {column.target}. Say --skip-column "
                f'"#{column.index + 1}", or --map "#{column.index + 1}=traits.another_name".'
            )


def _target_of(name: str) -> str:
    if name in REJECT_COLUMNS:
        return ""
    field = _FIELD_OF.get(_squeezed(name))
    if field is not None:
        return field.value
    key = trait_key(name)
    if name and (not key or len(key) > TRAIT_KEY_LIMIT):
        raise FileRefusedError(
            f"“{name[:80]}” cannot be the name of a trait: it needs a letter or digit and at most "
            f"{TRAIT_KEY_LIMIT} characters. Rename the column, or use --map or --skip-column."
        )
    return f"{TRAIT_PREFIX}{key}" if key else ""


def _checked_target(target: str) -> str:
    key = target.removeprefix(TRAIT_PREFIX)
    is_trait = target != key and key == trait_key(key) and 0 < len(key) <= TRAIT_KEY_LIMIT
    if target and not is_trait and target not in list(Field):
        raise FileRefusedError(
            f"“{target[:80]}” is no field of a contact. Use one of {', '.join(Field)}, or "
            f"traits.some_key (lower case, digits and underscores, {TRAIT_KEY_LIMIT} at most)."
        )
    return target


def _find(names: list[str], column: str) -> int:
    wanted = _clean(column)
    if re.fullmatch(r"#\d+", wanted) and 0 < int(wanted[1:]) <= len(names):
        return int(wanted[1:]) - 1
    exact = [index for index, name in enumerate(names) if name == wanted]
    found = exact or [i for i, name in enumerate(names) if name.casefold() == wanted.casefold()]
    if len(found) == 1:
        return found[0]
    problem = "There is no column" if not found else f"There are {len(found)} columns"
    raise FileRefusedError(
        f"{problem} “{wanted[:80]}”. The columns are: {_listed(names)}. A column can also be named "
        "by its place, such as #2."
    )


def _listed(names: list[str]) -> str:
    shown = [name[:40] or "(no name)" for name in names[:30]]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more


def _clean(cell: str) -> str:
    readable = cell.encode(errors="replace").decode()  # where bytes had no meaning: “?”
    return " ".join(readable.replace("\ufeff", "").replace("\0", "").split())


def _squeezed(header: str) -> str:
    decomposed = unicodedata.normalize("NFKD", header).casefold()
    return "".join(character for character in decomposed if character.isalnum())


def _seems_about_leaving(column: Column) -> bool:
    key = column.target.removeprefix(TRAIT_PREFIX)
    return key != column.target and bool(_ABOUT_LEAVING.search(key))
