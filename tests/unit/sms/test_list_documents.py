"""The provider's XML as it comes, whole and broken."""

from __future__ import annotations

import tracemalloc
from typing import TYPE_CHECKING

import pytest

from apps.sms.listing.documents import read_records
from apps.sms.listing.errors import ListNotReadError
from apps.sms.listing.records import read_date, read_person

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.sms.listing.layout import Record

PERSON = (
    "<Mobile><MobileNumber>12125550100</MobileNumber>"
    "<OptInDate>01/17/2012 01:08:21 AM</OptInDate><FirstName>Zoë</FirstName><Email/></Mobile>\n"
)


def document(*records: str, head: str = "") -> bytes:
    return f"{head}<Mobiles>\n{''.join(records)}</Mobiles>".encode()


def read(content: bytes, *, size: int = 7, content_type: str = "") -> list[Record]:
    pieces = (content[start : start + size] for start in range(0, len(content), size))
    return list(read_records(pieces, content_type=content_type))


@pytest.mark.parametrize("size", [1, 7, 100_000])
def test_people_come_whole_however_the_document_is_cut(size: int) -> None:
    first, second = read(document(PERSON, PERSON), size=size)

    assert (first.line, second.line) == (2, 3)
    assert first.texts == {
        "MobileNumber": "12125550100",
        "OptInDate": "01/17/2012 01:08:21 AM",
        "FirstName": "Zoë",
        "Email": "",
    }


def test_entities_of_xml_itself_are_read() -> None:
    written = "<Mobile><LastName>O&apos;Neil &amp; Søn &#238; &lt;&amp;amp;></LastName></Mobile>"

    found = read(document(written, written.replace("&#238;", "î")))

    assert [one.texts["LastName"] for one in found] == ["O'Neil & Søn î <&amp;>"] * 2


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (document(PERSON)[:-3], "cut off"),
        (document(PERSON)[:40], "cut off"),
        (b"", "cut off"),
        (b"<Mobiles><Mobile></Mobiles>", "not well-formed"),
        (document("<Mobile>&unknown;</Mobile>"), "not well-formed"),
        (document(PERSON, head='<!DOCTYPE Mobiles [<!ENTITY a "b">]>'), "document type"),
        (document(PERSON, head='<!DOCTYPE Mobiles SYSTEM "http://evil.example/">'), "type"),
        (b"<html><body>Sign in</body></html>", "<html> and not <Mobiles>"),
        (b"<Mobiles><Error>no such list</Error></Mobiles>", "<Error> where <Mobile>"),
        (document("<Mobile><Mobile></Mobile></Mobile>"), "within another"),
        (document(PERSON, head='<?xml version="1.0" encoding="EBCDIC-42"?>'), "character set"),
    ],
)
def test_document_that_is_no_whole_list_is_refused(content: bytes, told: str) -> None:
    with pytest.raises(ListNotReadError, match=told):
        read(content)


@pytest.mark.parametrize(
    ("encoding", "head", "content_type"),
    [
        ("iso-8859-1", '<?xml version="1.0" encoding="ISO-8859-1"?>', ""),
        ("windows-1252", "", "text/xml; charset=windows-1252"),
        ("utf-16", "", ""),
        ("utf-8-sig", "", ""),
    ],
)
def test_document_is_read_in_its_own_character_set(
    encoding: str, head: str, content_type: str
) -> None:
    content = document(PERSON, head=head).decode().encode(encoding)

    [found] = read(content, content_type=content_type)

    assert found.texts["FirstName"] == "Zoë"


def test_damaged_bytes_cost_the_field_alone() -> None:
    spoilt = [PERSON.replace("Zoë", name) for name in ("Zoë", "Z\x01o", "Z\ufffeo", "Z\uffffo")]
    content = document(*spoilt).replace("Zoë".encode(), b"Zo\xeb")

    people = [read_person(one)[0] for one in read(content)]

    assert [one and (one.number, one.first_name) for one in people] == [("12125550100", "")] * 4


@pytest.mark.parametrize("filling", ["<a>" * 600_000, "x" * 1_500_000, f"<{'a' * 1_500_000}"])
def test_record_without_end_is_refused_before_it_fills_the_memory(filling: str) -> None:
    def endless() -> Iterator[bytes]:
        yield b"<Mobiles><Mobile>"
        for start in range(0, len(filling), 65_536):
            yield filling[start : start + 65_536].encode()
        raise AssertionError("the whole of it was read")

    with pytest.raises(ListNotReadError, match="more than 1 MB"):
        list(read_records(endless()))


def test_memory_does_not_grow_with_the_document() -> None:
    def pieces(people: int) -> Iterator[bytes]:
        yield b"<Mobiles>"
        for _ in range(people // 100):
            yield PERSON.encode() * 100
        yield b"</Mobiles>"

    def peak(people: int) -> int:
        tracemalloc.start()
        try:
            assert sum(1 for _ in read_records(pieces(people))) == people
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    few, many = peak(1_000), peak(20_000)

    assert many < few * 1.5


@pytest.mark.parametrize(
    ("told", "read"),
    [
        ("01/17/2012 01:08:21 AM", "2012-01-17 01:08:21"),
        ("1/7/2012 1:08:21 PM", "2012-01-07 13:08:21"),
        ("01/17/2012 12:00:00 AM", "2012-01-17 00:00:00"),
        ("01/17/2012 12:00:00 pm", "2012-01-17 12:00:00"),
        ("01/17/2012 23:59:59", "2012-01-17 23:59:59"),
        ("13/17/2012 01:08:21 AM", ""),
        ("02/30/2012 01:08:21 AM", ""),
        ("01/17/2012 13:08:21 PM", ""),
        ("01/17/2012 24:08:21", ""),
        ("01/17/2012 01:60:21 AM", ""),
        ("01/17/0212 01:08:21 AM", ""),
        ("01/17/2012 01:\u0660\u0668:21 AM", ""),  # digits, but none that COPY would take
        ("2012-01-17T01:08:21Z", ""),
        ("yesterday", ""),
        ("", ""),
    ],
)
def test_date_is_read_as_the_provider_writes_it(told: str, read: str) -> None:
    assert read_date(told) == read
