"""The sent log against the text provider's log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.station import text_ledger
from tests import reserved_texts
from tests.factories.texts import TextMessageFactory

if TYPE_CHECKING:
    from collections.abc import Mapping

pytestmark = pytest.mark.django_db


def _run(statement: str, given: Mapping[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute(statement, given)


@pytest.fixture
def brand_id() -> int:
    """Four people: three whose text was sent, and one of whom that is not known."""
    message = TextMessageFactory.create()
    brand: int = message.brand_id
    reserved_texts.add_people(_run, brand=brand, number=4, prefix="12125")
    reserved_texts.reserve(
        _run, brand=brand, campaign=message.campaign_id, message=message.pk, prefix="12125", size=4
    )
    _run(
        "UPDATE sms_senttext SET state = 'sent', calling_at = now(), settled_at = now(),"
        " sent_at = now() WHERE brand_id = %(brand)s",
        {"brand": brand},
    )
    _run(
        "UPDATE sms_senttext SET state = 'unknown', reason = 'timeout', sent_at = NULL WHERE id ="
        " (SELECT max(id) FROM sms_senttext WHERE brand_id = %(brand)s)",
        {"brand": brand},
    )
    return brand


def mobiles(brand_id: int) -> list[str]:
    with connection.cursor() as cursor:
        cursor.execute("SELECT phone FROM sms_senttext WHERE brand_id = %s ORDER BY id", [brand_id])
        return [phone.removeprefix("+") for (phone,) in cursor.fetchall()]


@pytest.mark.parametrize("unknown_accepted", [0, 1])
def test_same_texts_on_both_sides_agree(brand_id: int, unknown_accepted: int) -> None:
    found = text_ledger.compare(brand_id, mobiles(brand_id)[: 3 + unknown_accepted])

    assert found.agrees
    assert (found.sent, found.matching, found.unknown) == (3, 3, 1)
    assert found.unknown_accepted == unknown_accepted


def test_each_difference_is_found(brand_id: int) -> None:
    first, second, _, _ = mobiles(brand_id)

    found = text_ledger.compare(brand_id, [first, second, second, "19175550100"])

    assert not found.agrees
    assert (found.missing.count, found.doubled.count, found.foreign.count) == (1, 1, 1)
    assert "1 sent, 0 in the log" in found.missing.examples[0]
    told = " ".join(found.missing.examples + found.doubled.examples + found.foreign.examples)
    assert first not in told
    assert "19175550100" not in told
