"""Set-up in admin: who sees what, keys shown once, secrets never, the audit log."""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth.models import User
from django.core.exceptions import PermissionDenied
from django.db import connection
from django.test import Client, RequestFactory
from django.urls import reverse

from apps.brands import acting, keys
from apps.brands.admin.paging import DEEPEST_ROW, EstimatedPaginator
from apps.brands.models import ApiKey, AuditEntry, Brand, Grant, ProviderAccount, Right, Sender
from tests.factories.brands import BrandFactory, ProviderAccountFactory, SenderFactory

pytestmark = pytest.mark.django_db


@pytest.fixture
def acme() -> Brand:
    return BrandFactory.create(name="Acme")


@pytest.fixture
def bolt() -> Brand:
    return BrandFactory.create(name="Bolt")


def browser(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def operator(name: str, **brands: tuple[Brand, Right]) -> User:
    user = User.objects.create_user(name, is_staff=True)
    for brand, right in brands.values():
        Grant.objects.create(user=user, brand=brand, right=right)
    return user


@pytest.fixture
def anna(acme: Brand) -> User:
    return operator("anna", acme=(acme, Right.ADMINISTER))


@pytest.fixture
def root() -> User:
    return User.objects.create_superuser("root")


def page(client: Client, name: str, *args: Any, **query: str) -> str:
    answer = client.get(reverse(f"admin:{name}", args=args), query)
    assert answer.status_code == 200, name
    return answer.content.decode()


class TestWhoSeesWhat:
    def test_lists_and_filters_hold_the_own_brands(
        self, anna: User, acme: Brand, bolt: Brand
    ) -> None:
        SenderFactory.create(brand=acme, email="own@acme.example")
        SenderFactory.create(brand=bolt, email="foreign@bolt.example")

        text = page(browser(anna), "brands_sender_changelist")

        assert "own@acme.example" in text
        assert "foreign@bolt.example" not in text
        assert "Bolt" not in text

    def test_page_of_another_brand_is_not_there(self, anna: User, bolt: Brand) -> None:
        foreign = SenderFactory.create(brand=bolt)

        answer = browser(anna).get(reverse("admin:brands_sender_change", args=[foreign.pk]))

        assert answer.status_code == 302  # Django leads home from what it does not find

    def test_choices_hold_the_own_brands(self, anna: User, acme: Brand, bolt: Brand) -> None:
        text = page(browser(anna), "brands_sender_add")

        assert "Acme" in text
        assert "Bolt" not in text

    def test_foreign_brand_cannot_be_posted(self, anna: User, bolt: Brand) -> None:
        account = SenderFactory.create(brand=bolt).account
        data = {"brand": bolt.pk, "account": account.pk, "name": "X", "email": "x@x.example"}

        browser(anna).post(reverse("admin:brands_sender_add"), data)

        assert not Sender.objects.filter(email="x@x.example").exists()

    def test_viewer_changes_nothing(self, acme: Brand) -> None:
        viewer = operator("otto", acme=(acme, Right.VIEW))
        sender = SenderFactory.create(brand=acme, name="Before")
        client = browser(viewer)

        page(client, "brands_sender_change", sender.pk)
        answer = client.post(
            reverse("admin:brands_sender_change", args=[sender.pk]), {"name": "After"}
        )

        assert answer.status_code == 403
        assert client.get(reverse("admin:brands_sender_add")).status_code == 403

    def test_last_guard_holds_when_a_form_lets_a_foreign_row_through(
        self, anna: User, bolt: Brand
    ) -> None:
        request = RequestFactory().post("/")
        request.user = anna
        sender_admin = admin.site.get_model_admin(Sender)
        foreign = SenderFactory.build(brand=bolt, account=ProviderAccountFactory.create())

        with pytest.raises(PermissionDenied, match="Bolt"):
            sender_admin.save_model(request, foreign, type("F", (), {"changed_data": []})(), True)

    def test_operator_without_rights_sees_an_empty_side_bar(self) -> None:
        text = page(browser(operator("nobody")), "index")

        assert reverse("admin:brands_sender_changelist") not in text

    def test_side_bar_holds_what_may_be_seen(self, anna: User, root: User) -> None:
        own, all_of_it = page(browser(anna), "index"), page(browser(root), "index")

        for name, seen_by_anna in (
            ("brands_sender", True),
            ("brands_grant", True),
            ("brands_provideraccount", False),
            ("auth_user", False),
        ):
            link = reverse(f"admin:{name}_changelist")
            assert (link in own, link in all_of_it) == (seen_by_anna, True), name


class TestPages:
    @pytest.mark.parametrize(
        "name",
        [
            "brands_brand",
            "brands_sender",
            "brands_provideraccount",
            "brands_grant",
            "brands_apikey",
            "brands_auditentry",
            "auth_user",
        ],
    )
    def test_list_stands_and_costs_the_same_for_many(
        self, root: User, acme: Brand, name: str
    ) -> None:
        client = browser(root)
        keys.issue(brand=acme, name="shop", scopes=["brand:read"], by="root")
        SenderFactory.create(brand=acme)
        page(client, f"{name}_changelist")

        few = _queries(client, name)
        for number in range(5):
            SenderFactory.create(brand=acme)
            Grant.objects.create(
                user=User.objects.create_user(f"u{number}"), brand=acme, right=Right.VIEW
            )
            keys.issue(brand=acme, name=f"k{number}", scopes=["brand:read"], by="root")

        assert _queries(client, name) == few

    def test_granted_right_says_by_whom(self, anna: User, acme: Brand) -> None:
        otto = User.objects.create_user("otto", is_staff=True)
        data = {"user": otto.pk, "brand": acme.pk, "right": "edit"}

        browser(anna).post(reverse("admin:brands_grant_add"), data)

        assert Grant.objects.get(user=otto).granted_by == "anna"
        entry = AuditEntry.objects.filter(table_name="brands_grant").latest("at")
        assert entry.actor == acting.user_actor(anna)

    def test_default_sender_is_changed(self, anna: User, acme: Brand) -> None:
        first = SenderFactory.create(brand=acme, is_default=True)
        second = SenderFactory.create(brand=acme)

        browser(anna).post(
            reverse("admin:brands_sender_changelist"),
            {"action": "make_default", "_selected_action": [second.pk]},
        )

        defaults = Sender.objects.filter(brand=acme, is_default=True)
        assert [sender.pk for sender in defaults] == [second.pk]
        assert first.pk not in defaults.values_list("pk", flat=True)


def _queries(client: Client, name: str) -> int:
    from django.test.utils import CaptureQueriesContext

    with CaptureQueriesContext(connection) as captured:
        page(client, f"{name}_changelist")
    return len(captured)


class TestSecrets:
    def test_key_is_shown_once_on_the_page_that_makes_it(self, anna: User, acme: Brand) -> None:
        client = browser(anna)
        data = {"brand": acme.pk, "name": "shop", "scopes": ["contacts:read"]}

        answer = client.post(reverse("admin:brands_apikey_add"), data)

        key = ApiKey.objects.get()
        token = next(
            word for word in answer.content.decode().split('"') if f"{key.prefix}_" in word
        )
        assert keys.recognise(token) == key
        assert "no-store" in answer.headers["Cache-Control"]
        assert token not in page(client, "brands_apikey_change", key.pk)
        assert token not in page(client, "brands_apikey_changelist")

    def test_third_key_of_a_name_is_told_in_the_form(self, anna: User, acme: Brand) -> None:
        for _ in range(2):
            keys.issue(brand=acme, name="shop", scopes=["brand:read"], by="x")
        data = {"brand": acme.pk, "name": "shop", "scopes": ["contacts:read"]}

        answer = browser(anna).post(reverse("admin:brands_apikey_add"), data)

        assert "revoke one" in answer.content.decode()

    def test_key_is_rotated_and_revoked(self, anna: User, acme: Brand) -> None:
        client = browser(anna)
        old = keys.issue(brand=acme, name="shop", scopes=["brand:read"], by="x")
        where = reverse("admin:brands_apikey_changelist")
        chosen = {"_selected_action": [old.key.pk]}

        rotated = client.post(where, {"action": "rotate", **chosen})
        client.post(where, {"action": "revoke", **chosen})

        assert "stays valid for 7 days" in rotated.content.decode()
        assert keys.recognise(old.token) is None
        assert ApiKey.objects.valid().count() == 1

    def test_keys_of_another_brand_cannot_be_revoked(self, anna: User, bolt: Brand) -> None:
        foreign = keys.issue(brand=bolt, name="shop", scopes=["brand:read"], by="x")

        browser(anna).post(
            reverse("admin:brands_apikey_changelist"),
            {"action": "revoke", "_selected_action": [foreign.key.pk]},
        )

        assert keys.recognise(foreign.token) is not None

    def test_secrets_of_an_account_go_in_and_never_out(self, root: User) -> None:
        client = browser(root)
        account = ProviderAccountFactory.create(api_key="re_first", webhook_secret="whsec_first")

        text = page(client, "brands_provideraccount_change", account.pk)
        client.post(
            reverse("admin:brands_provideraccount_change", args=[account.pk]),
            {"kind": "resend", "name": "renamed", "api_key": "", "webhook_secret": "whsec_second"},
        )

        assert "re_first" not in text
        assert "whsec_first" not in text
        found = ProviderAccount.objects.get()
        assert (found.name, found.api_key) == ("renamed", "re_first")
        assert found.webhook_secret == "whsec_second"
        assert found.previous_webhook_secret == "whsec_first"

    def test_account_is_stopped_and_started(self, root: User) -> None:
        client, account = browser(root), ProviderAccountFactory.create()
        where = reverse("admin:brands_provideraccount_changelist")

        client.post(where, {"action": "stop", "_selected_action": [account.pk]})
        account.refresh_from_db()
        stopped = account.stopped_reason
        client.post(where, {"action": "start", "_selected_action": [account.pk]})
        account.refresh_from_db()

        assert (stopped, account.stopped_reason) == ("stopped by hand by root", "")


class TestAuditLog:
    def test_history_of_a_row_leads_to_its_entries(self, anna: User, acme: Brand) -> None:
        client = browser(anna)
        sender = SenderFactory.create(brand=acme, name="Before")
        Sender.objects.filter(pk=sender.pk).update(name="After")

        answer = client.get(reverse("admin:brands_sender_history", args=[sender.pk]), follow=True)

        text = answer.content.decode()
        assert answer.status_code == 200
        assert text.count('class="action-select') <= 2
        entry = AuditEntry.objects.filter(table_name="brands_sender").latest("at")
        shown = page(client, "brands_auditentry_change", entry.pk)
        assert "Before" in shown
        assert "After" in shown

    def test_entries_of_others_are_not_shown(
        self, anna: User, root: User, acme: Brand, bolt: Brand
    ) -> None:
        Brand.objects.filter(pk=bolt.pk).update(name="Bolt renamed")
        entry = AuditEntry.objects.filter(brand_id=bolt.pk).latest("at")
        operators = AuditEntry.objects.filter(table_name="auth_user").latest("at")

        for hidden in (entry, operators):
            where = reverse("admin:brands_auditentry_change", args=[hidden.pk])
            assert browser(anna).get(where).status_code == 302
            assert browser(root).get(where).status_code == 200

    @pytest.mark.parametrize(
        "query", [{"q": "user:"}, {"q": "12"}, {"action": "update"}, {"table_name": "brands_brand"}]
    )
    def test_entries_are_found(self, root: User, acme: Brand, query: dict[str, str]) -> None:
        page(browser(root), "brands_auditentry_changelist", **query)

    def test_entries_are_never_edited(self, root: User, acme: Brand) -> None:
        entry = AuditEntry.objects.latest("at")
        client = browser(root)

        assert client.get(reverse("admin:brands_auditentry_add")).status_code == 403
        where = reverse("admin:brands_auditentry_delete", args=[entry.pk])
        assert client.post(where, {"post": "yes"}).status_code == 403


class TestCounting:
    def test_small_list_is_counted_exactly(self, acme: Brand) -> None:
        BrandFactory.create_batch(3)

        assert EstimatedPaginator(Brand.objects.order_by("pk"), 2).num_pages == 2

    def test_large_list_is_estimated_without_a_count(
        self, monkeypatch: pytest.MonkeyPatch, django_assert_num_queries: Any
    ) -> None:
        monkeypatch.setattr("apps.brands.admin.paging.COUNTED_EXACTLY", 100)
        with connection.cursor() as cursor:
            cursor.execute(
                "INSERT INTO brands_auditentry (actor, table_name, object_id, action, after)"
                " SELECT 'system', 't', n::text, 'insert', '{}' FROM generate_series(1, 5000) n"
            )
            cursor.execute("ANALYZE brands_auditentry")
        paginator = EstimatedPaginator(AuditEntry.objects.order_by("-at"), 50)

        with django_assert_num_queries(1):
            count = paginator.count

        assert 4000 < count < 6000

    def test_pages_end_where_offsets_grow_dear(self) -> None:
        paginator = EstimatedPaginator([], 50)
        paginator.__dict__["count"] = 10_000_000

        assert paginator.num_pages == DEEPEST_ROW // 50

    def test_filter_that_meets_nothing_has_one_empty_page(self) -> None:
        assert EstimatedPaginator(Brand.objects.none(), 50).num_pages == 1
