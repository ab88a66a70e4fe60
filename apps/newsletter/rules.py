"""A brand's joining rules, and what follows from them where it chose nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.brands.models import Sender
from apps.newsletter.models import JoiningRules
from apps.newsletter.problems import NoSenderError

if TYPE_CHECKING:
    from apps.brands.models import Brand


def rules_of(brand: Brand) -> JoiningRules:
    """Its rules with what they name; the defaults, not saved, where it has none."""
    chosen = JoiningRules.objects.select_related("sender", "confirm_template", "welcome_template")
    found = chosen.filter(brand=brand).first() or JoiningRules()
    found.brand = brand
    return found


def sender_of(rules: JoiningRules) -> Sender:
    """Raises `NoSenderError`."""
    if rules.sender is not None:
        return rules.sender
    senders = Sender.objects.filter(brand_id=rules.brand_id).order_by("-is_default", "pk")
    found = senders.first()
    if found is None:
        raise NoSenderError("The brand has no sender: add one, and name it in its joining rules.")
    return found


def joined_topics(rules: JoiningRules, topic_ids: list[int]) -> list[int]:
    """What was asked for, or what the brand gives those who name nothing."""
    if topic_ids or rules.pk is None:
        return sorted(topic_ids)
    return sorted(rules.default_topics.values_list("pk", flat=True))
