"""Single mails that programs ask for: welcome, transactional, and those behind an action's name.

They go through the door of all mail (`apps.mail.singles`), ahead of bulk. The template is tried
with the variables first, so that a mail that cannot be made is refused and not found out later.
"""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from django.db import transaction

from apps.contacts.eligibility import MailClass
from apps.mail import contents, singles
from apps.mail.errors import DuplicateKeyError
from apps.mail.models import Content, Mailing, Message, Template
from apps.mail.people import person
from apps.mail.rendering import RecipientContext, RenderingError, missing_variables
from apps.newsletter import recipients, rules
from apps.newsletter.models import MailAction
from apps.newsletter.problems import (
    MissingVariablesError,
    UnfitTemplateError,
    UnknownActionError,
    UnknownTemplateError,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.brands.models import Brand
    from apps.contacts.models import Contact

_VARIABLE = "variables."
_ANY_LINK = "https://links.invalid/"


def send_transactional(  # noqa: PLR0913 - a mail in parts, all by keyword
    *,
    brand: Brand,
    to: str,
    template: Template,
    variables: Mapping[str, Any],
    key: str | None,
    kind: str = "transactional",
) -> Message:
    """One mail to somebody, known or not (see `recipients`); the same key sends no second one.

    Raises InvalidAddressError, ErasedAddressError, NoSenderError, MissingVariablesError,
    UnfitTemplateError, DuplicateKeyError.
    """
    with transaction.atomic():
        contact = recipients.find_or_add(brand=brand, email=to)
        _try(template, contact, variables)
        name = f"{kind}: {template.slug}"
        stream = _stream(template, brand, MailClass.TRANSACTIONAL, name)
        return _send(stream, contact, variables, key)


def send_welcome(
    *, brand: Brand, to: str, slug: str, variables: Mapping[str, Any], key: str | None
) -> Message:
    """The welcome of a contact: commercial mail, so that nobody who has left gets one.

    Without a `slug` the template of the joining rules. Raises as `send_transactional`, and
    UnknownRecipientError, UnknownTemplateError.
    """
    chosen = rules.rules_of(brand).welcome_template if not slug else template_of(brand, slug)
    if chosen is None:
        raise UnknownTemplateError("The brand's joining rules name no welcome: name a template.")
    contact = recipients.find(brand=brand, email=to)
    _try(chosen, contact, variables)
    stream = _stream(chosen, brand, MailClass.COMMERCIAL, f"welcome: {chosen.slug}")
    return _send(stream, contact, variables, key)


def template_of(brand: Brand, slug: str) -> Template:
    """Raises `UnknownTemplateError`."""
    found = Template.objects.filter(brand=brand, slug=slug).first()
    if found is None:
        raise UnknownTemplateError(f"The brand has no template {slug}.")
    return found


def template_of_action(brand: Brand, action: str) -> Template:
    """Raises `UnknownActionError`, which names those that the brand knows."""
    known = MailAction.objects.select_related("template").filter(rules__brand=brand)
    found = known.filter(action=action).first()
    if found is None:
        names = ", ".join(known.order_by("action").values_list("action", flat=True)) or "none yet"
        raise UnknownActionError(f"Unknown action. Known are: {names}.")
    return found.template


def _try(template: Template, contact: Contact, variables: Mapping[str, Any]) -> None:
    """Makes the mail once, to see whether it can be made."""
    brand = contact.brand
    context = RecipientContext(
        contact=person(contact).contact,
        traits=contact.traits,
        brand={
            "name": brand.name,
            "postal_address": brand.postal_address,
            "website": brand.website,
        },
        campaign={"name": template.slug},
        variables=variables,
        unsubscribe_url=_ANY_LINK,
        preferences_url=_ANY_LINK,
        now=datetime.now(tz=UTC),
        timezone=contact.timezone or brand.timezone,
    )
    content = Content(subject=template.subject, html=template.html, text=template.text)
    try:
        missing = missing_variables(contents.compiled(content), context)
    except RenderingError as problem:
        raise UnfitTemplateError(str(problem)) from None
    names = [one.removeprefix(_VARIABLE) for one in missing if one.startswith(_VARIABLE)]
    if names:
        raise MissingVariablesError(names)


def _stream(template: Template, brand: Brand, mail_class: MailClass, name: str) -> Mailing:
    sender = rules.sender_of(rules.rules_of(brand))
    return singles.open_stream(template=template, sender=sender, mail_class=mail_class, name=name)


def _send(
    stream: Mailing, contact: Contact, variables: Mapping[str, Any], key: str | None
) -> Message:
    if key is not None and (earlier := _of_last_month(stream, key)) is not None:
        if earlier.contact_id != contact.pk:
            raise DuplicateKeyError("The idempotency key belongs to a mail to somebody else.")
        return earlier
    return singles.send_single(
        stream=stream,
        contact=contact,
        idempotency_key=key or uuid.uuid4().hex,
        variables=dict(variables),
    )


def _of_last_month(stream: Mailing, key: str) -> Message | None:
    """A key of the last evening is still good on the first morning of a month."""
    before = (stream.month - timedelta(days=1)).replace(day=1)
    streams = Mailing.objects.filter(
        kind=Mailing.Kind.STREAM, brand_id=stream.brand_id, name=stream.name, month=before
    )
    last = streams.first()
    if last is None:
        return None
    return Message.objects.of(last).filter(idempotency_key=key).first()
