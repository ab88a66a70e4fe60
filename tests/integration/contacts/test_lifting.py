"""The way back from a suppression, where there is one."""

from __future__ import annotations

import pytest

from apps.contacts import suppressing
from apps.contacts.errors import NotLiftableError
from apps.contacts.models import SuppressionReason
from tests.factories.brands import BrandFactory
from tests.factories.contacts import SuppressionFactory
from tests.integration.contacts.conftest import NOW

pytestmark = pytest.mark.django_db


def lift(suppression_id: int, note: str = "has a new mailbox") -> bool:
    return suppressing.lift_by_operator(
        suppression_id=suppression_id, lifted_by="user:1 anna", note=note, now=NOW
    )


@pytest.mark.parametrize("reason", [SuppressionReason.HARD_BOUNCE, SuppressionReason.BLOCKED])
def test_bounce_and_block_are_lifted_with_a_note_and_stay_as_history(
    reason: SuppressionReason,
) -> None:
    held = SuppressionFactory.create(reason=reason)

    first, second = lift(held.pk), lift(held.pk, "again")

    held.refresh_from_db()
    assert (first, second) == (True, False)
    assert (held.lifted_at, held.lifted_by) == (NOW, "user:1 anna")
    assert held.lift_note == "has a new mailbox"


def test_complaint_stays() -> None:
    held = SuppressionFactory.create(
        reason=SuppressionReason.COMPLAINT, brand=BrandFactory.create()
    )

    with pytest.raises(NotLiftableError, match="complaint stays"):
        lift(held.pk)

    held.refresh_from_db()
    assert held.lifted_at is None


def test_erasure_stays() -> None:
    held = SuppressionFactory.create(
        reason=SuppressionReason.ERASED, address=None, address_digest=b"x" * 32, digest_version=1
    )

    with pytest.raises(NotLiftableError, match="erasure stays"):
        lift(held.pk)


@pytest.mark.parametrize("note", ["", "  ", "x" * 201])
def test_note_is_asked_for(note: str) -> None:
    held = SuppressionFactory.create()

    with pytest.raises(NotLiftableError, match="in a note"):
        lift(held.pk, note)
