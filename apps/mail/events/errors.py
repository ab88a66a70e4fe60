"""Why a webhook is refused. Each class is one answer, in the shape of the provider's own errors."""

from __future__ import annotations

from typing import ClassVar

from apps.mail.errors import MailError


class WebhookRefusedError(MailError):
    """The root of the refusals. Answer `status_code`, `name` and the message; nothing was stored.

    The message is for whoever configured the webhook: it never repeats what was sent.
    """

    status_code: ClassVar[int] = 400
    name: ClassVar[str] = "invalid_request"


class MethodNotAllowedError(WebhookRefusedError):
    """Webhooks are posted."""

    status_code = 405
    name = "method_not_allowed"


class UnknownEndpointError(WebhookRefusedError):
    """No account receives its webhooks under this token."""

    status_code = 404
    name = "not_found"


class BodyTooLargeError(WebhookRefusedError):
    """More bytes than any event of the provider has."""

    status_code = 413
    name = "payload_too_large"


class BodyUnreadableError(WebhookRefusedError):
    """The connection broke before the whole body was here. The provider delivers it again."""

    name = "body_unreadable"


class MissingSignatureError(WebhookRefusedError):
    """One of the three Svix headers is missing."""

    status_code = 401
    name = "missing_signature"


class InvalidSignatureError(WebhookRefusedError):
    """Not signed with a secret of this account, or changed on the way."""

    status_code = 401
    name = "invalid_signature"


class StaleTimestampError(WebhookRefusedError):
    """Rightly signed, but not now: a replay, or a clock that is wrong."""

    status_code = 401
    name = "timestamp_out_of_tolerance"


class MalformedEventError(WebhookRefusedError):
    """Rightly signed, but not the JSON of an event. The message names the field."""

    name = "malformed_event"
