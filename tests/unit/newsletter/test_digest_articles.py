"""What is read from feeds: plain text, safe addresses, no XML that bites."""

from __future__ import annotations

import pytest

from apps.newsletter.digests.articles import plain, read_feed, read_json, web_address
from apps.newsletter.digests.errors import SourceError

BASE = "https://news.example/feed"
RSS = b"""<?xml version="1.0"?><rss version="2.0" xmlns:media="http://search.yahoo.com/mrss/">
<channel><title>Not an article</title>
<item><title>One &amp; only</title><link>https://news.example/1</link>
<description>&lt;p&gt;Hello &lt;b&gt;there&lt;/b&gt;&lt;script&gt;x()&lt;/script&gt;</description>
<pubDate>Mon, 16 Nov 2026 08:00:00 +0100</pubDate>
<media:thumbnail url="https://news.example/1.png"/></item>
<item><title>Again</title><link>https://news.example/1</link></item>
<item><title>Relative</title><link>/2</link></item>
<item><title>Bad</title><link>javascript:alert(1)</link></item>
<item><link>https://news.example/untitled</link></item>
</channel></rss>"""
ATOM = b"""<feed xmlns="http://www.w3.org/2005/Atom"><entry><title>Entry</title>
<link rel="edit" href="https://news.example/edit"/><link href="https://news.example/a"/>
<summary>Short</summary><updated>2026-11-16T08:00:00Z</updated></entry></feed>"""


def test_rss_is_read_as_plain_text_with_each_address_once() -> None:
    first, second = read_feed(RSS, base_url=BASE)

    assert (first.title, first.summary) == ("One & only", "Hello there")
    assert first.published_at == "2026-11-16T07:00:00+00:00"
    assert first.image_url == "https://news.example/1.png"
    assert second.url == "https://news.example/2"


def test_atom_is_read_by_its_alternate_link() -> None:
    (entry,) = read_feed(ATOM, base_url=BASE)

    assert (entry.title, entry.url, entry.summary) == ("Entry", "https://news.example/a", "Short")


@pytest.mark.parametrize(
    "body",
    [
        b'<!DOCTYPE rss [<!ENTITY a "b">]><rss>&a;</rss>',
        b'<!DOCTYPE rss SYSTEM "file:///etc/passwd"><rss/>',
        b"<html><body>Not found</body></html>",
        b"<rss><channel>",
        b"",
        b"\xff\xfe\x00",
        b"<rss>" + b"<a>" * 100 + b"</a>" * 100 + b"</rss>",
    ],
)
def test_xml_that_bites_or_is_none_is_refused(body: bytes) -> None:
    with pytest.raises(SourceError):
        read_feed(body, base_url=BASE)


def test_json_feed_and_plain_list_are_read() -> None:
    item = b'{"title": "T", "url": "https://news.example/j", "date_published": "2026-11-16"}'

    for body in (b'{"items": [%s, 7, {"title": 3}]}' % item, b"[%s]" % item):
        (article,) = read_json(body, base_url=BASE)
        assert (article.title, article.published_at) == ("T", "2026-11-16T00:00:00+00:00")


@pytest.mark.parametrize("body", [b"", b"{}", b'"text"', b'{"items": {}}'])
def test_json_of_another_shape_is_refused(body: bytes) -> None:
    with pytest.raises(SourceError):
        read_json(body, base_url=BASE)


def test_text_is_cut_between_words() -> None:
    assert plain("one two three four", 12) == "one two…"
    assert plain("a\x00b\n c", 50) == "a b c"


@pytest.mark.parametrize("url", ["", "mailto:a@b", "https://", "https://[", "https://a b/"])
def test_what_is_no_web_address_is_left_out(url: str) -> None:
    assert web_address(url, "") == ""
