"""The provider's XML, parsed as it comes: one person in memory at a time.

No document type is allowed, and with it no entity of anybody's own making. A byte without meaning
in the document's character set, or a character that XML does not know, costs the field that it
stands in and not the document.
"""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from xml.parsers import expat

from apps.sms.listing.errors import ListNotReadError

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT, RECORD = "Mobiles", "Mobile"
FIELDS = frozenset({"MobileNumber", "OptInDate", "FirstName", "LastName", "Email"})
"""What is kept of a record; everything else in it is passed over."""
DAMAGED = "\ufffd"
_RECORD_LIMIT_BYTES = 1024 * 1024
_HEAD_BYTES = 256
_CONTROLS = bytes(code for code in range(32) if code not in b"\t\n\r")
_ILLEGAL = re.compile("[" + re.escape(_CONTROLS.decode()) + "]")
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._-]+)", re.IGNORECASE)
_KNOWN_CHARSETS = frozenset({"utf-8", "utf-16", "ascii", "iso8859-1", "iso8859-15", "cp1252"})


@dataclass(slots=True)
class Record:
    """One person as told: the line where it begins, and the texts of FIELDS as they came."""

    line: int
    texts: dict[str, str]


def read_records(pieces: Iterator[bytes], *, content_type: str = "") -> Iterator[Record]:
    """The people of a document, in its order.

    Raises ListNotReadError where it is no such list, or ends before its closing tag: whoever got
    people from here by then must forget them.
    """
    parser = _Parser()
    for text in _texts(pieces, content_type):
        yield from parser.feed(text)
    parser.finish()


class _Parser:
    """Pieces of the document in, people out.

    Expat would call us some forty times a person. It is not asked to tell of the beginnings of
    fields, which halves the time: a field's text is what came since the end of the one before.
    """

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._fed_bytes = 0
        self._record_at = 0
        self._line = 0
        self._texts: dict[str, str] | None = None
        self._in_root = False
        self._text = ""
        self._expat = expat.ParserCreate("utf-8")
        self._expat.buffer_text = True
        self._expat.StartDoctypeDeclHandler = _refuse_doctype
        self._expat.StartElementHandler = self._start
        self._expat.CharacterDataHandler = self._data
        self._expat.EndElementHandler = self._end

    def feed(self, text: str) -> list[Record]:
        encoded = text.encode()
        self._fed_bytes += len(encoded)
        self._parse(encoded)
        began_at = self._expat.CurrentByteIndex if self._texts is None else self._record_at
        if self._fed_bytes - began_at > _RECORD_LIMIT_BYTES + len(encoded):
            raise ListNotReadError(
                f"From line {self._line} on, one record has more than 1 MB: this is no list of the "
                "provider's."
            )
        taken, self._records = self._records, []
        return taken

    def finish(self) -> None:
        """Raises ListNotReadError where the closing tag of the whole document has not come."""
        try:
            self._expat.Parse(b"", True)
        except expat.ExpatError as error:
            raise ListNotReadError(
                f"The list ended in line {error.lineno} without its closing </{ROOT}>: it was cut "
                "off."
            ) from error

    def _parse(self, encoded: bytes) -> None:
        try:
            self._expat.Parse(encoded, False)
        except expat.ExpatError as error:
            raise ListNotReadError(
                f"The list is not well-formed XML: {expat.errors.messages[error.code]} in line "
                f"{error.lineno}."
            ) from error

    def _start(self, name: str, _attributes: dict[str, str]) -> None:
        """The root, or a record: within one this is not called."""
        if not self._in_root:
            if name != ROOT:
                raise ListNotReadError(f"The document is <{name[:40]}> and not <{ROOT}>.")
            self._in_root = True
            return
        if name != RECORD:
            raise ListNotReadError(f"The list has <{name[:40]}> where <{RECORD}> belongs.")
        self._line, self._record_at = self._expat.CurrentLineNumber, self._expat.CurrentByteIndex
        self._texts = {}
        self._text = ""
        self._expat.StartElementHandler = None

    def _data(self, text: str) -> None:
        self._text += text

    def _end(self, name: str) -> None:
        if name in FIELDS and self._texts is not None:
            self._texts[name] = self._text
        elif name == RECORD:
            if self._texts is None:
                raise ListNotReadError(f"The record of line {self._line} is within another.")
            self._records.append(Record(self._line, self._texts))
            self._texts = None
            self._expat.StartElementHandler = self._start
        self._text = ""


def _refuse_doctype(*_: object) -> None:
    raise ListNotReadError("The list declares a document type, which no list of theirs does.")


def _texts(pieces: Iterator[bytes], content_type: str) -> Iterator[str]:
    """The document as text; what has no meaning in its character set stands as U+FFFD."""
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    decoder = codecs.getincrementaldecoder(_charset(head, content_type))(errors="replace")
    yield _legal(decoder.decode(head))
    for piece in pieces:
        yield _legal(decoder.decode(piece))
    yield _legal(decoder.decode(b"", final=True))


def _legal(text: str) -> str:
    # Looking for them is three times as fast as replacing what is nearly never there.
    encoded = text.encode()
    if len(encoded.translate(None, _CONTROLS)) == len(encoded):
        return text
    return _ILLEGAL.sub(DAMAGED, text)


def _charset(head: bytes, content_type: str) -> str:
    if head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    if head.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    declared = _DECLARED.match(head)
    told = _CHARSET.search(content_type)
    name = declared[1].decode() if declared else told[1] if told else "utf-8"
    try:
        found = codecs.lookup(name).name
    except LookupError:
        found = ""
    if found not in _KNOWN_CHARSETS:
        raise ListNotReadError(f"The list is in the character set {name[:40]}, which is unknown.")
    return found
