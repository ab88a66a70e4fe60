"""What stands against launching a campaign, in words that say what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from typing import TYPE_CHECKING, Protocol

import idna
from django.conf import settings

from apps.brands import accounts
from apps.campaigns import approving, audience, counting, previewing, references, sampling
from apps.campaigns.broken_links import broken_links
from apps.campaigns.errors import InvalidAudienceError
from apps.campaigns.selecting import select
from apps.mail.rendering import (
    RenderingError,
    TemplateProblem,
    find_problems,
    shows_postal_address,
    uses_unsubscribe_link,
)
from apps.mail.resend import AccountRefused, ResendFailure

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.brands.models import Sender
    from apps.campaigns.models import Campaign
    from apps.campaigns.references import Resolved
    from apps.campaigns.sampling import Trial
    from apps.mail.contents import MailingContent

# How long the provider's word about a domain is believed.
VERIFIED_FOR = timedelta(days=1)
VERIFIED = "verified"
# Different errors and names that a message lists; the number of the others is told.
LISTED_AT_MOST = 5
# Whether a duty is really shown needs the HTML parsed: some 10 ms for a large mail.
LOOKED_AT_CLOSELY = 12


class ProblemCode(StrEnum):
    NO_POSTAL_ADDRESS = "no_postal_address"
    POSTAL_ADDRESS_NOT_SHOWN = "postal_address_not_shown"
    NO_UNSUBSCRIBE_LINK = "no_unsubscribe_link"
    FOREIGN_SENDER = "foreign_sender"
    FOREIGN_TEMPLATE = "foreign_template"
    ACCOUNT_STOPPED = "account_stopped"
    NOT_APPROVED = "not_approved"
    SENDER_NOT_VERIFIED = "sender_not_verified"
    SENDER_NOT_CHECKED = "sender_not_checked"
    AUDIENCE_INVALID = "audience_invalid"
    AUDIENCE_UNKNOWN_TOPICS = "audience_unknown_topics"
    AUDIENCE_UNKNOWN_CAMPAIGNS = "audience_unknown_campaigns"
    AUDIENCE_EMPTY = "audience_empty"
    RECEIVED_NOBODY = "received_nobody"
    RECEIVED_FORGOTTEN = "received_forgotten"
    TEMPLATE_BROKEN = "template_broken"
    TEMPLATE_FAILS = "template_fails"
    NAMES_WITHOUT_VALUE = "names_without_value"
    CLIPPED_BY_GMAIL = "clipped_by_gmail"
    LINKS_BROKEN = "links_broken"
    SLOW_TO_MAKE = "slow_to_make"


@dataclass(frozen=True)
class Problem:
    """One thing to correct. Only `blocking` ones keep a campaign from being launched."""

    code: ProblemCode
    message: str
    blocking: bool = True


class DomainsUnknownError(Exception):
    """The provider cannot be asked now. The message says why, and holds no address or key."""


class DomainLister(Protocol):
    """What a check asks of a provider's client; raises `ResendFailure` or `DomainsUnknownError`."""

    def verified_domains(self) -> dict[str, str]: ...


def check(campaign: Campaign, client: DomainLister) -> list[Problem]:
    """Everything that is wrong at once; empty where the campaign may go out.

    Calls the provider only where its word about the sender's domain is older than a day. Expects
    a campaign read `with_parts`.
    """
    return [
        *_house_problems(campaign),
        *_sender_problems(campaign.sender, client),
        *_audience_and_template_problems(campaign),
    ]


def is_blocked(problems: list[Problem]) -> bool:
    return any(problem.blocking for problem in problems)


def _house_problems(campaign: Campaign) -> Iterator[Problem]:
    brand, account = campaign.brand, campaign.sender.account
    if not brand.postal_address.strip():
        yield Problem(
            ProblemCode.NO_POSTAL_ADDRESS,
            f"The brand {brand.slug} has no postal address, which every commercial mail must show:"
            " enter it.",
        )
    if campaign.sender.brand_id != campaign.brand_id:
        yield Problem(
            ProblemCode.FOREIGN_SENDER,
            "The sender belongs to another brand: choose one of this brand's.",
        )
    if campaign.template.brand_id != campaign.brand_id:
        yield Problem(
            ProblemCode.FOREIGN_TEMPLATE,
            "The template belongs to another brand: choose one of this brand's.",
        )
    if account.stopped_at is not None:
        yield Problem(
            ProblemCode.ACCOUNT_STOPPED,
            f"The provider account {account.name} is stopped ({account.stopped_reason}): settle"
            " that, then start the account again.",
        )
    if brand.requires_approval:
        yield from _approval_problems(campaign)


