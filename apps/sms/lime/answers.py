"""What the provider's answers say of each text."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from xml.parsers import expat

import orjson

from apps.sms.lime.exchanges import Fate
from apps.sms.lime.verdicts import ACCEPTED, Kind, Verdict, by_error_id, by_status

if TYPE_CHECKING:
    from collections.abc import Sequence

    from apps.sms.lime.exchanges import Reply
    from apps.sms.lime.payloads import Send

_OK = 200
_TEXT_LIMIT = 120
_LONGEST_WAIT_S = 300.0
_DEFAULT_WAIT_S = 5.0
# Numbers, and whatever looks like a key: an error may quote what it was sent.
_PRIVATE = re.compile(r"\+?\d{5,}|[A-Za-z0-9_-]{20,}")


class UnreadableError(Exception):
    """The answer is not one to this request; what it means is anybody's guess."""


def judge_one(reply: Reply) -> Verdict:
    """What became of a text that travelled alone."""
    early = _without_answer(reply)
    if early is not None:
        return early
    try:
        told = _json(reply.body)
    except UnreadableError:
        return _unclear(reply)
    if told is None:
        # An installation that knows no JSON says so by its status alone; a page is no answer.
        is_plain = reply.status == _OK and not reply.body.lstrip().startswith(b"<")
        return ACCEPTED if is_plain else _refused(reply) if reply.status != _OK else _unclear(reply)
    return _outcome(told, reply)


def judge_bulk(reply: Reply, sends: Sequence[Send]) -> list[Verdict]:
    """What became of each text of a bulk call, in order.

    Nothing but a whole, plain answer accepts: where it names numbers that were not in the call, or
    cannot be read, all of them are in doubt.
    """
    early = _without_answer(reply)
    if early is not None:
        return [early] * len(sends)
    try:
        told = _json(reply.body)
        whole = _no_json(reply) if told is None else _outcome(told, reply)
        if told is None or whole.kind is not Kind.ACCEPTED:
            return [whole] * len(sends)
        return _each(told, sends)
    except UnreadableError:
        return [_unclear(reply)] * len(sends)


def judge_status(reply: Reply) -> Verdict:
    """Whether a number has opted in. Nothing was sent, so that nothing is ever in doubt."""
    try:
        lists = opted_in_lists(reply)
    except UnreadableError:
        early = _without_answer(reply) or _refused(reply)
        if early.kind is Kind.ACCOUNT or early.retry_after_s:
            return early
        return Verdict(Kind.NOT_SENT, early.reason or "unreadable", early.text)
    return ACCEPTED if lists else Verdict(Kind.NOT_OPTED_IN, "not_opted_in")


def opted_in_lists(reply: Reply) -> list[str]:
    """The ids of the lists a number has opted in to; raises `UnreadableError`."""
    if reply.fate is not Fate.ANSWERED or reply.status != _OK:
        raise UnreadableError
    found = _ListIds()
    try:
        found.parser.Parse(reply.body, True)
    except expat.ExpatError as error:
        raise UnreadableError from error
    return found.ids


class _ListIds:
    """Collects `<lists><list><listId>…`; a document type, and with it entities, is refused."""

    def __init__(self) -> None:
        self.ids: list[str] = []
        self._path: list[str] = []
        self.parser = expat.ParserCreate()
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._text
        self.parser.buffer_text = True

    def _refuse(self, *_: object) -> None:
        raise UnreadableError

    def _start(self, name: str, _: object) -> None:
        if not self._path and name != "lists":
            raise UnreadableError
        self._path.append(name)

    def _end(self, _: str) -> None:
        self._path.pop()

    def _text(self, text: str) -> None:
        if self._path[-1] == "listId" and text.strip():
            self.ids.append(text.strip())


def scrubbed(text: str) -> str:
    """Short, and without anything that may be a number or a key."""
    return _PRIVATE.sub("<private>", text[:1000])[:_TEXT_LIMIT]


def _without_answer(reply: Reply) -> Verdict | None:
    match reply.fate:
        case Fate.NOT_SENT:
            return Verdict(Kind.NOT_SENT, reply.reason)
        case Fate.DOUBTFUL:
            return Verdict(Kind.AMBIGUOUS, reply.reason)
        case Fate.ANSWERED:
            return None


def _json(body: bytes) -> dict[str, Any] | None:
    """None where the body is no JSON at all."""
    if body.lstrip()[:1] != b"{":
        return None
    try:
        told = orjson.loads(body)
    except ValueError as error:
        raise UnreadableError from error
    if not isinstance(told, dict):
        raise UnreadableError
    return told


def _outcome(told: dict[str, Any], reply: Reply) -> Verdict:
    """Of the call as a whole."""
    status = str(told.get("Status", "")).upper()
    if status == "OK" and reply.status == _OK:
        return ACCEPTED
    if status == "ERROR" and told.get("ErrorId"):
        return by_error_id(str(told["ErrorId"]), _message(told))
    return _refused(reply) if reply.status != _OK else _unclear(reply)


def _no_json(reply: Reply) -> Verdict:
    """Which numbers a bulk call refused is told in JSON alone: without it nothing is certain."""
    return _unclear(reply) if reply.status == _OK else _refused(reply)


def _each(told: dict[str, Any], sends: Sequence[Send]) -> list[Verdict]:
    errors = told.get("MobilesErrors") or []
    if not isinstance(errors, list):
        raise UnreadableError
    refused: dict[str, Verdict] = {}
    known = {send.mobile for send in sends}
    for error in errors:
        mobile = str(error.get("Mobile", "")).removeprefix("+") if isinstance(error, dict) else ""
        if mobile not in known or not error.get("ErrorId"):
            raise UnreadableError
        refused[mobile] = by_error_id(str(error["ErrorId"]), _message(error))
    return [refused.get(send.mobile, ACCEPTED) for send in sends]


def _message(told: dict[str, Any]) -> str:
    # The first spelling is the provider's own.
    return scrubbed(str(told.get("ErrorMessgae") or told.get("ErrorMessage") or ""))


def _refused(reply: Reply) -> Verdict:
    text = scrubbed(reply.body[:1000].decode("utf-8", "replace"))
    verdict = by_status(reply.status, text)
    if verdict.reason != "throttled":
        return verdict
    return Verdict(verdict.kind, verdict.reason, text, _wait(reply.retry_after))


def _unclear(reply: Reply) -> Verdict:
    return Verdict(
        Kind.AMBIGUOUS, "unreadable" if reply.status == _OK else f"status_{reply.status}"
    )


def _wait(retry_after: str) -> float:
    text = retry_after.strip()
    if text.isascii() and text.isdigit():
        return min(max(1.0, float(text[:6])), _LONGEST_WAIT_S)
    return _DEFAULT_WAIT_S
