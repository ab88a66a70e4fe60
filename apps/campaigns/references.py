"""What the names in an audience mean: topics by slug, campaigns by id.

Looked up once for a check or a count, and kept with the campaign at launch: a topic that is
renamed while pages are planned must not change who is meant.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import TYPE_CHECKING, Any

from apps.campaigns.models import Campaign
from apps.contacts.models import Topic

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.campaigns.audience import Audience


@dataclass(frozen=True)
class MailingKey:
    """Where the messages of a mailing lie."""

    mailing_id: int
    month: date


@dataclass(frozen=True)
class References:
    """Topic ids by slug, and mailings by campaign id (None: not launched, nobody received it)."""

    topics: Mapping[str, int]
    mailings: Mapping[int, MailingKey | None]

    def to_json(self) -> dict[str, Any]:
        return {
            "topics": dict(self.topics),
            "mailings": {
                str(campaign): [key.mailing_id, key.month.isoformat()] if key else None
                for campaign, key in self.mailings.items()
            },
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> References:
        return cls(
            topics=stored.get("topics", {}),
            mailings={
                int(campaign): MailingKey(key[0], date.fromisoformat(key[1])) if key else None
                for campaign, key in stored.get("mailings", {}).items()
            },
        )


@dataclass(frozen=True)
class Resolved:
    """What was found, and the names that the brand does not have."""

    references: References
    unknown_topics: tuple[str, ...] = ()
    unknown_campaigns: tuple[int, ...] = ()

    @property
    def complete(self) -> bool:
        return not (self.unknown_topics or self.unknown_campaigns)

    def topic_groups(self, audience: Audience) -> list[list[int]]:
        """An opt-in to one topic of each list is what being meant needs, until a mail is sealed."""
        rule = audience.topics
        groups = [rule.any, *((slug,) for slug in rule.all)]
        return [[self.references.topics[slug] for slug in group] for group in groups if group]


def resolve(audience: Audience, *, brand_id: int) -> Resolved:
    """Looks up every name among the brand's own; at most two queries."""
    topics = _topics(audience.topic_slugs, brand_id)
    mailings = _mailings(audience.exclude.received, brand_id)
    return Resolved(
        References(topics, mailings),
        unknown_topics=tuple(sorted(audience.topic_slugs - topics.keys())),
        unknown_campaigns=tuple(sorted(set(audience.exclude.received) - mailings.keys())),
    )


def _topics(slugs: frozenset[str], brand_id: int) -> dict[str, int]:
    if not slugs:
        return {}
    found = Topic.objects.of_brand(brand_id).filter(slug__in=slugs)
    return dict(found.values_list("slug", "pk"))


def _mailings(campaign_ids: tuple[int, ...], brand_id: int) -> dict[int, MailingKey | None]:
    if not campaign_ids:
        return {}
    found = Campaign.objects.filter(brand_id=brand_id, pk__in=campaign_ids)
    return {
        campaign_id: MailingKey(mailing_id, month) if mailing_id else None
        for campaign_id, mailing_id, month in found.values_list("pk", "mailing", "mailing__month")
    }