def _approval_problems(campaign: Campaign) -> Iterator[Problem]:
    standing = approving.status(campaign).standing
    if standing is not approving.Standing.APPROVED:
        yield Problem(
            ProblemCode.NOT_APPROVED,
            f"The brand {campaign.brand.slug} wants a second person's approval, which is"
            f" {standing}.",
        )


def _sender_problems(sender: Sender, client: DomainLister) -> Iterator[Problem]:
    if sender.verified_at and datetime.now(tz=UTC) - sender.verified_at < VERIFIED_FOR:
        return
    try:
        domains = client.verified_domains()
    except AccountRefused as refusal:
        yield _not_checked(sender, refusal, f"correct the account {sender.account.name}")
        return
    except (ResendFailure, DomainsUnknownError) as failure:
        yield _not_checked(sender, failure, "try again when the provider can be reached")
        return
    status = {_ascii(name): state for name, state in domains.items()}.get(_ascii(sender.domain))
    accounts.remember_verification(sender_id=sender.pk, verified=status == VERIFIED)
    if status != VERIFIED:
        found = f"is {status!r} at" if status else "is not known to"
        yield Problem(
            ProblemCode.SENDER_NOT_VERIFIED,
            f"The domain {sender.domain} {found} the provider account {sender.account.name}:"
            " verify it there, or choose another sender.",
        )


def _not_checked(sender: Sender, failure: Exception, fix: str) -> Problem:
    return Problem(
        ProblemCode.SENDER_NOT_CHECKED,
        f"Whether {sender.domain} is verified could not be checked ({failure}): {fix}.",
    )


def _ascii(domain: str) -> str:
    """Providers list international domains in either form."""
    try:
        return idna.encode(domain, uts46=True).decode()
    except idna.IDNAError:
        return domain.lower()


def _audience_and_template_problems(campaign: Campaign) -> Iterator[Problem]:
    try:
        rules = audience.parse(campaign.audience)
    except InvalidAudienceError as error:
        yield Problem(ProblemCode.AUDIENCE_INVALID, f"The audience cannot be read: {error}.")
        yield from _template_problems(campaign, [])
        return
    resolved = references.resolve(rules, brand_id=campaign.brand_id)
    yield from _reference_problems(resolved)
    people: list[int] = []
    if resolved.complete:
        selection = select(rules, resolved.references)
        people = counting.sample(selection, brand_id=campaign.brand_id, size=sampling.SAMPLE_SIZE)
        if not people:
            yield Problem(
                ProblemCode.AUDIENCE_EMPTY,
                "Nobody would get this campaign: the audience is empty, or everybody in it is"
                " skipped. Count the audience to see the reasons.",
            )
    yield from _template_problems(campaign, people)


def _reference_problems(resolved: Resolved) -> Iterator[Problem]:
    if resolved.unknown_topics:
        yield Problem(
            ProblemCode.AUDIENCE_UNKNOWN_TOPICS,
            f"The brand has no topic {_listed(resolved.unknown_topics)}: correct the audience, or"
            " make the topic.",
        )
    if resolved.unknown_campaigns:
        yield Problem(
            ProblemCode.AUDIENCE_UNKNOWN_CAMPAIGNS,
            f"The brand has no campaign {_listed(map(str, resolved.unknown_campaigns))}: correct"
            " audience.exclude.received.",
        )
    for campaign_id, mailing in resolved.references.mailings.items():
        if mailing is None:
            yield Problem(
                ProblemCode.RECEIVED_NOBODY,
                f"Campaign {campaign_id} is a draft: nobody is excluded for having received it.",
                blocking=False,
            )
        elif _is_forgotten(mailing.month):
            yield Problem(
                ProblemCode.RECEIVED_FORGOTTEN,
                f"Who received campaign {campaign_id} is no longer known, as messages are kept"
                f" {settings.MESSAGE_RETENTION_MONTHS} months: leave it out of"
                " audience.exclude.received.",
            )


