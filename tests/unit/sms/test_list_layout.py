"""Records read by a pattern, beside the same ones read by expat alone."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from apps.sms.listing import documents
from apps.sms.listing.documents import read_records
from apps.sms.listing.errors import ListNotReadError
from apps.sms.listing.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from apps.sms.listing.layout import Record

USUAL = (
    "<Mobile><MobileNumber>12125550100</MobileNumber><FirstName>Ada</FirstName>"
    "<LastName>O&apos;Neil</LastName><Gender></Gender><Email/></Mobile>\n"
)
ELEMENTS = ("MobileNumber", "OptInDate", "FirstName", "LastName", "Gender", "Email", "Zipcode")
VALUES = (
    "",
    "12125550100",
    "Zoë",
    "a &amp; b &lt;c&gt;",
    "x\ny",
    "&#65;",
    "[1]",
    "]]",
    "\u010d",
    "🙂",
)
ODDITIES = (
    f"<!-- {'<Mobile><Email>no@one.example</Email></Mobile>' * 3} -->",
    "<Mobile><Email><![CDATA[<Mobile></Mobile>]]></Email></Mobile>",
    '<Mobile id="1"><FirstName lang="en">Ada</FirstName></Mobile>',
    "<Mobile><Email>a</Email><Email>b</Email></Mobile>",
    "<Mobile><Who><FirstName>Ada</FirstName></Who></Mobile>",
    "<Mobile>stray<Email>a</Email ></Mobile >",
    "<Mobile></Mobile><Mobile/>",
    "<?php none ?>",
)


def pieces(content: bytes, size: int) -> Iterator[bytes]:
    return (content[start : start + size] for start in range(0, len(content), size))


def by_expat(content: bytes) -> list[Record]:
    parser = documents._Parser()
    records: list[Record] = []
    for text in documents._texts(iter([content]), ""):
        records += parser.feed(text)
    parser.finish()
    return records


def outcome(read: Callable[[], list[Record]]) -> Any:
    """Lines and texts without the blanks around them, which mean nothing; or what was wrong."""
    try:
        records = read()
    except ListNotReadError as error:
        return str(error)
    return [
        (one.line, {name: told for name, text in one.texts.items() if (told := text.strip())})
        for one in records
    ]


def made_up(draw: random.Random) -> str:
    records = []
    for _ in range(draw.randint(0, 12)):
        if draw.random() < 0.2:
            records.append(draw.choice(ODDITIES))
            continue
        gap, end = draw.choice(["", "", "\n  "]), draw.choice(["", " ", "\n"])
        told = [_element(name, draw) for name in ELEMENTS if draw.random() < 0.8]
        records.append(f"<Mobile>{gap}{gap.join(told)}</Mobile>{end}")
    return f"<Mobiles>\n{''.join(records)}</Mobiles>\n"


def _element(name: str, draw: random.Random) -> str:
    value = draw.choice(VALUES)
    return f"<{name}>{value}</{name}>" if value or draw.random() < 0.5 else f"<{name}/>"


def spoilt(text: str, draw: random.Random) -> str:
    if draw.random() < 0.5:
        return text
    at = draw.randrange(len(text))
    return (
        text[:at]
        + draw.choice(["", "<", ">", "&", "/", "\x01", "\uffff", "]]>", "x"])
        + text[at + 1 :]
    )


@pytest.mark.parametrize("seed", range(300))
def test_pattern_and_expat_read_the_same(seed: int) -> None:
    draw = random.Random(seed)
    content = spoilt(made_up(draw), draw).replace("\n", draw.choice(["\n", "\r\n"])).encode()
    size = draw.choice([1, 7, 60, 100_000])

    assert outcome(lambda: list(read_records(pieces(content, size)))) == (
        outcome(lambda: by_expat(content))
    )


def test_expat_reads_the_first_record_and_no_other_like_it(monkeypatch: pytest.MonkeyPatch) -> None:
    fed: list[str] = []
    feed = documents._Parser.feed

    def noted(self: documents._Parser, text: str) -> list[Record]:
        fed.append(text)
        return feed(self, text)

    monkeypatch.setattr(documents._Parser, "feed", noted)
    content = f"<Mobiles>\n{USUAL * 1000}</Mobiles>".encode()

    records = list(read_records(pieces(content, 4096)))

    assert [one.line for one in records] == list(range(2, 1002))
    assert {tuple(one.texts.items()) for one in records} == {
        (
            ("MobileNumber", "12125550100"),
            ("FirstName", "Ada"),
            ("LastName", "O'Neil"),
            ("Email", ""),
        )
    }
    assert [text.count("<Mobile>") for text in fed] == [1, 0]


@pytest.mark.parametrize("name", ["]]>", "&nobody;", "&#0;", "a<b", "a</FirstName>"])
def test_what_is_not_well_formed_is_expats_to_refuse(name: str) -> None:
    spoilt_one = USUAL.replace("Ada", name)

    with pytest.raises(ListNotReadError, match="not well-formed"):
        list(read_records(iter([f"<Mobiles>{USUAL * 3}{spoilt_one}{USUAL}</Mobiles>".encode()])))


def test_order_is_learnt_from_records_that_leave_elements_out() -> None:
    layout = Layout()
    for names in (
        ["FirstName", "Email"],
        ["MobileNumber", "Email"],
        ["LastName", "Email", "Zipcode"],
    ):
        layout.learn("".join(f"<{name}>1</{name}>" for name in names))

    record = "<Mobile><MobileNumber>1</MobileNumber><Zipcode>2</Zipcode></Mobile>"
    read, end = layout.read(record * 2, 0, line=5)

    assert (len(read), end) == (2, 2 * len(record))
    assert read[0].texts == {"FirstName": "", "MobileNumber": "1", "LastName": "", "Email": ""}


@pytest.mark.parametrize(
    "record",
    [
        "<Email>1</Email><FirstName>2</FirstName>",  # contradicts what is known
        "<Mobile></Mobile>",
        "".join(f"<a{n}>1</a{n}>" for n in range(100)),
    ],
)
def test_layout_stays_with_what_it_knows(record: str) -> None:
    layout = Layout()
    known = "<FirstName>2</FirstName><Email>1</Email>"
    layout.learn(known)

    layout.learn(record)

    assert len(layout.read(f"<Mobile>{known}</Mobile>", 0, line=1)[0]) == 1
    assert layout.read(f"<Mobile>{record}</Mobile>", 0, line=1)[0] == []
