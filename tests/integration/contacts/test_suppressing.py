from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from django.test.utils import CaptureQueriesContext

from apps.contacts import digests, suppressing
from apps.contacts.eligibility import MailClass, SkipReason, blocked_addresses
from apps.contacts.models import Suppression, SuppressionOrigin, SuppressionReason
from tests.factories.brands import BrandFactory
from tests.factories.contacts import ContactFactory, SuppressionFactory
from tests.integration.contacts.conftest import NOW

if TYPE_CHECKING:
    from collections.abc import Collection

    from pytest_django import Settings

    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db
ADDRESS = "anna@people.example"


def suppress(
    reason: SuppressionReason, *addresses: str, brand: Brand | None = None, **facts: Any
) -> int:
    return suppressing.suppress_many(
        addresses=addresses or [ADDRESS],
        reason=reason,
        origin=SuppressionOrigin.OPERATOR,
        now=NOW,
        brand_id=brand.pk if brand else None,
        **facts,
    )


def statements_of(reason: SuppressionReason, addresses: Collection[str]) -> int:
    with CaptureQueriesContext(
        connection,
    ) as captured:
        suppress(reason, *addresses)
    return len(captured)


def test_suppressing_again_changes_nothing(brand: Brand) -> None:
    first = suppress(SuppressionReason.BLOCKED, ADDRESS, ADDRESS, brand=brand)
    again = suppress(SuppressionReason.BLOCKED, brand=brand)

    assert (first, again) == (1, 0)
    assert Suppression.objects.count() == 1


def test_hard_bounce_holds_for_all_brands_whoever_saw_it(brand: Brand) -> None:
    suppress(SuppressionReason.HARD_BOUNCE, brand=brand)

    found = blocked_addresses([ADDRESS], BrandFactory.create(), MailClass.TRANSACTIONAL)

    assert found == {ADDRESS: SkipReason.HARD_BOUNCE}


def test_complaint_needs_its_brand_and_holds_there_only(brand: Brand) -> None:
    suppress(SuppressionReason.COMPLAINT, brand=brand)

    with pytest.raises(ValueError, match="brand_id"):
        suppress(SuppressionReason.COMPLAINT)
    assert blocked_addresses([ADDRESS], BrandFactory.create(), MailClass.CONFIRMATION) == {}


def test_many_addresses_take_one_statement(brand: Brand) -> None:
    addresses = [f"a{n}@people.example" for n in range(500)]

    assert statements_of(SuppressionReason.BLOCKED, addresses) == 1
    assert Suppression.objects.count() == 500


def test_erasing_leaves_a_digest_and_a_mark_and_forgets_the_rest(brand: Brand) -> None:
    contact = ContactFactory.create(brand=brand, email=ADDRESS)
    SuppressionFactory.create(address=ADDRESS)

    added = suppress(SuppressionReason.ERASED, brand=brand, detail="asked by anna@people.example")

    contact.refresh_from_db()
    (left,) = Suppression.objects.all()
    assert added == 1
    assert contact.erased_at == NOW
    assert (left.address, left.detail, left.brand_id) == (None, "", None)
    assert bytes(left.address_digest or b"") == digests.digest(ADDRESS, version=1)


def test_erased_again_under_a_newer_key_is_still_one_row(settings: Settings) -> None:
    suppress(SuppressionReason.ERASED)
    settings.ERASURE_KEYS = {**settings.ERASURE_KEYS, 2: b"k" * 32}

    assert suppress(SuppressionReason.ERASED) == 0
    assert suppress(SuppressionReason.ERASED, "otto@people.example") == 1
    assert list(Suppression.objects.order_by("pk").values_list("digest_version", flat=True)) == [
        1,
        2,
    ]
    assert digests.find_erased([ADDRESS, "otto@people.example", "new@people.example"]) == {
        ADDRESS,
        "otto@people.example",
    }


def test_erasing_takes_the_same_statements_however_many_there_are(db: None) -> None:
    one = statements_of(SuppressionReason.ERASED, ["a@people.example"])
    many = statements_of(SuppressionReason.ERASED, [f"b{n}@people.example" for n in range(200)])

    assert one == many


@pytest.mark.parametrize(
    ("reason", "scoped"),
    [
        (SuppressionReason.BLOCKED, True),
        (SuppressionReason.BLOCKED, False),
        (SuppressionReason.HARD_BOUNCE, False),
        (SuppressionReason.ERASED, False),
    ],
)
def test_lifted_suppression_stays_as_history_and_holds_no_more(
    brand: Brand, *, reason: SuppressionReason, scoped: bool
) -> None:
    contact = ContactFactory.create(brand=brand, email=ADDRESS)
    scope = brand if scoped else None
    suppress(reason, brand=scope)

    def lift() -> bool:
        return suppressing.lift(
            address=ADDRESS,
            reason=reason,
            lifted_by="karin",
            now=NOW,
            brand_id=scope.pk if scope else None,
        )

    assert (lift(), lift()) == (True, False)
    (row,) = suppressing.history(ADDRESS)
    contact.refresh_from_db()
    assert (row.lifted_at, row.lifted_by, contact.erased_at) == (NOW, "karin", None)
    assert blocked_addresses([ADDRESS], brand, MailClass.COMMERCIAL) == {}


def test_lifting_for_all_brands_leaves_a_brands_own_block(brand: Brand) -> None:
    suppress(SuppressionReason.BLOCKED, brand=brand)

    lifted = suppressing.lift(
        address=ADDRESS, reason=SuppressionReason.BLOCKED, lifted_by="karin", now=NOW
    )

    assert not lifted
    assert blocked_addresses([ADDRESS], brand, MailClass.TRANSACTIONAL)


def run_command(*arguments: str) -> str:
    out = StringIO()
    call_command("suppressions", *arguments, stdout=out)
    return out.getvalue()


def test_command_adds_shows_and_lifts(brand: Brand) -> None:
    added = run_command("add", "Anna <Anna@people.example>", "--detail", "asked by phone")
    again = run_command("add", ADDRESS)
    shown = run_command("show", ADDRESS)
    lifted = run_command("lift", ADDRESS, "--reason", "blocked", "--by", "karin")
    after = run_command("show", ADDRESS)

    assert "1 suppressed; 0 already were." in added
    assert "0 suppressed; 1 already were." in again
    assert "all brands" in shown
    assert "1 lifted" in lifted
    assert "karin" in after


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (("add", "nonsense"), "needs an @"),
        (("add", ADDRESS, "--brand", "nowhere"), "The brands are: none yet"),
        (("add", ADDRESS, "--reason", "complaint"), "--brand SLUG"),
    ],
)
def test_command_refuses_with_what_to_do(db: None, arguments: tuple[str, ...], told: str) -> None:
    with pytest.raises(CommandError, match=told):
        run_command(*arguments)


def test_address_never_suppressed_is_said_so(db: None) -> None:
    assert "Never suppressed" in run_command("show", ADDRESS)
    assert "1 had no such suppression" in run_command("lift", ADDRESS, "--reason", "erased")
