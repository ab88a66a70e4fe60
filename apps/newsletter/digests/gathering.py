"""Which articles an issue shows: those of the sources and the brand's own, each once."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db.models import Q
from django.db.models.functions import Now

from apps.newsletter.models import Digest, DigestIssue, DigestItem, SourceReading

if TYPE_CHECKING:
    from collections.abc import Iterable

# What went out in one of the last issues is no news.
ISSUES_REMEMBERED = 6
Items = list[dict[str, Any]]


@dataclass
class Gathered:
    """`marks` has a line for each source that failed: what stands in for it."""

    items: Items = field(default_factory=list)
    own_ids: list[int] = field(default_factory=list)
    marks: list[dict[str, str]] = field(default_factory=list)

    @property
    def found(self) -> int:
        return len(self.items)


def gather(issue: DigestIssue) -> Gathered:
    """For an issue whose sources are all settled; a handful of queries."""
    digest = issue.digest
    gathered = Gathered()
    fallback = fallback_items(digest)
    readings = issue.readings.select_related("source").order_by("source__position", "source__pk")
    sets = [_own(digest), *(_of_reading(one, fallback, gathered) for one in readings)]
    gathered.items = _once(sets, sent=_sent(digest), most=digest.most_items)
    shown = {item["url"] for item in gathered.items}
    waiting = _waiting(digest).filter(url__in=shown)
    gathered.own_ids = list(waiting.values_list("pk", flat=True))
    return gathered


def preview_items(digest: Digest) -> Items:
    """What an issue would show now, going by what the sources gave when they last worked."""
    sets = [_own(digest)]
    sets += [_named(source.items, source.name) for source in digest.sources.all()]
    return _once(sets, sent=_sent(digest), most=digest.most_items)


def fallback_items(digest: Digest) -> Items:
    return [_shown(item) for item in digest.own_items.filter(is_fallback=True)]


def _of_reading(reading: SourceReading, fallback: Items, gathered: Gathered) -> Items:
    """Of a source that failed the last good articles, else the fallback set; it is marked."""
    source = reading.source
    if reading.state == SourceReading.State.GOOD:
        return _named(reading.items, source.name)
    used = "what it gave last" if source.items else "the fallback set" if fallback else "nothing"
    gathered.marks.append({"source": source.name, "used": used, "error": reading.error})
    return _named(source.items, source.name) if source.items else fallback


def _own(digest: Digest) -> Items:
    return [_shown(item) for item in _waiting(digest)]


def _waiting(digest: Digest) -> Any:
    return digest.own_items.filter(
        Q(not_before=None) | Q(not_before__lte=Now()), is_fallback=False, issue=None
    )


def _shown(item: DigestItem) -> dict[str, Any]:
    return {
        "title": item.title,
        "url": item.url,
        "summary": item.summary,
        "image_url": item.image_url,
        "published_at": "",
        "source": "",
    }


def _named(items: Items, source: str) -> Items:
    return [{**item, "source": source} for item in items]


def _sent(digest: Digest) -> set[str]:
    issues = digest.issues.filter(state=DigestIssue.State.OUT, is_fallback=False)
    recent = issues.order_by("-year", "-week").values_list("items", flat=True)[:ISSUES_REMEMBERED]
    return {item.get("url", "") for items in recent for item in items}


def _once(sets: Iterable[Items], *, sent: set[str], most: int) -> Items:
    by_url: dict[str, dict[str, Any]] = {}
    for items in sets:
        for item in items:
            if item["url"] not in sent:
                by_url.setdefault(item["url"], item)
    return list(by_url.values())[:most]
