"""One pass over the whole file before anything is imported: what it is, and how it is read."""

from __future__ import annotations

import codecs
import hashlib
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from apps.contacts.errors import FileRefusedError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK_BYTES = 256 * 1024
# A line must fit into memory several times over. No sheet has rows this long.
LINE_LIMIT_BYTES = 4 * BLOCK_BYTES

EXPORT_AS_CSV = "Open it in a spreadsheet and export it as CSV (UTF-8)."
_SIGNATURES = (
    (b"PK\x03\x04", f"a zip archive or an Excel workbook (.xlsx). {EXPORT_AS_CSV}"),
    (b"\xd0\xcf\x11\xe0", f"an old Excel workbook (.xls). {EXPORT_AS_CSV}"),
    (b"\x1f\x8b", "compressed with gzip. Unpack it first (gunzip)."),
    (b"BZh", "compressed with bzip2. Unpack it first (bunzip2)."),
    (b"\xfd7zXZ\x00", "compressed with xz. Unpack it first (unxz)."),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd. Unpack it first (unzstd)."),
    (b"7z\xbc\xaf", "a 7-Zip archive. Unpack it first."),
    (b"Rar!", "a RAR archive. Unpack it first."),
    (b"%PDF", f"a PDF document. {EXPORT_AS_CSV}"),
    (b"SQLite format 3", "a database file. Export the table as CSV."),
    (b"PAR1", "a Parquet file. Export it as CSV."),
    (b"{\\rtf", f"an RTF document. {EXPORT_AS_CSV}"),
)
_MARKUP = (b"<!doctype", b"<html", b"<?xml", b"<table")
_WIDE_MARKS = ((b"\xff\xfe\x00\x00", "UTF-32"), (b"\x00\x00\xfe\xff", "UTF-32"))
_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# So many well-formed letters beyond ASCII for each broken byte mean UTF-8 with damaged places.
WELL_FORMED_PER_BROKEN = 10
BYTES_PER_ZERO = 20


@dataclass(frozen=True, slots=True)
class Inspection:
    """What the bytes say.

    `damaged` counts the bytes that have no meaning in `encoding`, `zeros` the NUL characters.
    """

    digest: str
    size_bytes: int
    encoding: str
    mark_bytes: int = 0
    damaged: int = 0
    zeros: int = 0
    note: str = ""

    @property
    def is_clean(self) -> bool:
        return not (self.damaged or self.zeros)


def inspect(path: Path, *, encoding: str | None = None) -> Inspection:
    """Reads the file once, in blocks. `encoding` overrules what the bytes suggest.

    Raises FileRefusedError for what is no text, cannot be decoded, or has endless lines.
    """
    head = _head(path)
    _refuse_other_formats(head)
    mark, marked_encoding = _mark(head)
    _refuse_wide(head, marked_encoding or encoding)
    if encoding is not None:
        return _scan(path, _usable(encoding), mark if marked_encoding else b"", note="as you chose")
    if marked_encoding:
        return _scan(path, marked_encoding, mark, note="by its byte order mark")
    return _guess(path)


