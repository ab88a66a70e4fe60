"""A stand-in for Lime, and what is sent to it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.queues.broker import process_broker
from apps.sandbox.lime.handle import LimeSandbox
from apps.sms.calling import loop
from tests import reserved_texts
from tests.factories.brands import BrandFactory
from tests.factories.texts import (
    LimeAccountFactory,
    TextCampaignFactory,
    TextMessageFactory,
    open_sending,
)

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from apps.brands.models import Brand, ProviderAccount

API_ID = "sandbox-api-id"


@pytest.fixture(scope="module")
def lime(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimeSandbox]:
    """No limits, no latency; reset before each test that asks for `ground`."""
    folder = tmp_path_factory.mktemp("lime")
    with LimeSandbox(folder, users={"harbour": API_ID}, per_second=0, per_minute=0) as sandbox:
        yield sandbox


@dataclass
class Ground:
    """A brand that may send by an account of the stand-in."""

    lime: LimeSandbox
    brand: Brand
    account: ProviderAccount
    campaign: Any
    message: Any

    def reserve(self, number: int, *, size: int = 100, prefix: str = "12125") -> None:
        run = _run
        reserved_texts.add_people(run, brand=self.brand.pk, number=number, prefix=prefix)
        reserved_texts.reserve(
            run,
            brand=self.brand.pk,
            campaign=self.campaign.pk,
            message=self.message.pk,
            prefix=prefix,
            size=size,
        )

    def states(self) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT state, count(*) FROM sms_senttext GROUP BY state")
            return dict(cursor.fetchall())

    def reasons(self) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT reason, count(*) FROM sms_senttext WHERE reason <> '' GROUP BY reason"
            )
            return dict(cursor.fetchall())

    def chunks(self) -> dict[str, int]:
        with connection.cursor() as cursor:
            cursor.execute("SELECT state, count(*) FROM sms_textchunk GROUP BY state")
            return dict(cursor.fetchall())

    def accepted(self) -> list[str]:
        return [text.mobile for text in self.lime.accepted()]


@pytest.fixture
def ground(lime: LimeSandbox, settings: Any) -> Iterator[Ground]:
    """Sends one request per text, 50 at once, unless a test changes the brand's row."""
    lime.restore()
    lime.reset()
    settings.LIME_API_URL = lime.url
    settings.RETRY_BASE_SECONDS = 0.01
    settings.PROVIDER_READ_SECONDS = 1.0
    settings.PROVIDER_TOTAL_SECONDS = 2.0
    process_broker().flushall()
    brand: Brand = BrandFactory.create()
    account = LimeAccountFactory.create(api_key=API_ID)
    open_sending(
        brand,
        account=account,
        shortcode="71441",
        transport="single",
        spacing_ms=0,
        requests_per_minute=1_000_000,
    )
    campaign = TextCampaignFactory.create(brand=brand)
    message = TextMessageFactory.create(campaign=campaign, body="Hello {{ subscriber.first_name }}")
    yield Ground(lime, brand, account, campaign, message)
    loop.process_caller().close()
    loop._caller.cache_clear()


def _run(statement: str, given: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)
