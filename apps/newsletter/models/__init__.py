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
from apps.newsletter.models.joining import (
    CacheInvalidation,
    ContactSubmission,
    JoiningRules,
    JoinRequest,
    MailAction,
    OptIn,
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
    "CacheInvalidation",
    "ContactSubmission",
    "EngagementCursor",
    "Interaction",
    "JoinRequest",
    "JoiningRules",
    "MailAction",
    "ManagedSegment",
    "OptIn",
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
