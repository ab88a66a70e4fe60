"""Everything about the stand-in that can be set at start and changed while it runs."""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from apps.sandbox.choices import (
    SettingError,
    number,
    one_of,
    optional,
    pairs,
    read,
    switch,
    text,
    whole,
)
from apps.sandbox.knobs import about, fault_rates, fault_script, plain_url, rates

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from apps.sandbox.faults import FaultKind


class Outcome(StrEnum):
    """What becomes of a mail after it was sent."""

    DELIVERED = "delivered"
    BOUNCED = "bounced"
    COMPLAINED = "complained"
    OPENED = "opened"
    CLICKED = "clicked"
    SUPPRESSED = "suppressed"


RATED_OUTCOMES = (Outcome.BOUNCED, Outcome.COMPLAINED, Outcome.OPENED, Outcome.CLICKED)


def _rated_outcome(name: str) -> Outcome:
    if name not in RATED_OUTCOMES:
        raise SettingError(f"{name!r} is not one of {', '.join(RATED_OUTCOMES)}")
    return Outcome(name)


def _outcome(value: object) -> Outcome:
    return Outcome(str(value))


def _secret(value: object) -> str:
    given = text(value)
    try:
        base64.b64decode(given.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        raise SettingError("whsec_ and base64") from error
    return given


def _about(
    parse: Callable[[object], object], help_: str, *, per_account: bool = False
) -> dict[str, Any]:
    return {**about(parse, help_), "per_account": per_account}


def _test_outcomes() -> dict[str, Outcome]:
    return {"bounce.test": Outcome.BOUNCED, "complaint.test": Outcome.COMPLAINED}


@dataclass(frozen=True, slots=True)
class Settings:
    """Values in the units their names carry. Those marked per account can differ by account."""

    rate_limit: int = field(
        default=5,
        metadata=_about(whole(0), "requests per second; 0 lifts the limit", per_account=True),
    )
    rate_window: str = field(
        default="sliding",
        metadata=_about(
            one_of("sliding", "fixed"), "sliding is the strictest reading", per_account=True
        ),
    )
    daily_quota: int | None = field(
        default=None,
        metadata=_about(optional(whole(0)), "mails per UTC day; empty for none", per_account=True),
    )
    monthly_quota: int | None = field(
        default=None,
        metadata=_about(
            optional(whole(0)), "mails per UTC month; empty for none", per_account=True
        ),
    )
    webhook_url: str | None = field(
        default=None,
        metadata=_about(optional(plain_url), "where events are posted", per_account=True),
    )
    webhook_secret: str | None = field(
        default=None,
        metadata=_about(optional(_secret), "whsec_..., signs the events", per_account=True),
    )
    latency_ms: float = field(
        default=0.0, metadata=_about(number(0), "time from request to answer")
    )
    jitter_ms: float = field(
        default=0.0, metadata=_about(number(0), "up to this much more, drawn per request")
    )
    idempotency_ttl_seconds: float = field(
        default=86_400.0, metadata=_about(number(0), "how long keys are remembered")
    )
    remember_errors: bool = field(
        default=False, metadata=_about(switch, "error answers are remembered under a key too")
    )
    batch_scheduled_at: bool = field(
        default=False, metadata=_about(switch, "scheduled_at is allowed in a batch")
    )
    faults: dict[FaultKind, float] = field(
        default_factory=dict,
        metadata=_about(fault_rates, "faults of sends by rate: 500_after=0.05,reset_after=0.05"),
    )
    contact_fault_script: dict[int, FaultKind] = field(
        default_factory=dict,
        metadata=_about(fault_script, "faults of the n-th calls about contacts"),
    )
    fault_script: dict[int, FaultKind] = field(
        default_factory=dict,
        metadata=_about(fault_script, "faults of the n-th sends"),
    )
    seed: int = field(
        default=1, metadata=_about(whole(0), "fixes which sends fail and what becomes of each mail")
    )
    hang_seconds: float = field(
        default=120.0, metadata=_about(number(0), "how long a timeout fault says nothing")
    )
    drip_interval_seconds: float = field(
        default=0.5, metadata=_about(number(0), "pause between bytes of a slow drip")
    )
    delay_seconds: float = field(
        default=2.0, metadata=_about(number(0), "how late a delay fault answers")
    )
    webhooks: bool = field(default=True, metadata=_about(switch, "whether events are sent at all"))
    event_rates: dict[Outcome, float] = field(
        default_factory=dict,
        metadata=_about(rates(_rated_outcome), "bounced, complained, opened, clicked by rate"),
    )
    outcomes: dict[str, Outcome] = field(
        default_factory=_test_outcomes,
        metadata=_about(
            pairs(str.lower, _outcome, form="domain=outcome"),
            "what becomes of mails to a domain and those below it",
        ),
    )
    event_delay_ms: float = field(
        default=200.0, metadata=_about(number(0), "pause before each event of a mail")
    )
    reading_seconds: float = field(
        default=3.0,
        metadata=_about(number(0), "how long a person takes to open a mail, and to click in it"),
    )
    webhook_retry_scale: float = field(
        default=1.0, metadata=_about(number(0), "shortens the redelivery schedule")
    )
    webhook_duplicates: float = field(
        default=0.0, metadata=_about(number(0, 1), "share of events delivered twice")
    )
    webhook_reorder: float = field(
        default=0.0, metadata=_about(number(0, 1), "share of events held back past later ones")
    )
    webhook_timeout_seconds: float = field(
        default=15.0, metadata=_about(number(0), "then a delivery counts as failed")
    )
    contact_faults: dict[FaultKind, float] = field(
        default_factory=dict,
        metadata=_about(fault_rates, "faults of calls about contacts by rate: 429=0.05,503=0.05"),
    )
    contact_exists: str = field(
        default="refuse",
        metadata=_about(
            one_of("refuse", "return", "update"),
            "what creating a known contact does: 409, only its id, or all that is given",
        ),
    )
    segment_set: bool = field(
        default=False,
        metadata=_about(switch, "the call that sets all segments of a contact is there"),
    )
    import_seconds: float = field(
        default=0.2, metadata=_about(number(0), "how long an import of contacts takes")
    )
    domain_verify_seconds: float = field(
        default=0.0, metadata=_about(number(0), "from verify to verified")
    )
    keep_emails: int = field(
        default=10_000, metadata=_about(whole(1), "newest mails per account that can be read back")
    )
    keep_bodies: int = field(
        default=1_000, metadata=_about(whole(0), "newest mails whose html and text are kept")
    )

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """These settings with the given ones replaced.

        Raises:
            SettingError: a name is unknown or a value does not fit; nothing was changed.
        """
        return replace(self, **{name: parse(name, value) for name, value in changes.items()})


FIELDS = {setting.name: setting for setting in fields(Settings)}
PER_ACCOUNT = [name for name, found in FIELDS.items() if found.metadata["per_account"]]


def parse(name: str, value: object) -> Any:
    """The value of the setting called `name`, from text or JSON."""
    if name not in FIELDS:
        raise SettingError(f"{name}: no such setting; there are {', '.join(FIELDS)}")
    return read(name, FIELDS[name].metadata["parse"], value)
