"""The newsletter in the admin."""

from apps.newsletter.admin.digests import DigestAdmin
from apps.newsletter.admin.engagement import ScoreRuleAdmin, TierAdmin
from apps.newsletter.admin.joining import (
    CacheInvalidationAdmin,
    ContactSubmissionAdmin,
    JoiningRulesAdmin,
)
from apps.newsletter.admin.segments import (
    ManagedSegmentAdmin,
    ProviderTopicAdmin,
    SegmentPassAdmin,
    SegmentWishAdmin,
)
from apps.newsletter.admin.sequence_versions import SequenceVersionAdmin
from apps.newsletter.admin.sequences import EnrolmentAdmin, SequenceAdmin

__all__ = [
    "CacheInvalidationAdmin",
    "ContactSubmissionAdmin",
    "DigestAdmin",
    "EnrolmentAdmin",
    "JoiningRulesAdmin",
    "ManagedSegmentAdmin",
    "ProviderTopicAdmin",
    "ScoreRuleAdmin",
    "SegmentPassAdmin",
    "SegmentWishAdmin",
    "SequenceAdmin",
    "SequenceVersionAdmin",
    "TierAdmin",
]
