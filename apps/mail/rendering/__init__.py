"""Mails from templates that operators write: pure, without models, settings or network."""

from apps.mail.rendering.checks import (
    GMAIL_CLIP_BYTES,
    MailSize,
    measure,
    missing_variables,
    shows_postal_address,
    uses_unsubscribe_link,
)
from apps.mail.rendering.context import RecipientContext
from apps.mail.rendering.limits import DEFAULT_LIMITS, RenderLimits
from apps.mail.rendering.mails import (
    CompiledTemplate,
    RenderedMail,
    compile_template,
    find_problems,
)
from apps.mail.rendering.problems import (
    ContextProblem,
    ProblemKind,
    RenderingError,
    TemplateProblem,
)
from apps.mail.rendering.seal import (
    EmailRequest,
    Mailbox,
    SealError,
    build_email,
    encode_batch,
    format_mailbox,
)

__all__ = [
    "DEFAULT_LIMITS",
    "GMAIL_CLIP_BYTES",
    "CompiledTemplate",
    "ContextProblem",
    "EmailRequest",
    "MailSize",
    "Mailbox",
    "ProblemKind",
    "RecipientContext",
    "RenderLimits",
    "RenderedMail",
    "RenderingError",
    "SealError",
    "TemplateProblem",
    "build_email",
    "compile_template",
    "encode_batch",
    "find_problems",
    "format_mailbox",
    "measure",
    "missing_variables",
    "shows_postal_address",
    "uses_unsubscribe_link",
]
