"""Records that look like the ones before them, read by one pattern."""

from __future__ import annotations

import re
from dataclasses import dataclass

RECORD = "Mobile"
FIELDS = frozenset({"MobileNumber", "OptInDate", "FirstName", "LastName", "Email"})
"""What is kept of a record; everything else in it is passed over."""

_MOST_ELEMENTS = 64
_BLANKS = r"[ \t\n]*+"
# Of the characters that XML does not know, and "]", which may begin what it does not allow, there
# is none: what matches is well-formed, and what does not is expat's to judge.
_CHARACTER = r"[^<&\]\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]"
_TEXT = f"{_CHARACTER}*+(?:&(?:amp|lt|gt|quot|apos);{_CHARACTER}*+)*+"
_ELEMENT = re.compile(r"<([A-Za-z_][A-Za-z0-9_-]*)(?:>[^<]*</\1>|/>)")
_REFERENCE = re.compile("&([a-z]+);")
_MEANT = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}
_NOTHING = re.compile("(?!)")


@dataclass(slots=True)
class Record:
    """One person as told: the line where it begins, and the texts of FIELDS as they came.

    Of a field that is missing there is no text, or an empty one.
    """

    line: int
    texts: dict[str, str]


class Layout:
    """The elements of a record in their order, each of which may be missing.

    It is learnt from the records that it does not fit yet: a provider that leaves out what is
    empty shows its order bit by bit.
    """

    def __init__(self) -> None:
        self._elements: list[str] = []
        self._fields: list[str] = []
        self._pattern = _NOTHING

    def learn(self, record: str) -> None:
        """Takes up the order of a record's elements, if it goes with that of those before."""
        elements = _ELEMENT.findall(record)
        if RECORD in elements or len(elements) > _MOST_ELEMENTS:
            return
        order = _merged(self._elements, elements)
        if order == self._elements or len(order) > _MOST_ELEMENTS:
            return
        self._elements = order
        self._fields = [name for name in order if name in FIELDS]
        self._pattern = _pattern(order)

    def read(self, text: str, at: int, line: int) -> tuple[list[Record], int]:
        """The records that follow each other from a place in a line on, and where they end."""
        records: list[Record] = []
        match_at, fields = self._pattern.match, self._fields
        line, at = _behind_gap(text, at, line)
        while match := match_at(text, at):
            texts = dict(zip(fields, match.groups(""), strict=True))
            end = match.end()
            if text.find("&", at, end) >= 0:
                texts = {name: _REFERENCE.sub(_meant, told) for name, told in texts.items()}
            records.append(Record(line, texts))
            line += text.count("\n", at, end)
            at = end
        return records, at


def _behind_gap(text: str, at: int, line: int) -> tuple[int, int]:
    end = at
    while end < len(text) and text[end] in " \t\n":
        end += 1
    return line + text.count("\n", at, end), end


def _merged(order: list[str], elements: list[str]) -> list[str]:
    """Both orders in one; the first alone where they contradict each other."""
    merged, place = list(order), 0
    for name in elements:
        if name in merged:
            found = merged.index(name)
            if found < place:
                return order
            place = found + 1
        else:
            merged.insert(place, name)
            place += 1
    return merged


def _pattern(elements: list[str]) -> re.Pattern[str]:
    parts = []
    for name in elements:
        told = f"({_TEXT})" if name in FIELDS else _TEXT
        parts.append(f"(?:<{name}(?:>{told}</{name}>|/>){_BLANKS})?")
    return re.compile(f"<{RECORD}>{_BLANKS}{''.join(parts)}</{RECORD}>{_BLANKS}")


def _meant(reference: re.Match[str]) -> str:
    return _MEANT[reference[1]]
