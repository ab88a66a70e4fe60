"""The rows of the newsletter."""

from apps.newsletter.models.digests import (
    Digest,
    DigestIssue,
    DigestItem,
    DigestSource,
    SourceReading,
)
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
from apps.newsletter.models.runs import RunRecord
from apps.newsletter.models.segments import (
    ManagedSegment,
    ProviderTopic,
    SegmentPass,
    SegmentSync,
    SegmentWish,
    WishMode,
    WishState,
)
from apps.newsletter.models.sequences import (
    Enrolment,
    Sequence,
    SequenceRule,
    SequenceStep,
    SequenceVersion,
    StepMail,
    StepMailing,
)

__all__ = [
    "CacheInvalidation",
    "ContactSubmission",
    "Digest",
    "DigestIssue",
    "DigestItem",
    "DigestSource",
    "EngagementCursor",
    "Enrolment",
    "Interaction",
    "JoinRequest",
    "JoiningRules",
    "MailAction",
    "ManagedSegment",
    "OptIn",
    "ProviderTopic",
    "PulseCall",
    "Recomputation",
    "RunRecord",
    "ScoreChange",
    "ScoreRule",
    "SegmentPass",
    "SegmentSync",
    "SegmentWish",
    "Sequence",
    "SequenceRule",
    "SequenceStep",
    "SequenceVersion",
    "SourceReading",
    "StepMail",
    "StepMailing",
    "Tier",
    "WishMode",
    "WishState",
]
