"""The words that people text to us, what they mean, and what follows from them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from apps.sms import leaving, zones
from apps.sms.models import Keyword, Subscriber

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from apps.sms.tracking.recording import Happening

STOP, HELP, JOIN = "stop", "help", "join"
_EDGES = re.compile(r"^[\s\W_]+|[\s\W_]+$")
_GAPS = re.compile(r"[\s-]+")


@dataclass(frozen=True, slots=True)
class Meaning:
    """`kind` as `Keyword.Kind`; `brand_id` is None where the word holds for every brand."""

    kind: str
    brand_id: int | None
    reply: str


def normalise(text: str) -> str:
    """In lower case, single spaces, no signs around: "Opt-Out!" is "opt out"."""
    return _GAPS.sub(" ", _EDGES.sub("", text)).lower()


def meanings(texts: Iterable[str]) -> dict[str, list[Meaning]]:
    """By the normalised word, what it means for whom; one query.

    "PIZZA (71441-US)", as lists tell keywords, is read as "pizza".
    """
    words = {word_of(text) for text in texts} - {""}
    found: dict[str, list[Meaning]] = {}
    for row in Keyword.objects.filter(word__in=words):
        found.setdefault(row.word, []).append(Meaning(row.kind, row.brand_id, row.reply))
    return found


def meaning_for(
    text: str, brand_ids: Collection[int], known: dict[str, list[Meaning]]
) -> Meaning | None:
    """The brand's own row first, then the one for all; STOP before anything else."""
    rows = known.get(word_of(text), [])
    fitting = [one for one in rows if one.brand_id is None or one.brand_id in brand_ids]
    ranked = sorted(fitting, key=lambda one: (one.kind != STOP, one.brand_id is None))
    return ranked[0] if ranked else None


def obey(happenings: Collection[Happening]) -> None:
    """Opts those out who answered with a word to stop, of the brand it was told to."""
    told = [one for one in happenings if one.keyword and one.event_type in {"keyword", "reply"}]
    if not told:
        return
    known = meanings(one.keyword or "" for one in told)
    for one in told:
        meaning = meaning_for(one.keyword or "", [one.brand_id], known)
        if meaning and meaning.kind == STOP:
            phone = Subscriber.objects.values_list("phone", flat=True).get(pk=one.subscriber_id)
            leaving.opt_out_number(
                place=zones.locate(phone), brand_ids=[one.brand_id], source="keyword"
            )


def word_of(text: str) -> str:
    """The normalised word, without the short code that lists put behind it."""
    return normalise(text.partition("(")[0] if "(" in text else text)
