"""The rows of the newsletter."""

from apps.newsletter.models.engagement import (
    EngagementCursor,
    Interaction,
    PulseCall,
    Recomputation,
    ScoreChange,
    ScoreRule,
    Tier,
)
from apps.newsletter.models.segments import (
    ManagedSegment,
    ProviderTopic,
    SegmentPass,
    SegmentWish,
    WishMode,
    WishState,
)

__all__ = [
    "EngagementCursor",
    "Interaction",
    "ManagedSegment",
    "ProviderTopic",
    "PulseCall",
    "Recomputation",
    "ScoreChange",
    "ScoreRule",
    "SegmentPass",
    "SegmentWish",
    "Tier",
    "WishMode",
    "WishState",
]
