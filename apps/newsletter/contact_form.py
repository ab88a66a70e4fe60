"""What strangers write into a brand's contact form: kept first, then forwarded as a single mail.

Where the captcha's service cannot be asked, the text is held for a person to look at: nothing is
lost, and nothing unchecked is forwarded.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models.functions import Now

from apps.contacts.addresses import normalise
from apps.contacts.eligibility import MailClass
from apps.contacts.errors import ErasedAddressError
from apps.mail import singles
from apps.newsletter import captcha, own_mails, recipients, rules
from apps.newsletter.captcha import Verdict
from apps.newsletter.models import ContactSubmission
from apps.newsletter.problems import (
    CaptchaRefusedError,
    NoSenderError,
    SubmissionStateError,
    TooManySubmissionsError,
)

if TYPE_CHECKING:
    from apps.brands.models import Brand
    from apps.newsletter.models import JoiningRules

log = structlog.get_logger(__name__)

SPAN = timedelta(hours=1)
State = ContactSubmission.State


@dataclass(frozen=True)
class Letter:
    """What was written, and from where."""

    name: str
    email: str
    subject: str
    message: str
    ip: str | None


def submit(*, brand: Brand, letter: Letter, captcha_token: str) -> ContactSubmission:
    """Raises InvalidAddressError, TooManySubmissionsError, CaptchaRefusedError.

    Asks the captcha's service, if the brand has one, for `CAPTCHA_TOTAL_SECONDS` at most and
    outside of any transaction.
    """
    found = normalise(letter.email)
    _insist_on_measure(brand, found.address, letter.ip)
    chosen = rules.rules_of(brand)
    verdict = _verdict(chosen, captcha_token, letter.ip)
    if verdict is Verdict.REFUSED:
        raise CaptchaRefusedError("Wrong or used up: solve the captcha again.")
    with transaction.atomic():
        submission = ContactSubmission.objects.create(
            brand=brand,
            state=State.HELD if verdict is Verdict.UNKNOWN else State.KEPT,
            name=letter.name,
            email=found.email,
            address=found.address,
            subject=letter.subject,
            message=letter.message,
            ip=letter.ip,
        )
        if submission.state == State.KEPT:
            _forward(chosen, submission)
    log.info("contact_form_text", submission=submission.pk, state=submission.state)
    return submission


def release(*, submission_id: int, by: str) -> None:
    """Forwards a held text. Raises `SubmissionStateError`."""
    with transaction.atomic():
        submission = _held(submission_id)
        _decide(submission, State.KEPT, by)
        _forward(rules.rules_of(submission.brand), submission)


def discard(*, submission_id: int, by: str) -> None:
    """Keeps a held text here, as nothing to answer. Raises `SubmissionStateError`."""
    with transaction.atomic():
        _decide(_held(submission_id), State.DISCARDED, by)


def _insist_on_measure(brand: Brand, address: str, ip: str | None) -> None:
    since = datetime.now(tz=UTC) - SPAN
    recent = ContactSubmission.objects.filter(brand=brand, created_at__gt=since)
    same = [recent.filter(address=address)] + ([recent.filter(ip=ip)] if ip else [])
    for texts in same:
        times = list(
            texts.order_by("-created_at").values_list("created_at", flat=True)[
                : settings.CONTACT_FORM_HOURLY
            ]
        )
        if len(times) >= settings.CONTACT_FORM_HOURLY:
            raise TooManySubmissionsError(int((times[-1] - since).total_seconds()) + 1)


def _verdict(chosen: JoiningRules, token: str, ip: str | None) -> Verdict:
    """Passed where the brand has no captcha."""
    if not chosen.captcha_secret:
        return Verdict.PASSED
    if not token:
        return Verdict.REFUSED
    return captcha.verify(secret=chosen.captcha_secret, token=token, ip=ip)


def _forward(chosen: JoiningRules, submission: ContactSubmission) -> None:
    """Written down with the text, or not at all; without an address or a sender it is only kept."""
    if not chosen.contact_forward_to:
        return
    brand = chosen.brand
    try:
        sender = rules.sender_of(chosen)
        contact = recipients.find_or_add(brand=brand, email=chosen.contact_forward_to)
    except (NoSenderError, ErasedAddressError) as error:
        log.warning("contact_form_not_forwarded", brand=brand.pk, error=type(error).__name__)
        return
    stream = singles.open_stream(
        template=own_mails.forwarded_text(brand),
        sender=sender,
        mail_class=MailClass.TRANSACTIONAL,
        name="contact form",
    )
    singles.send_single(
        stream=stream,
        contact=contact,
        idempotency_key=f"contact-form-{submission.pk}",
        variables={
            "number": submission.pk,
            "name": submission.name,
            "email": submission.email,
            "subject": submission.subject,
            "message": submission.message,
        },
    )
    ContactSubmission.objects.filter(pk=submission.pk).update(
        state=State.FORWARDED, forwarded_at=Now()
    )
    submission.state = State.FORWARDED


def _held(submission_id: int) -> ContactSubmission:
    rows = ContactSubmission.objects.held().select_related("brand")
    submission = rows.select_for_update(of=("self",)).filter(pk=submission_id).first()
    if submission is None:
        raise SubmissionStateError("Somebody has decided about this text already.")
    return submission


def _decide(submission: ContactSubmission, state: ContactSubmission.State, by: str) -> None:
    ContactSubmission.objects.filter(pk=submission.pk).update(
        state=state, decided_by=by[:150], decided_at=Now()
    )
