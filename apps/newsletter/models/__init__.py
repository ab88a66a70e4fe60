"""The rows of the newsletter."""

from apps.newsletter.models.segments import (
    ManagedSegment,
    ProviderTopic,
    SegmentPass,
    SegmentWish,
    WishMode,
    WishState,
)

__all__ = [
    "ManagedSegment",
    "ProviderTopic",
    "SegmentPass",
    "SegmentWish",
    "WishMode",
    "WishState",
]