def _is_forgotten(month: date) -> bool:
    today = datetime.now(tz=UTC).date()
    age_months = (today.year - month.year) * 12 + today.month - month.month
    return age_months > settings.MESSAGE_RETENTION_MONTHS


def _template_problems(campaign: Campaign, people: list[int]) -> Iterator[Problem]:
    try:
        content = sampling.draft_content(campaign, counting.CAMPAIGN_CLASS)
    except TemplateProblem:
        template = campaign.template
        found = find_problems(template.subject, template.html, template.text or None)
        yield Problem(
            ProblemCode.TEMPLATE_BROKEN,
            f"The template has mistakes: {_listed(map(str, found))}.",
        )
        return
    trial = sampling.render_sample(content, sampling.sampled(content, people))
    yield from _trial_problems(trial)
    yield from _duty_problems(campaign, content, trial)
    yield from _link_problems(content, trial)
    for why in previewing.slow_parts(content):
        yield Problem(
            ProblemCode.SLOW_TO_MAKE,
            f"{why}. That is right, but sending may not reach the provider's full rate.",
            blocking=False,
        )


def _link_problems(content: MailingContent, trial: Trial) -> Iterator[Problem]:
    found: dict[str, str] = {}
    for person in trial.closer_look(LOOKED_AT_CLOSELY):
        found.update(broken_links(content.template.render(person).html))
    if found:
        links = [f"“{link}” {fault}" for link, fault in found.items()]
        yield Problem(
            ProblemCode.LINKS_BROKEN, f"Links that cannot work: {_listed(links)}.", blocking=False
        )


def _trial_problems(trial: Trial) -> Iterator[Problem]:
    for error, number in trial.failures.most_common(LISTED_AT_MOST):
        yield Problem(
            ProblemCode.TEMPLATE_FAILS,
            f"The mail cannot be made for {number} of {trial.people} people tried: {error}.",
        )
    if trial.missing:
        names = [f"{name} ({number})" for name, number in trial.missing.most_common()]
        yield Problem(
            ProblemCode.NAMES_WITHOUT_VALUE,
            f"Of {trial.people} people tried, some have no value for: {_listed(names)}. Nothing is"
            " shown in that place; add “| default: …” where that reads badly.",
            blocking=False,
        )
    if trial.clipped:
        yield Problem(
            ProblemCode.CLIPPED_BY_GMAIL,
            f"Gmail will cut the mail for {trial.clipped} of {trial.people} people tried: keep the"
            " HTML below 102 KB.",
            blocking=False,
        )


def _duty_problems(campaign: Campaign, content: MailingContent, trial: Trial) -> Iterator[Problem]:
    address = campaign.brand.postal_address
    people = trial.closer_look(LOOKED_AT_CLOSELY)
    try:
        leads_out = uses_unsubscribe_link(content.template, people)
        shows = shows_postal_address(content.template, people, postal_address=address)
    except RenderingError as error:
        yield Problem(
            ProblemCode.TEMPLATE_FAILS,
            f"The mail cannot be made for somebody of whom nothing is known: {error}. Give a"
            " “| default: …”, or an “if” around it.",
        )
        return
    if not leads_out:
        yield Problem(
            ProblemCode.NO_UNSUBSCRIBE_LINK,
            "HTML and text must both show the unsubscribe link to everybody: put"
            " {{ unsubscribe_url }} into both, outside of conditions.",
        )
    if not shows:
        yield Problem(
            ProblemCode.POSTAL_ADDRESS_NOT_SHOWN,
            "HTML and text must both show the postal address to everybody: put"
            " {{ brand.postal_address }} into both, outside of conditions.",
        )


def _listed(items: Iterator[str] | tuple[str, ...] | list[str] | map[str]) -> str:
    every = list(items)
    more = len(every) - LISTED_AT_MOST
    shown = ", ".join(every[:LISTED_AT_MOST])
    return f"{shown} and {more} more" if more > 0 else shown
