"""Errors go to Sentry where a DSN is set, without anybody's data."""

from __future__ import annotations

import sentry_sdk


def report_errors(*, dsn: str, environment: str) -> None:
    """Does nothing without a DSN. Local variables and request bodies hold addresses: never sent."""
    if not dsn:
        return
    sentry_sdk.init(
        dsn=dsn,
        environment=environment,
        send_default_pii=False,
        include_local_variables=False,
        max_request_body_size="never",
    )
