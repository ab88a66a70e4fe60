"""Contacts with what belongs to them."""

from __future__ import annotations

from factory.declarations import LazyAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from apps.contacts.models import (
    ConsentKind,
    ConsentRecord,
    ConsentSource,
    Contact,
    ContactStatus,
    Suppression,
    SuppressionOrigin,
    SuppressionReason,
    Topic,
    TopicState,
    TopicSubscription,
)
from tests.factories.brands import BrandFactory


class ContactFactory(DjangoModelFactory[Contact]):
    class Meta:
        model = Contact

    brand = SubFactory(BrandFactory)
    email = Sequence(lambda n: f"person{n}@people.example")
    address = LazyAttribute(lambda contact: contact.email.lower())
    first_name = Sequence(lambda n: f"Person {n}")
    last_name = "Example"
    status = ContactStatus.SUBSCRIBED


class TopicFactory(DjangoModelFactory[Topic]):
    class Meta:
        model = Topic

    brand = SubFactory(BrandFactory)
    slug = Sequence(lambda n: f"topic-{n}")
    name = Sequence(lambda n: f"Topic {n}")


class TopicSubscriptionFactory(DjangoModelFactory[TopicSubscription]):
    """Contact and topic of one brand."""

    class Meta:
        model = TopicSubscription

    contact = SubFactory(ContactFactory)
    topic = LazyAttribute(lambda one: TopicFactory(brand=one.contact.brand))
    state = TopicState.OPT_IN


class ConsentRecordFactory(DjangoModelFactory[ConsentRecord]):
    class Meta:
        model = ConsentRecord

    contact = SubFactory(ContactFactory)
    kind = ConsentKind.SUBSCRIBED
    source = ConsentSource.FORM


class SuppressionFactory(DjangoModelFactory[Suppression]):
    """A hard bounce, which holds for all brands."""

    class Meta:
        model = Suppression

    address = Sequence(lambda n: f"gone{n}@people.example")
    brand = None
    reason = SuppressionReason.HARD_BOUNCE
    origin = SuppressionOrigin.PROVIDER
