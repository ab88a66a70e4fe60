"""A claim takes one batch, whatever plan the database chooses for it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.db import connection

from apps.mail import planning
from apps.mail.claiming import claim_batch
from apps.mail.models import Batch
from apps.mail.planning import Selection

if TYPE_CHECKING:
    from tests.integration.mail.conftest import House


def test_claim_takes_one_batch_under_a_plan_that_looks_for_it_again_and_again(
    house: House,
) -> None:
    """A scan of all batches with the search for a due one inside claims each of them."""
    house.planned(50)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE mail_batch; ANALYZE mail_mailing; ANALYZE brands_provideraccount")
        for choice in ("indexscan", "bitmapscan", "hashjoin", "mergejoin", "material"):
            cursor.execute(f"SET LOCAL enable_{choice} = off")
    house.add_people(900, start=1000)
    planning.plan_page(mailing_id=house.mailing(name="large").pk, selection=Selection())

    assert claim_batch(account_id=house.account.pk) is not None

    assert Batch.objects.filter(fence__gt=0).count() == 1
