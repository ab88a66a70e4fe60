"""The file of the demo: 5,000 people as a shop might export them, and what real files bring along.

The same rows every time: semicolons between the cells, a byte order mark, names in many scripts,
quotes and semicolons and line breaks inside cells, addresses that cannot be, people listed twice.
"""

# ruff: noqa: RUF001 - names are spelled as their owners spell them

from __future__ import annotations

import csv
import random
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import TYPE_CHECKING

from apps.station.demo.names import PLACES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from apps.station.demo.names import Place

PEOPLE = 5_000
DOUBLES = 45
_SEED = 20_260_301

HEADER = (
    "E-Mail", "First name", "Last name", "Language", "Time zone",
    "Plan", "City", "Favourite products", "Points", "Member since",
)  # fmt: skip

_DOMAINS = ("example.com", "example.org", "mail.example.net", "post.example", "inbox.example")
# Internationalised: on the wire as xn--bcher-kva.example and so on.
_INTERNATIONAL = ("bücher.example", "почта.example", "例え.example", "παράδειγμα.example")
# The sandbox bounces what goes there for good (see `stage`).
GONE_DOMAIN = "moved-away.example"
_GONE_EVERY = 200
_INTERNATIONAL_EVERY = 40
_PARTNER_EVERY = 250

PLANS = ("free", "plus", "pro")
PARTNER_PLAN = "partner"
_PRODUCTS = (
    "Espresso “Nera”", "Rye bread", "Sea salt & thyme", "Wild honey", "Earl Grey <loose leaf>",
    "Olive oil, 5 l", "Matcha 抹茶", "Halva حلوى", "Dark chocolate 85 %", "Kimchi 김치",
)  # fmt: skip

# How people spell what is meant to be one word, with a semicolon or a quote among it.
_ODD_NAMES = (
    ('Robert "Bob"', "Tables; Jr."),
    ("Anne-Marie;\u00a0Luise", "„Lulu“ d’Été"),
    ("Two\nLines", "In One Cell"),
    ("👩‍🚀 Valentina", "Терешкова"),
    ("  Spaces  ", "Around  and   inside"),
    ("<b>Bold</b>", "& Brothers {{ contact.email }}"),
    ("O’Neill, Tip", "'Single' \"Double\""),
    ("ﷺ ﷽", "א\u200fב"),
)

_BAD_ADDRESSES = (
    "", "no-at-sign.example.com", "two@@example.com", "space in@example.com",
    "dot.@example.com", ".dot@example.com", "dots..inside@example.com", "name@",
    "@example.com", "name@example..com", "name@-example.com", "name@localhost",
    "ünicode@example.com", f"{'x' * 65}@example.com", "one@example.com, two@example.com",
    "name@exa mple.com", "name@example.com>", "(comment)@example.com", "unknown", "n/a",
)  # fmt: skip
_BAD_ROUNDS = 3


@dataclass(frozen=True, slots=True)
class Person:
    """One row. `email` is as typed; `favourites` stand in one cell, separated by |."""

    email: str
    first_name: str
    last_name: str
    locale: str
    timezone: str
    plan: str
    city: str
    favourites: tuple[str, ...]
    points: int
    member_since: date

    def cells(self) -> tuple[str, ...]:
        return (
            self.email, self.first_name, self.last_name, self.locale, self.timezone, self.plan,
            self.city, " | ".join(self.favourites), str(self.points), self.member_since.isoformat(),
        )  # fmt: skip


def people(number: int = PEOPLE) -> list[Person]:
    """The same people every time, all with an address that can be: the first `number` of them."""
    drawn = random.Random(_SEED)  # noqa: S311 - the same every time is what is wanted
    return [_person(index, drawn) for index in range(number)]


def bad_rows() -> list[Person]:
    """People whose address cannot be."""
    drawn = random.Random(_SEED + 1)  # noqa: S311 - as above
    addresses = _BAD_ADDRESSES * _BAD_ROUNDS
    return [replace(_person(0, drawn), email=address) for address in addresses]


def write_csv(path: Path, good: list[Person]) -> int:
    """Write the file: good rows, some of them twice, bad ones in between; returns its rows."""
    rows = list(_mixed(good, [*bad_rows(), *_doubles(good)]))
    # The mark is what spreadsheets write, and csv wants its line ends for itself.
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(HEADER)
        writer.writerows(one.cells() for one in rows)
    return len(rows)


def _person(index: int, drawn: random.Random) -> Person:
    place = drawn.choice(PLACES)
    first, last = drawn.choice(place.first_names), drawn.choice(place.last_names)
    names = _ODD_NAMES[index] if index < len(_ODD_NAMES) else _full_name(place, first[0], last[0])
    return Person(
        email=_spelling(f"{first[1]}.{last[1]}.{index}@{_domain(index, drawn)}", names[0], index),
        first_name=names[0],
        last_name=names[1],
        locale=place.locale,
        timezone=place.timezone,
        plan=PARTNER_PLAN if index % _PARTNER_EVERY == _PARTNER_EVERY - 1 else drawn.choice(PLANS),
        city=drawn.choice(place.cities),
        favourites=tuple(drawn.sample(_PRODUCTS, drawn.randint(0, 3))),
        points=drawn.randint(0, 4_000),
        member_since=date(2019, 1, 1) + timedelta(days=drawn.randint(0, 2_400)),
    )


def _full_name(place: Place, first: str, last: str) -> tuple[str, str]:
    """Some have only one name, and some write it in another script than the rest of the row."""
    return (first, "") if (len(first) + len(last)) % 9 == 0 and place.locale != "ja-JP" else (
        first, last)  # fmt: skip


def _domain(index: int, drawn: random.Random) -> str:
    if index % _GONE_EVERY == _GONE_EVERY // 2:
        return GONE_DOMAIN
    if index % _INTERNATIONAL_EVERY == 7:  # noqa: PLR2004 - any other than the one above
        return drawn.choice(_INTERNATIONAL)
    return drawn.choice(_DOMAINS)


def _spelling(address: str, name: str, index: int) -> str:
    """Addresses as people type and copy them; all mean the same address."""
    match index % 97:
        case 11:
            return address.upper()
        case 23:
            return f"  {address} "
        case 31:
            return f"mailto:{address}"
        case 43 if "<" not in name and "\n" not in name:
            return f"{name} <{address}>"
        case _:
            return address


def _doubles(good: list[Person]) -> Iterator[Person]:
    """Some people again, their address spelled in another way."""
    step = max(1, len(good) // DOUBLES)
    plain = [one for one in good[::step] if one.email.islower() and "<" not in one.email]
    for one in plain[:DOUBLES]:
        yield replace(one, email=one.email.strip().replace("mailto:", "").upper())


def _mixed(good: list[Person], others: Iterable[Person]) -> Iterator[Person]:
    """Others spread over the file from the end on, so that a double comes behind the first."""
    left = list(others)
    every = max(1, len(good) // (len(left) + 1))
    for number, one in enumerate(good, start=1):
        yield one
        if number % every == 0 and left:
            yield left.pop(0)
    yield from left
