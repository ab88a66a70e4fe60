"""Contacts: added or changed by address, read, listed, unsubscribed."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from django.db import transaction
from django.db.models import Prefetch
from django.utils import timezone
from drf_spectacular.utils import extend_schema
from rest_framework import mixins, status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.response import Response

from apps.brands.api.errors import ConflictError
from apps.brands.api.fields import NothingSerializer
from apps.brands.api.views import StationViewSet
from apps.brands.models import Scope
from apps.contacts import editing, subscribing
from apps.contacts.api.filters import ContactFilter
from apps.contacts.api.serializers import (
    ContactChangeSerializer,
    ContactCreateSerializer,
    ContactSerializer,
    TopicChoiceSerializer,
)
from apps.contacts.editing import Details
from apps.contacts.errors import (
    ContactExistsError,
    ErasedAddressError,
    ErasedContactError,
    InvalidAddressError,
    InvalidFieldError,
    UnknownContactError,
)
from apps.contacts.models import (
    ConsentSource,
    Contact,
    ContactStatus,
    Topic,
    TopicState,
    TopicSubscription,
)
from apps.contacts.subscribing import Evidence
from apps.queues.correlation import correlation_id

if TYPE_CHECKING:
    from collections.abc import Iterable

    from rest_framework.request import Request

WORDS = Prefetch(
    "topics", TopicSubscription.objects.select_related("topic").order_by("topic__slug")
)


class ContactViewSet(mixins.ListModelMixin, mixins.RetrieveModelMixin, StationViewSet):
    """The people of the brand. Erased ones are not there."""

    scopes: ClassVar = {
        "list": Scope.CONTACTS_READ,
        "retrieve": Scope.CONTACTS_READ,
        "create": Scope.CONTACTS_WRITE,
        "partial_update": Scope.CONTACTS_WRITE,
        "unsubscribe": Scope.CONTACTS_WRITE,
        "choose_topic": Scope.CONTACTS_WRITE,
    }
    problems: ClassVar = {
        ErasedAddressError: ConflictError,
        ErasedContactError: ConflictError,
        UnknownContactError: ConflictError,
        InvalidAddressError: lambda error: ValidationError({"email": [str(error)]}),
        InvalidFieldError: lambda error: ValidationError({error.field: [str(error)]}),
    }
    queryset = Contact.objects.filter(erased_at=None).prefetch_related(WORDS)
    serializer_class = ContactSerializer
    filterset_class = ContactFilter

    @extend_schema(
        request=ContactCreateSerializer,
        responses={200: ContactSerializer, 201: ContactSerializer},
        summary="Add a contact, or change the one of this address",
    )
    def create(self, _request: Request) -> Response:
        """201 for a new contact, 200 for one who was there.

        Of the latter the details are merged as by PATCH; status and topics stay as they are, so
        that nobody who left comes back by mistake.
        """
        data = self.read_body(ContactCreateSerializer)
        try:
            return self._answer_with(self._add(data), status.HTTP_201_CREATED)
        except ContactExistsError as known:
            self._change(known.contact_id, data)
            return self._answer_with(known.contact_id)

    @extend_schema(request=ContactChangeSerializer, responses=ContactSerializer)
    def partial_update(self, _request: Request, pk: str) -> Response:
        """Change names, locale, time zone or traits."""
        contact = self.get_object()
        self._change(contact.pk, self.read_body(ContactChangeSerializer))
        return self._answer_with(int(pk))

    @extend_schema(request=NothingSerializer, responses=ContactSerializer)
    @action(detail=True, methods=["post"])
    def unsubscribe(self, _request: Request, pk: str) -> Response:
        """No commercial mail any more; topics stay as they are."""
        self.read_body(NothingSerializer)
        contact = self.get_object()
        subscribing.unsubscribe(contact_id=contact.pk, evidence=self._evidence())
        return self._answer_with(int(pk))

    @extend_schema(request=TopicChoiceSerializer, responses=ContactSerializer)
    @action(detail=True, methods=["post"], url_path="topics")
    def choose_topic(self, _request: Request, pk: str) -> Response:
        """Opt the contact in to a topic, or out of it, as the person asked."""
        data = self.read_body(TopicChoiceSerializer)
        contact = self.get_object()
        (topic_id,) = self._topic_ids([data["topic"]], field="topic")
        editing.set_topic(
            contact_id=contact.pk,
            topic_id=topic_id,
            state=TopicState(data["state"]),
            evidence=self._evidence(data["text_shown"]),
        )
        return self._answer_with(int(pk))

    def _add(self, data: dict[str, Any]) -> int:
        topics = self._topic_ids(data.get("topics", ()), field="topics")
        evidence = self._evidence(data["text_shown"])
        with transaction.atomic():
            contact_id = editing.add_contact(
                brand_id=self.brand.pk,
                email=data["email"],
                details=_merged(Details(), data),
                evidence=evidence,
                pending=data["status"] == ContactStatus.PENDING,
            )
            for topic_id in topics:
                subscribing.opt_in_to_topic(
                    contact_id=contact_id, topic_id=topic_id, evidence=evidence
                )
        return contact_id

    def _change(self, contact_id: int, data: dict[str, Any]) -> None:
        with transaction.atomic():
            found = Contact.objects.select_for_update(no_key=True).get(pk=contact_id)
            present = Details(
                found.first_name, found.last_name, found.locale, found.timezone, found.traits
            )
            editing.edit_contact(
                contact_id=contact_id, details=_merged(present, data), now=timezone.now()
            )

    def _topic_ids(self, slugs: Iterable[str], *, field: str) -> list[int]:
        wanted = set(slugs)
        found = dict(
            Topic.objects.of_brand(self.brand.pk).filter(slug__in=wanted).values_list("slug", "pk")
        )
        if missing := sorted(wanted - set(found)):
            raise ValidationError({field: [f"The brand has no topic {', '.join(missing)}."]})
        return sorted(found.values())

    def _evidence(self, text_shown: str = "") -> Evidence:
        return Evidence(
            source=ConsentSource.API,
            occurred_at=timezone.now(),
            detail=self.actor,
            text_shown=text_shown,
            correlation_id=correlation_id(),
        )

    def _answer_with(self, contact_id: int, code: int = status.HTTP_200_OK) -> Response:
        contact = self.get_queryset().get(pk=contact_id)
        return Response(ContactSerializer(contact).data, status=code)


def _merged(present: Details, data: dict[str, Any]) -> Details:
    names = ("first_name", "last_name", "locale", "timezone")
    told = {name: data[name] for name in names if name in data}
    traits = {**present.traits, **data.get("traits", {})}
    kept = {name: value for name, value in traits.items() if value is not None}
    return replace(present, traits=kept, **told)
