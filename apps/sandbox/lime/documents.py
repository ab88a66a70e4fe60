"""The XML documents of the list calls, whole and broken."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING
from xml.sax.saxutils import escape

from apps.sandbox.lime.settings import ListFault

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from apps.sandbox.lime.lists import Person
    from apps.sandbox.lime.settings import Settings

PIECE_PEOPLE = 250
CLAIMED_BYTES = 10 * 1024**3
_HEAD = '<?xml version="1.0" encoding="UTF-8"?>\n'
_OPEN, _CLOSE = "<Mobiles>\n", "</Mobiles>\n"
_BOMB = "".join(f'<!ENTITY lol{level} "{f"&lol{level - 1};" * 10}">\n' for level in range(1, 10))
_DOCTYPES = {
    ListFault.ENTITY_BOMB: f'<!DOCTYPE Mobiles [\n<!ENTITY lol0 "lol">\n{_BOMB}]>\n',
    ListFault.EXTERNAL_ENTITY: (
        '<!DOCTYPE Mobiles [<!ENTITY lol9 SYSTEM "file:///etc/passwd">]>\n'
    ),
}
_FIRST_NAMES = ("Ada", "Grace", "Alan", "Edsger", "Barbara", "Ken", "Radia", "José", "Zoë", "Tim")
_LAST_NAMES = ("Hopper", "Lovelace", "O&apos;Neil", "Muñoz", "Smith", "Chen", "Okafor", "Brown")
_BROKEN = (
    "<Mobile><OptInDate>01/17/2012 01:08:21 AM</OptInDate><FirstName>Nobody</FirstName></Mobile>\n",
    (
        "<Mobile><MobileNumber>call me</MobileNumber>"
        "<OptInDate>01/17/2012 01:08:21 AM</OptInDate></Mobile>\n"
    ),
    "<Mobile><MobileNumber>12125550100</MobileNumber><OptInDate>yesterday</OptInDate></Mobile>\n",
)


def opted_in(people: Iterable[Person], settings: Settings, *, keyword: str) -> Iterator[bytes]:
    """The list of opted-in numbers in pieces of some hundred people, spoilt as it is set."""
    fault = settings.list_fault
    yield (_HEAD + _DOCTYPES.get(fault, "") + _OPEN).encode()
    if fault in _DOCTYPES:
        yield b"<Mobile><MobileNumber>&lol9;</MobileNumber></Mobile>\n"
    if fault is ListFault.WRONG_CHARSET:
        yield "<Mobile><FirstName>Zoë</FirstName></Mobile>\n".encode("latin-1")
    written = 0
    remaining = iter(people)
    while batch := list(islice(remaining, PIECE_PEOPLE)):
        yield "".join(_records(batch, settings, keyword, number=written)).encode()
        written += len(batch)
    if fault is ListFault.CUT_RECORD:
        yield b"<Mobile><MobileNumber>1212555"
    elif fault is not ListFault.CUT:
        yield _CLOSE.encode()


def _records(
    people: Iterable[Person], settings: Settings, keyword: str, *, number: int
) -> Iterator[str]:
    every = settings.list_broken_every
    for count, person in enumerate(people, start=number + 1):
        yield _record(person, keyword)
        if every and count % every == 0:
            yield _BROKEN[count // every % len(_BROKEN)]


def _record(person: Person, keyword: str) -> str:
    turn = person.place if person.place is not None else int(person.mobile)
    first = _FIRST_NAMES[turn % len(_FIRST_NAMES)]
    last = _LAST_NAMES[turn // len(_FIRST_NAMES) % len(_LAST_NAMES)]
    return (
        f"<Mobile><MobileNumber>{person.mobile}</MobileNumber>"
        f"<OptInDate>{person.opted_in_at:%m/%d/%Y %I:%M:%S %p}</OptInDate>"
        f"<FirstName>{first}</FirstName><LastName>{last}</LastName><Gender></Gender>"
        f"<DateOfBirth></DateOfBirth><Email>person.{turn}@people.example</Email>"
        f"<Zipcode>{10000 + turn % 89999}</Zipcode><Keyword>{escape(keyword)}</Keyword>"
        f"<ShortCode>71441</ShortCode><UserDefine1></UserDefine1><UserDefine2></UserDefine2>"
        f"<UserDefine3></UserDefine3><UserDefine4></UserDefine4><UserDefine5></UserDefine5>"
        f"</Mobile>\n"
    )


def memberships(list_ids: Iterable[str], *, kind: str) -> bytes:
    """The answer to the question for one number's status; empty where it is in no list."""
    lists = "".join(f"<list><listId>{list_id}</listId></list>" for list_id in list_ids)
    return f'{_HEAD}<lists type="{escape(kind)}">{lists}</lists>'.encode()
