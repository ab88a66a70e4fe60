"""Events as other systems report them: read, matched, recorded; a result for each."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import TYPE_CHECKING, Any, NoReturn

from apps.sms import zones
from apps.sms.models import TextCampaign, TextMessage
from apps.sms.tracking import keywords, matching
from apps.sms.tracking.recording import Happening, record
from apps.sms.upserts import values

if TYPE_CHECKING:
    from collections.abc import Sequence

TYPES = ("click", "purchase", "keyword", "reply")
UNKNOWN_PERSON = "Nobody of the brand has this phone or email."
_LARGEST_ID = 2**63 - 1
_LARGEST_VALUE = Decimal("999999999999.99")


@dataclass(frozen=True, slots=True)
class Report:
    """One event as told. Of `phone` and `email` at least one is there; `phone` counts first."""

    event_type: str
    occurred_at: datetime
    phone: str = ""
    email: str = ""
    event_id: str = ""
    message_id: int | None = None
    campaign_id: int | None = None
    value: Decimal | None = None
    currency: str = ""
    keyword: str | None = None


@dataclass(frozen=True, slots=True)
class Outcome:
    """`recorded` is False where the event was counted before; `errors` by field where refused."""

    recorded: bool = False
    errors: dict[str, list[str]] | None = None


def take(
    given: Sequence[Any], *, brand_id: int, source: str, since: datetime | None = None
) -> list[Outcome]:
    """Records what can be, for one brand; a constant number of statements.

    With `since` the events are history: as old as that, and words to stop among them are not
    obeyed, for people may have come back.
    """
    now = datetime.now(tz=UTC)
    read = [read_report(one, now=now, since=since or earliest(now)) for one in given]
    reports = {number: one for number, one in enumerate(read) if isinstance(one, Report)}
    foreign = _foreign(list(reports.values()), brand_id)
    people = _people(list(reports.values()), brand_id)
    outcomes = [Outcome(errors=one) if isinstance(one, dict) else Outcome() for one in read]
    happenings: dict[int, Happening] = {}
    for number, report in reports.items():
        person = people.get(report.phone) or people.get(report.email)
        problems = foreign.get((report.message_id, report.campaign_id))
        if problems:
            outcomes[number] = Outcome(errors=problems)
        elif person is None:
            name = "phone" if report.phone else "email"
            outcomes[number] = Outcome(errors={name: [UNKNOWN_PERSON]})
        else:
            happenings[number] = _happening(report, person, brand_id, source)
    for number, new in zip(happenings, record(list(happenings.values())), strict=True):
        outcomes[number] = Outcome(recorded=new)
    if since is None:
        keywords.obey(list(happenings.values()))
    return outcomes


def read_report(given: Any, *, now: datetime, since: datetime) -> Report | dict[str, list[str]]:
    """The event, or what is wrong with it by field."""
    if not isinstance(given, dict):
        return {"body": ["Must be an object: {…}."]}
    problems: dict[str, list[str]] = {}
    told: dict[str, Any] = {}
    for name, value in given.items():
        try:
            told[_COLUMNS.get(str(name), str(name))] = _READERS.get(name, _unknown)(value)
        except ValueError as error:
            problems[name] = [str(error)]
    if "type" not in given:
        problems["type"] = [f"Must be one of {', '.join(TYPES)}."]
    if not (given.get("phone") or given.get("email")):
        problems["phone"] = ["Give a phone or an email: whose event is it?"]
    at = told.setdefault("occurred_at", now)
    if at < since:
        problems["occurred_at"] = [f"Must not lie before {since:%Y-%m-%d}; use a backfill."]
    return problems or Report(**told)


def earliest(now: datetime) -> datetime:
    """The beginning of last month: older partitions may be gone."""
    month = now.year * 12 + now.month - 2
    return datetime(month // 12, month % 12 + 1, 1, tzinfo=UTC)


def _happening(report: Report, person: int, brand_id: int, source: str) -> Happening:
    return Happening(
        brand_id=brand_id,
        subscriber_id=person,
        event_type=report.event_type,
        source=source,
        occurred_at=report.occurred_at,
        event_id=report.event_id,
        message_id=report.message_id,
        campaign_id=report.campaign_id,
        value=report.value,
        currency=report.currency,
        keyword=report.keyword,
    )


def _people(reports: list[Report], brand_id: int) -> dict[str, int]:
    phones = {one.phone for one in reports if one.phone}
    emails = {one.email for one in reports if one.email}
    return matching.by_phone(brand_id=brand_id, phones=phones) | matching.by_email(
        brand_id=brand_id, emails=emails
    )


def _foreign(
    reports: list[Report], brand_id: int
) -> dict[tuple[int | None, int | None], dict[str, list[str]]]:
    """What is wrong with the messages and campaigns named: they must be of the brand."""
    named = {(one.message_id, one.campaign_id) for one in reports}
    messages = {pk for pk, _ in named if pk}
    campaigns = {pk for _, pk in named if pk}
    if messages:
        rows = TextMessage.objects.filter(pk__in=messages, brand=brand_id)
        messages -= set(rows.values_list("pk", flat=True))
    if campaigns:
        own = TextCampaign.objects.filter(pk__in=campaigns, brand=brand_id)
        campaigns -= set(own.values_list("pk", flat=True))
    told = {"message_id": ["The brand has no such message."]}
    also = {"campaign_id": ["The brand has no such campaign."]}
    return {
        pair: (told if pair[0] in messages else {}) | (also if pair[1] in campaigns else {})
        for pair in named
    }


def _unknown(_value: Any) -> NoReturn:
    raise ValueError(f"Unknown field. Known are: {', '.join(sorted(_READERS))}.")


def _identity(value: Any) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= _LARGEST_ID:
        raise ValueError("Must be the id of one: a whole number.")
    return value


def _amount(value: Any) -> Decimal:
    amount = values.decimal_of(value)
    if amount is None or abs(amount) > _LARGEST_VALUE:
        raise ValueError(f"Must be a number, at most {_LARGEST_VALUE}; a refund is negative.")
    return amount.quantize(Decimal("0.01"))


def _currency(value: Any) -> str:
    found = str(values.text(3)(value)).upper()
    if found and not (len(found) == 3 and found.isascii() and found.isalpha()):  # noqa: PLR2004 - ISO 4217
        raise ValueError("Must be a currency of three letters, such as USD.")
    return found


def _phone(value: Any) -> str:
    if not isinstance(value, str):
        raise ValueError("Must be a phone number as a text.")  # noqa: TRY004 - one class of error
    return zones.read_phone(value) if value else ""


_COLUMNS = {"type": "event_type"}
_READERS: dict[str, values.Reader] = {
    "type": values.choice(*TYPES),
    "event_id": values.text(200),
    "phone": _phone,
    "email": values.email,
    "occurred_at": values.moment_of,
    "message_id": _identity,
    "campaign_id": _identity,
    "value": _amount,
    "currency": _currency,
    "keyword": values.text(160),
}
