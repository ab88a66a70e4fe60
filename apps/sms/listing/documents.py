"""The provider's XML, parsed as it comes: one person in memory at a time.

No document type is allowed, and with it no entity of anybody's own making. A byte without meaning
in the document's character set, or a character that XML does not know, costs the field that it
stands in and not the document.
"""

from __future__ import annotations

import codecs
import io
import re
from typing import TYPE_CHECKING
from xml.parsers import expat

from apps.sms.listing.errors import ListNotReadError
from apps.sms.listing.layout import FIELDS, RECORD, Layout, Record

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = "Mobiles"
DAMAGED = "\ufffd"
_RECORD_END = f"</{RECORD}>"
_REST_LIMIT = 16 * 1024
_RECORD_LIMIT_BYTES = 1024 * 1024
_HEAD_BYTES = 256
_ILLEGAL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
_DECLARED = re.compile(rb"""^\s*<\?xml[^>]*?\sencoding\s*=\s*["']([A-Za-z0-9._-]+)["']""")
_CHARSET = re.compile(r"charset\s*=\s*\"?([A-Za-z0-9._-]+)", re.IGNORECASE)
_KNOWN_CHARSETS = frozenset({"utf-8", "utf-16", "ascii", "iso8859-1", "iso8859-15", "cp1252"})


def read_records(pieces: Iterator[bytes], *, content_type: str = "") -> Iterator[Record]:
    """The people of a document, in its order.

    Raises ListNotReadError where it is no such list, or ends before its closing tag: whoever got
    people from here by then must forget them.
    """
    document = _Document()
    for text in _texts(pieces, content_type):
        yield from document.feed(text)
    yield from document.finish()


class _Document:
    """Texts of the document in, people out.

    Nearly all records look alike, and a pattern reads those three times as fast as expat can tell
    us of them. Expat reads the rest of the document, which is all that such a record cannot be: the
    root, what is written in another way, what is wrong. Of the others it is told the ends of lines,
    so that it counts them as well.
    """

    def __init__(self) -> None:
        self._parser = _Parser()
        self._layout = Layout()
        self._rest = ""

    def feed(self, text: str) -> list[Record]:
        text, at = self._rest + text, 0
        records: list[Record] = []
        while True:
            if self._parser.is_between_records:
                at = self._take_usual(text, at, records)
            end = text.find(_RECORD_END, at) + len(_RECORD_END)
            if end < len(_RECORD_END):
                break
            record = text[at:end]
            records += self._parser.feed(record)
            self._layout.learn(record)
            at = end
        self._rest = text[at:]
        if len(self._rest) > _REST_LIMIT:
            records += self._parse_rest()
        return records

    def finish(self) -> list[Record]:
        """The last people; raises ListNotReadError where the closing tag has not come."""
        records = self._parse_rest()
        self._parser.finish()
        return records

    def _take_usual(self, text: str, at: int, records: list[Record]) -> int:
        usual, end = self._layout.read(text, at, self._parser.line)
        records += usual
        self._parser.pass_lines(text.count("\n", at, end))
        return end

    def _parse_rest(self) -> list[Record]:
        rest, self._rest = self._rest, ""
        return self._parser.feed(rest)


class _Parser:
    """Pieces of the document in, people out.

    Expat would call us some forty times a person. It is not asked to tell of the beginnings of
    fields, which halves the time: a field's text is what came since the end of the one before.
    """

    def __init__(self) -> None:
        self._records: list[Record] = []
        self._fed_bytes = self._records_end_at = 0
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

    @property
    def is_between_records(self) -> bool:
        """Whether all that came ends with the end of a record."""
        return self._records_end_at == self._fed_bytes > 0

    @property
    def line(self) -> int:
        """In which all that came ends; known between records."""
        return self._expat.CurrentLineNumber

    def pass_lines(self, lines: int) -> None:
        """Counts lines of records that were read elsewhere; between records alone."""
        self._parse(b"\n" * lines)
        self._fed_bytes += lines
        self._records_end_at += lines

    def feed(self, text: str) -> list[Record]:
        """The people that end in this text. Raises ListNotReadError."""
        encoded = _ILLEGAL.sub(DAMAGED, text).encode()
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
            self._records_end_at = self._expat.CurrentByteIndex + len(_RECORD_END)
            self._texts = None
            self._expat.StartElementHandler = self._start
        self._text = ""


def _refuse_doctype(*_: object) -> None:
    raise ListNotReadError("The list declares a document type, which no list of theirs does.")


def _texts(pieces: Iterator[bytes], content_type: str) -> Iterator[str]:
    """The document as text; what has no meaning in its character set stands as U+FFFD.

    Lines end with a line feed alone, as XML has it.
    """
    head = b""
    for piece in pieces:
        head += piece
        if len(head) >= _HEAD_BYTES:
            break
    bytes_decoder = codecs.getincrementaldecoder(_charset(head, content_type))(errors="replace")
    decoder = io.IncrementalNewlineDecoder(bytes_decoder, translate=True)
    yield decoder.decode(head)
    for piece in pieces:
        yield decoder.decode(piece)
    yield decoder.decode(b"", final=True)


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
