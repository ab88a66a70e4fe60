"""What one request carries, and what its answer makes of each text."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

from apps.sms.calling.recording import Outcome
from apps.sms.lengths import measure
from apps.sms.lime import (
    Kind,
    Send,
    UnsendableError,
    checked,
    judge_bulk,
    judge_one,
    judge_status,
)
from apps.sms.models import SentText
from apps.sms.wording import WordingError, compiled

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from apps.sms.calling.claiming import Chunk, Text
    from apps.sms.lime import Exchange, LimeClient, Reply, Verdict

    # The links of one text, by name.
    Links = Callable[[Chunk, Text], Mapping[str, str]]

_STATES = {
    Kind.ACCEPTED: SentText.State.SENT,
    Kind.REFUSED: SentText.State.FAILED,
    Kind.NOT_OPTED_IN: SentText.State.SKIPPED,
    Kind.AMBIGUOUS: SentText.State.UNKNOWN,
    Kind.NOT_SENT: SentText.State.RESERVED,
    Kind.ACCOUNT: SentText.State.RESERVED,
}


@dataclass(frozen=True, slots=True)
class Ready:
    """A text in its final words."""

    text: Text
    send: Send
    segments: int


@dataclass(slots=True)
class Call:
    """One request about texts of one chunk: it sends them, or asks about the number of one."""

    chunk: Chunk
    parts: list[Ready]
    is_check: bool = False

    @property
    def is_bulk(self) -> bool:
        return self.chunk.brand.is_bulk and not self.is_check

    def exchange(self, client: LimeClient, done: Callable[[Exchange, Reply], None]) -> Exchange:
        shortcode = self.chunk.brand.shortcode
        if self.is_check:
            made = client.opt_in_status(self.parts[0].send.mobile, done=done)
        elif self.is_bulk:
            made = client.bulk(shortcode, [part.send for part in self.parts], done=done)
        else:
            made = client.text(shortcode, self.parts[0].send, done=done)
        made.token = self
        return made

    def verdicts(self, reply: Reply) -> list[Verdict]:
        if self.is_check:
            return [judge_status(reply)]
        if self.is_bulk:
            return judge_bulk(reply, [part.send for part in self.parts])
        return [judge_one(reply)]

    @property
    def operation(self) -> str:
        """What metrics call it."""
        return "status" if self.is_check else "bulk" if self.is_bulk else "text"

    def outcomes(self, verdicts: Sequence[Verdict]) -> list[Outcome]:
        return [
            Outcome(self.chunk, part.text.id, _STATES[verdict.kind], verdict.reason, verdict.text)
            for part, verdict in zip(self.parts, verdicts, strict=True)
        ]


def prepare(chunk: Chunk, links: Links) -> tuple[list[Call], list[Outcome]]:
    """The chunk's texts as calls, and as failed those that can never be sent."""
    parts: list[Ready] = []
    failed: list[Outcome] = []
    brand = {"name": chunk.brand.name, "website": chunk.brand.website}
    for text in chunk.texts:
        try:
            words = compiled(text.body).text(
                subscriber=text.subscriber, brand=brand, links=links(chunk, text)
            )
            send = checked(Send(text.phone, words))
        except WordingError as problem:
            failed.append(Outcome(chunk, text.id, SentText.State.FAILED, "template", str(problem)))
        except UnsendableError as problem:
            failed.append(Outcome(chunk, text.id, SentText.State.FAILED, problem.reason))
        else:
            parts.append(Ready(text, send, _segments(words)))
    if chunk.brand.checks_numbers:
        chunk.unchecked = len(parts)
        return [Call(chunk, [part], is_check=True) for part in parts], failed
    return calls_of(chunk, parts), failed


@lru_cache(maxsize=4_096)
def _segments(words: str) -> int:
    return measure(words).segments


def calls_of(chunk: Chunk, parts: list[Ready]) -> list[Call]:
    """The requests that send these texts."""
    size = chunk.brand.texts_per_call if chunk.brand.is_bulk else 1
    return [Call(chunk, parts[first : first + size]) for first in range(0, len(parts), size)]
