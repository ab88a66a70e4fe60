"""Templates and mailings."""

from __future__ import annotations

from datetime import UTC, datetime

from factory.declarations import LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from apps.contacts.eligibility import MailClass
from apps.mail.models import Content, Mailing, Template
from tests.factories.brands import BrandFactory, SenderFactory

SUBJECT = "News for {{ contact.first_name | default: 'you' }}"
HTML = """\
<html><body><h1>Hello {{ contact.first_name | default: "there" }}</h1>
<p>Your plan is {{ traits.plan | default: "free" }}.</p>
<p>{{ brand.name }}, {{ brand.postal_address }}</p>
<p><a href="{{ unsubscribe_url }}">Unsubscribe</a></p></body></html>
"""


class TemplateFactory(DjangoModelFactory[Template]):
    class Meta:
        model = Template

    brand = SubFactory(BrandFactory)
    slug = Sequence(lambda n: f"template-{n}")
    subject = SUBJECT
    html = HTML


class ContentFactory(DjangoModelFactory[Content]):
    class Meta:
        model = Content

    subject = SUBJECT
    html = HTML


class MailingFactory(DjangoModelFactory[Mailing]):
    """A running commercial mailing of this month, its audience still to be planned."""

    class Meta:
        model = Mailing

    name = Sequence(lambda n: f"Mailing {n}")
    sender = SubFactory(SenderFactory)
    brand = SelfAttribute("sender.brand")
    account = SelfAttribute("sender.account")
    content = SubFactory(ContentFactory)
    mail_class = MailClass.COMMERCIAL
    month = LazyFunction(lambda: datetime.now(tz=UTC).date().replace(day=1))
