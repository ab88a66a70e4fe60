"""What a request has to pass before an endpoint sees it, and the headers every answer has."""

from __future__ import annotations

from typing import TYPE_CHECKING

from apps.sandbox.resend.accounts import Access, Account, Accounts
from apps.sandbox.resend.errors import (
    Answer,
    missing_user_agent,
    rate_limit_exceeded,
    restricted_api_key,
)
from apps.sandbox.resend.routes import Route, find_route
from apps.sandbox.windows import LIFTED_LIMIT, Admission
from apps.sandbox.wire import Response

if TYPE_CHECKING:
    from apps.sandbox.resend.figures import Visit
    from apps.sandbox.resend.settings import Settings


def let_in(
    visit: Visit, accounts: Accounts, *, now: float
) -> tuple[Account, Route, tuple[str, ...]]:
    """The account and route of an admitted request, and the variable parts of its path.

    Fills in the account and the admission of the visit as they become known.

    Raises:
        ApiError: 401, 403, 404, 405, or 429 with the seconds to wait.
    """
    headers = visit.request.headers
    key = accounts.authenticate(headers.get("authorization"))
    visit.account = key.account
    visit.admission = admission = key.account.admit(now)
    if not admission.allowed:
        raise rate_limit_exceeded(admission.limit, admission.reset_seconds)
    if not headers.get("user-agent"):
        raise missing_user_agent()
    route, parameters = find_route(visit.request)
    if key.access is Access.SENDING and not route.sends:
        raise restricted_api_key()
    return key.account, route, parameters


def respond(visit: Visit, answer: Answer, settings: Settings) -> Response:
    """The answer with the rate limit headers of its request."""
    limit = settings.rate_limit or LIFTED_LIMIT
    admission = visit.admission or Admission(
        allowed=False, limit=limit, remaining=limit, reset_seconds=1
    )
    headers = [
        ("ratelimit-limit", str(admission.limit)),
        ("ratelimit-remaining", str(admission.remaining)),
        ("ratelimit-reset", str(admission.reset_seconds)),
    ]
    if answer.retry_after is not None:
        headers.append(("retry-after", str(answer.retry_after)))
    if visit.account is not None:
        headers += _quota_headers(visit.account)
    return Response(answer.status, answer.body, tuple(headers), answer.content_type)


def _quota_headers(account: Account) -> list[tuple[str, str]]:
    used = []
    if account.settings.daily_quota is not None:
        used.append(("x-resend-daily-quota", str(account.quotas.used_today)))
    if account.settings.monthly_quota is not None:
        used.append(("x-resend-monthly-quota", str(account.quotas.used_this_month)))
    return used
