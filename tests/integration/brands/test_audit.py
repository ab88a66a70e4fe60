"""The audit log, as PostgreSQL writes it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection, transaction
from django.http import HttpResponse
from django.test import RequestFactory

from apps.brands import acting
from apps.brands.audit import audit_table
from apps.brands.models import AuditEntry, Brand, Grant, ProviderAccount, Right
from tests.factories.brands import BrandFactory, ProviderAccountFactory

if TYPE_CHECKING:
    from collections.abc import Callable

    from django.http import HttpRequest

pytestmark = pytest.mark.django_db


def entries(table: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(table_name=table).order_by("at", "pk"))


def after(entry: AuditEntry) -> dict[str, Any]:
    return dict(entry.after or {})


def test_change_shows_only_what_changed() -> None:
    brand = BrandFactory.create(name="Old name", timezone="UTC")

    Brand.objects.filter(pk=brand.pk).update(name="New name", timezone="UTC")

    added, changed = entries("brands_brand")
    assert (added.action, added.before, after(added)["name"]) == ("insert", None, "Old name")
    assert (changed.action, changed.brand_id, changed.object_id) == (
        "update",
        brand.pk,
        str(brand.pk),
    )
    assert (changed.before, changed.after) == ({"name": "Old name"}, {"name": "New name"})


def test_change_to_the_same_values_is_not_told() -> None:
    brand = BrandFactory.create()

    brand.save()

    assert [entry.action for entry in entries("brands_brand")] == ["insert"]


def test_deletion_keeps_what_was() -> None:
    grant = Grant.objects.create(
        user=User.objects.create_user("anna"), brand=BrandFactory.create(), right=Right.LAUNCH
    )

    grant.delete()

    last = entries("brands_grant")[-1]
    assert (last.action, last.after) == ("delete", None)
    assert last.before is not None
    assert last.before["right"] == "launch"
    assert last.brand_id == grant.brand_id


def test_raw_statements_are_told_too() -> None:
    brand = BrandFactory.create()

    with connection.cursor() as cursor:
        cursor.execute("UPDATE brands_brand SET name = 'By hand' WHERE id = %s", [brand.pk])

    assert entries("brands_brand")[-1].after == {"name": "By hand"}


def test_secrets_are_told_without_their_values() -> None:
    account = ProviderAccountFactory.create(api_key="re_first")

    account.api_key = "re_second"
    account.save()

    added, changed = entries("brands_provideraccount")
    assert after(added)["api_key"] == "(hidden)"
    assert after(added)["webhook_secret"] == ""
    assert changed.before == changed.after == {"api_key": "(hidden)"}


def test_changes_of_clocks_alone_are_not_told() -> None:
    account = ProviderAccountFactory.create()

    ProviderAccount.objects.filter(pk=account.pk).update(rate_limit=7)

    assert [entry.action for entry in entries("brands_provideraccount")] == ["insert"]


def test_password_of_an_operator_is_hidden() -> None:
    user = User.objects.create_user("anna", password="a long enough password")

    user.set_password("another long password")
    user.save()

    assert entries("auth_user")[-1].after == {"password": "(hidden)"}


def test_month_without_partition_is_made_by_the_first_change() -> None:
    name = f"brands_auditentry_{datetime.now(tz=UTC):%Y_%m}"
    with connection.cursor() as cursor:
        cursor.execute(f"DROP TABLE {name}")

    Brand.objects.bulk_create([BrandFactory.build(), BrandFactory.build()])

    assert len(entries("brands_brand")) == 2


def test_name_that_would_be_sql_is_refused() -> None:
    with pytest.raises(ValueError, match="plain lower-case name"):
        audit_table("brands_brand", hidden=("x') --",))


class TestActor:
    def test_nobody_is_the_system(self) -> None:
        BrandFactory.create()

        assert entries("brands_brand")[-1].actor == "system"

    def test_acting_as_ends_with_its_block(self) -> None:
        with acting.acting_as("user:7 otto"):
            BrandFactory.create()
        BrandFactory.create()

        assert [entry.actor for entry in entries("brands_brand")] == ["user:7 otto", "system"]

    def test_actor_set_in_a_rolled_back_transaction_is_set_again(self) -> None:
        with transaction.atomic():
            acting.act("task:a")
            transaction.set_rollback(True)

        acting.act("task:a")
        BrandFactory.create()

        assert entries("brands_brand")[-1].actor == "task:a"

    def test_task_is_named(self) -> None:
        acting.act_as_task(task=SimpleNamespace(name="mail.send_batch"))

        BrandFactory.create()

        assert entries("brands_brand")[-1].actor == "task:mail.send_batch"


def answering(work: Callable[[], Any]) -> acting.ActorMiddleware:
    def answer(_request: HttpRequest) -> HttpResponse:
        work()
        return HttpResponse()

    return acting.ActorMiddleware(answer)


def request_of(method: str, user: Any) -> HttpRequest:
    request = RequestFactory().generic(method, "/")
    request.user = user
    return request


class TestRequests:
    def test_operator_is_named_and_forgotten_afterwards(self) -> None:
        user = User.objects.create_user("anna")

        answering(BrandFactory.create)(request_of("POST", user))
        BrandFactory.create()

        actors = [entry.actor for entry in entries("brands_brand")]
        assert actors == [f"user:{user.pk} anna", "system"]

    def test_operator_is_forgotten_after_a_failure(self) -> None:
        def fail() -> None:
            raise RuntimeError

        user = User.objects.create_user("anna")
        with pytest.raises(RuntimeError):
            answering(fail)(request_of("POST", user))

        BrandFactory.create()

        assert entries("brands_brand")[-1].actor == "system"

    def test_get_costs_no_statement(self, django_assert_num_queries: Any) -> None:
        user = User.objects.create_user("anna")

        with django_assert_num_queries(0):
            answering(lambda: None)(request_of("GET", user))


@pytest.mark.django_db(transaction=True)
class TestPersistentConnection:
    def test_next_request_on_the_connection_has_its_own_actor(self) -> None:
        anna, otto = (User.objects.create_user(name) for name in ("anna", "otto"))

        for user in (anna, anna, otto):
            answering(BrandFactory.create)(request_of("POST", user))

        actors = [entry.actor for entry in entries("brands_brand")[-3:]]
        assert actors == [f"user:{anna.pk} anna"] * 2 + [f"user:{otto.pk} otto"]

    def test_same_task_again_costs_no_statement(self, django_assert_num_queries: Any) -> None:
        acting.act_as_task(task=SimpleNamespace(name="mail.send_batch"))

        with django_assert_num_queries(0):
            acting.act_as_task(task=SimpleNamespace(name="mail.send_batch"))

        acting.rest()

    def test_new_session_knows_nobody(self) -> None:
        acting.act("user:5 anna")
        connection.close()

        BrandFactory.create()

        assert entries("brands_brand")[-1].actor == "system"


@pytest.fixture(autouse=True)
def _nobody_at_work() -> Any:
    yield
    acting.rest()


def test_old_entries_lie_in_their_own_month() -> None:
    earlier = datetime.now(tz=UTC) - timedelta(days=31)
    AuditEntry.objects.create(
        at=earlier, actor="system", table_name="t", object_id="1", action="insert", after={}
    )

    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT tableoid::regclass::text FROM brands_auditentry WHERE table_name='t'"
        )
        partition = cursor.fetchone()[0]

    assert partition == f"brands_auditentry_{earlier:%Y_%m}"
