"""The forms of a person's page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from django import forms
from unfold.widgets import (
    UnfoldAdminEmailInputWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from apps.contacts.addresses import normalise
from apps.contacts.admin.traits import TraitsField
from apps.contacts.editing import Details, checked
from apps.contacts.errors import InvalidAddressError, InvalidFieldError
from apps.contacts.models import ContactStatus, TopicState
from apps.contacts.models.contact import LOCALE_LIMIT, NAME_LIMIT, TIMEZONE_LIMIT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from apps.brands.models import Brand
    from apps.contacts.models import Contact, Topic

TOLD_LIMIT = 1000


class DetailsForm(forms.Form):
    """Names, language and traits, as the service will store them."""

    first_name = forms.CharField(
        required=False, max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget
    )
    last_name = forms.CharField(
        required=False, max_length=NAME_LIMIT, widget=UnfoldAdminTextInputWidget
    )
    locale = forms.CharField(
        label="Language",
        required=False,
        max_length=LOCALE_LIMIT,
        widget=UnfoldAdminTextInputWidget,
        help_text="A language tag such as en, de-AT or pt-BR; empty where it is not known.",
    )
    timezone = forms.CharField(
        label="Time zone",
        required=False,
        max_length=TIMEZONE_LIMIT,
        widget=UnfoldAdminTextInputWidget,
        help_text="Such as Europe/Berlin; empty where it is not known.",
    )
    traits = TraitsField(required=False, help_text="Empty a value to remove the trait.")

    def clean(self) -> dict[str, Any]:
        given: dict[str, Any] = super().clean() or {}
        if not self.errors:
            try:
                checked(self.details())
            except InvalidFieldError as error:
                self.add_error(error.field, str(error))
        return given

    def details(self) -> Details:
        return Details(**{name: self.cleaned_data[name] for name in DetailsForm.base_fields})

    @classmethod
    def of(cls, contact: Contact, posted: Mapping[str, Any] | None = None) -> DetailsForm:
        form = cls(posted)
        for name in cls.base_fields:
            form.fields[name].initial = getattr(contact, name)
        return form


class NewContactForm(DetailsForm):
    brand = forms.ChoiceField(widget=UnfoldAdminSelectWidget)
    email = forms.CharField(label="Email address", widget=UnfoldAdminEmailInputWidget)
    pending = forms.ChoiceField(
        label="They",
        choices=[
            ("", "have agreed to be mailed"),
            ("pending", "have not agreed yet and must confirm"),
        ],
        required=False,
        widget=UnfoldAdminRadioSelectWidget,
    )
    told = forms.CharField(
        label="How did they agree?",
        required=False,
        max_length=TOLD_LIMIT,
        widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
        help_text="Kept as evidence, for instance: signed the list at the fair on 3 May.",
    )

    field_order = ("brand", "email", "pending", "told")

    def __init__(self, *args: Any, brands: Sequence[Brand], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(str(one.pk), one.name) for one in brands]
        brand: Any = self.fields["brand"]
        brand.choices = choices if len(choices) == 1 else [("", "choose"), *choices]

    def clean_email(self) -> str:
        email = str(self.cleaned_data["email"])
        try:
            normalise(email)
        except InvalidAddressError as error:
            raise forms.ValidationError(str(error)) from error
        return email

    def clean(self) -> dict[str, Any]:
        given = super().clean()
        if not given.get("pending") and not given.get("told", "").strip():
            self.add_error("told", "Say how they agreed: without that nobody may be mailed.")
        return given


class WishesForm(forms.Form):
    """What the person wants: whether any mail, and about which topics."""

    def __init__(
        self,
        posted: Mapping[str, Any] | None,
        *,
        contact: Contact,
        topics: Sequence[Topic],
        states: Mapping[int, TopicState],
    ) -> None:
        super().__init__(posted)
        self._contact = contact
        self._topics = topics
        self._states = states
        self.fields["status"] = _status_field(contact)
        for topic in topics:
            self.fields[f"topic_{topic.pk}"] = _topic_field(topic, states.get(topic.pk))
        self.fields["told"] = forms.CharField(
            label="How do you know?",
            max_length=TOLD_LIMIT,
            widget=UnfoldAdminTextareaWidget(attrs={"rows": 2}),
            help_text="Kept as evidence with each change: a call, a letter, a form on paper.",
        )

    @property
    def wanted_status(self) -> ContactStatus | None:
        """None where it stays as it is."""
        wanted = ContactStatus(self.cleaned_data["status"])
        return None if wanted == self._contact.status else wanted

    def wanted_topics(self) -> dict[int, TopicState]:
        wanted = {one.pk: self.cleaned_data[f"topic_{one.pk}"] for one in self._topics}
        return {
            topic_id: TopicState(state)
            for topic_id, state in wanted.items()
            if state and state != self._states.get(topic_id)
        }


def _status_field(contact: Contact) -> forms.ChoiceField:
    # To wait for confirmation is nothing that a person wishes.
    offered = [
        (value, label)
        for value, label in ContactStatus.choices
        if value in {contact.status, ContactStatus.SUBSCRIBED, ContactStatus.UNSUBSCRIBED}
    ]
    return forms.ChoiceField(
        label="Commercial mail",
        choices=offered,
        initial=contact.status,
        widget=UnfoldAdminSelectWidget,
    )


def _topic_field(topic: Topic, state: TopicState | None) -> forms.ChoiceField:
    never = [] if state else [("", "never asked")]
    return forms.ChoiceField(
        label=topic.name,
        choices=[*never, *TopicState.choices],
        initial=state or "",
        required=False,
        widget=UnfoldAdminSelectWidget,
    )


class EraseForm(forms.Form):
    """The address, typed again, so that nobody is erased by a slip of the hand."""

    typed = forms.CharField(
        label="Type the address to confirm",
        widget=UnfoldAdminTextInputWidget(attrs={"autocomplete": "off", "spellcheck": "false"}),
    )

    def __init__(self, posted: Mapping[str, Any] | None, *, contact: Contact) -> None:
        super().__init__(posted)
        self._contact = contact

    def clean_typed(self) -> str:
        typed = str(self.cleaned_data["typed"]).strip().lower()
        if typed not in {self._contact.address, self._contact.email.lower()}:
            raise forms.ValidationError("This is another address. Nobody was erased.")
        return typed