def _head(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            head = file.read(4096)
    except OSError as error:
        raise FileRefusedError(f"The file cannot be read: {error.strerror}.") from error
    if not head.strip(b"\xef\xbb\xbf\xff\xfe \t\r\n\0"):
        raise FileRefusedError("The file is empty: it needs a line of column names and people.")
    return head


def _refuse_other_formats(head: bytes) -> None:
    for signature, what in _SIGNATURES:
        if head.startswith(signature):
            raise FileRefusedError(f"This is not a CSV file but {what}")
    if head.lstrip().lower().startswith(_MARKUP):
        raise FileRefusedError(f"This is not a CSV file but a web page or XML. {EXPORT_AS_CSV}")


def _mark(head: bytes) -> tuple[bytes, str | None]:
    for mark, name in _WIDE_MARKS:
        if head.startswith(mark):
            raise FileRefusedError(f"The file is {name}: save it as UTF-8.")
    return next(((mark, name) for mark, name in _MARKS if head.startswith(mark)), (b"", None))


def _refuse_wide(head: bytes, encoding: str | None) -> None:
    # A stray zero byte costs its row; many mean that these are no single-byte characters.
    many = head.count(0) * BYTES_PER_ZERO > len(head)
    if many and not (encoding or "").lower().replace("_", "-").startswith("utf-16"):
        raise FileRefusedError(
            "The file is full of zero bytes: it is no text, or UTF-16 without its mark. Export it "
            "as CSV (UTF-8), or have it read as UTF-16 (--encoding utf-16-le)."
        )


def _usable(name: str) -> str:
    """A codec's own name, if lines can be cut out of its bytes."""
    try:
        found = codecs.lookup(name).name
        separator = "\r\n".encode(found)
    except (LookupError, UnicodeError):
        raise FileRefusedError(
            f"There is no text encoding “{name[:40]}”: try utf-8, cp1252, iso-8859-15 or utf-16-le."
        ) from None
    if separator != b"\r\n" and found not in {"utf-16-le", "utf-16-be"}:
        raise FileRefusedError(f"Files in {found} cannot be read: save it as UTF-8.")
    return "utf-8" if found == "utf-8-sig" else found


def _guess(path: Path) -> Inspection:
    as_utf8 = _scan(path, "utf-8", b"", note="")
    if not as_utf8.damaged:
        return as_utf8
    if _letters_beyond_ascii(path) >= WELL_FORMED_PER_BROKEN * as_utf8.damaged:
        note = f"with {as_utf8.damaged:,} broken bytes; the rows that hold them are rejected"
        return replace(as_utf8, note=note)
    note = "not valid UTF-8, so read as Windows-1252; check names with accents"
    return _scan(path, "cp1252", b"", note=note)


def _letters_beyond_ascii(path: Path) -> int:
    """How many characters beyond ASCII are well-formed UTF-8."""
    decoder = codecs.getincrementaldecoder("utf-8")(errors="ignore")
    count = 0
    with path.open("rb") as file:
        while block := file.read(BLOCK_BYTES):
            count += sum(1 for character in decoder.decode(block) if character > "\x7f")
    return count


def _scan(path: Path, encoding: str, mark: bytes, *, note: str) -> Inspection:
    """Digest, length of the longest line (by limit only) and bytes that cannot be decoded."""
    digest, size, damaged, zeros, run = hashlib.sha256(), 0, 0, 0, 0
    decoder = codecs.getincrementaldecoder(encoding)(errors=_errors(encoding))
    try:
        with path.open("rb") as file:
            while block := file.read(BLOCK_BYTES):
                digest.update(block)
                size += len(block)
                run = _run_after(run, block)
                text = decoder.decode(block)
                damaged += _surrogates(text)
                zeros += text.count("\0")
            damaged += _surrogates(decoder.decode(b"", final=True))
    except UnicodeDecodeError:
        raise FileRefusedError(
            f"The file is not {encoding} throughout: save it as UTF-8, or choose another encoding "
            "(--encoding)."
        ) from None
    return Inspection(digest.hexdigest(), size, encoding, len(mark), damaged, zeros, note)


def _errors(encoding: str) -> str:
    # UTF-16 has no single bytes that could be told apart as broken.
    return "strict" if encoding.startswith("utf-16") else "surrogateescape"


def _surrogates(text: str) -> int:
    """How many bytes could not be decoded: `surrogateescape` left a surrogate for each."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return sum(1 for character in text if "\ud800" <= character <= "\udfff")
    return 0


def _run_after(run: int, block: bytes) -> int:
    """Bytes since the last line break. A line beyond the limit fills at least one whole block."""
    first = min((at for at in (block.find(b"\n"), block.find(b"\r")) if at >= 0), default=-1)
    if run + (first if first >= 0 else len(block)) > LINE_LIMIT_BYTES:
        raise FileRefusedError(
            f"A line is longer than {LINE_LIMIT_BYTES:,} bytes: this is hardly a CSV file. "
            "Export it again, one person a line."
        )
    if first < 0:
        return run + len(block)
    return len(block) - 1 - max(block.rfind(b"\n"), block.rfind(b"\r"))
