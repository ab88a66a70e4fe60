"""The quick way to read a request and the parser say the same."""

from __future__ import annotations

import pytest

from apps.sandbox.lime import reading
from apps.sandbox.wire import Request

WHO = b"<User>harbour</User><ApiId>secret</ApiId>"
NUMBER = b"<Mobiles><Mobile>12125550100</Mobile></Mobiles>"
WORDS = b"<Message>Hello, your parcel waits; say STOP to end.</Message>"
QUICK = [
    b"<Data>" + WHO + WORDS + NUMBER + b"<Shortcode>12345</Shortcode></Data>",
    b"<Data>" + WORDS + NUMBER + WHO + b"<Json>true</Json><Sync>1</Sync></Data>",
    b"<Data>" + WHO + b"<Message>x</Message><Mobiles><Mobile>+1212</Mobile></Mobiles></Data>",
]
SLOW = [
    b"<Data>" + WHO + b"<Message>Fish &amp; chips</Message>" + NUMBER + b"</Data>",
    b"<Data>" + WHO + "<Message>Käse</Message>".encode() + NUMBER + b"</Data>",
    b"<Data>" + WHO + b"<Message> </Message>" + NUMBER + b"</Data>",
    b"<Data>" + WHO + WORDS + b"<Mobiles><Mobile></Mobile></Mobiles></Data>",
    b"<Data>" + WHO + WORDS + b"<Mobiles><Mobile>1</Mobile><Mobile>2</Mobile></Mobiles></Data>",
    b"<Data>" + WHO + WORDS + NUMBER + b"<Mobile>13055550100</Mobile></Data>",
    b"<Data>" + WHO + WORDS + WORDS + NUMBER + b"</Data>",
    b"<Data>" + b'<User a="1">harbour</User>' + WORDS + NUMBER + b"</Data>",
    b"<Data><Shortcode>Q&amp;A</Shortcode>" + WHO + WORDS + NUMBER + b"</Data>",
    b'<?xml version="1.0"?>\n<Data>\n' + WHO + WORDS + NUMBER + b"\n</Data>",
]


def request(body: bytes) -> Request:
    query = "format=xml&json=true&user=other"
    return Request("POST", "/sendsmsapi", query, [], body, keep_alive=True)


@pytest.mark.parametrize("body", QUICK + SLOW)
def test_both_ways_say_the_same(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    found = reading.read_single(request(body))

    monkeypatch.setattr(reading, "_read_plain", lambda _: None)

    other = reading.read_single(request(body))
    assert str(found.problem) == str(other.problem)
    found.problem = other.problem = None
    assert found == other


@pytest.mark.parametrize("body", QUICK)
def test_what_nearly_all_send_is_read_the_quick_way(body: bytes) -> None:
    assert reading._read_plain(request(body)) is not None
