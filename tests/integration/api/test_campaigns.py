"""Templates and campaigns by API, from draft to result."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection

from apps.campaigns import dry_running, planning
from apps.campaigns.models import Campaign
from apps.mail.models import Mailing, Message, Template
from tests.factories.contacts import ContactFactory
from tests.integration.api.conftest import Caller, House, caller, furnish

if TYPE_CHECKING:
    from tests.integration.api.conftest import Answer

TEXTS = {"subject": "Hello {{ contact.first_name }}", "html": "<p>{{ unsubscribe_url }}</p>"}


@pytest.fixture
def path(house: House) -> str:
    return f"campaigns/{house.ids['campaigns']}"


@pytest.mark.django_db
class TestTemplates:
    def test_template_is_made_changed_and_deleted(self, shop: Caller) -> None:
        made = shop.post("templates", {"slug": "sale", **TEXTS})
        where = f"templates/{made.body['id']}"

        changed = shop.patch(where, {"subject": "Sale"})

        assert made.status == 201
        assert (changed.body["subject"], changed.body["html"]) == ("Sale", TEXTS["html"])
        assert shop.get("templates?slug=sale").body["data"] == [changed.body]
        assert shop.delete(where).status == 204
        assert shop.get(where).status == 404

    def test_template_in_use_stays(self, shop: Caller, house: House) -> None:
        assert shop.delete(f"templates/{house.ids['templates']}").status == 409

    def test_slug_is_there_once(self, shop: Caller) -> None:
        assert shop.post("templates", {"slug": "alpha-template", **TEXTS}).status == 409

    def test_template_of_a_scheduled_campaign_is_not_changed(
        self, shop: Caller, house: House, path: str
    ) -> None:
        assert shop.post(f"{path}/schedule", _times()).status == 200

        answer = shop.patch(f"templates/{house.ids['templates']}", {"subject": "Other"})

        assert answer.status == 409


def _times(**changes: Any) -> dict[str, Any]:
    start = datetime.now(tz=UTC) + timedelta(hours=2)
    times = {"at": start.isoformat(), "latest_start": (start + timedelta(hours=1)).isoformat()}
    return {**times, **changes}


@pytest.mark.django_db
class TestDrafts:
    def test_draft_is_made_with_the_default_sender(self, shop: Caller, house: House) -> None:
        answer = shop.post(
            "campaigns",
            {
                "name": "Spring sale",
                "template": house.ids["templates"],
                "audience": {"everyone": True},
            },
        )

        assert (answer.status, answer.body["state"]) == (201, "draft")
        assert answer.body["sender"] == house.ids["senders"]
        assert answer.body["slug"] == "spring-sale"
        assert Campaign.objects.get(pk=answer.body["id"]).authors == [
            f"key:{shop.key.pk} shop" if shop.key else ""
        ]

    def test_draft_is_changed_in_part(self, shop: Caller, path: str, house: House) -> None:
        answer = shop.patch(path, {"audience": {"topics": {"any": ["alpha-news"]}}})

        assert answer.status == 200
        assert answer.body["audience"] == {"topics": {"any": ["alpha-news"]}}
        assert (answer.body["name"], answer.body["template"]) == (
            "alpha sale",
            house.ids["templates"],
        )

    def test_audience_faults_are_told_by_their_path(self, shop: Caller, path: str) -> None:
        answer = shop.patch(path, {"audience": {"topics": {"some": ["x"]}}})

        assert answer.status == 422
        assert all(name.startswith("audience") for name in answer.body["errors"])

    @pytest.mark.parametrize("field", ["sender", "template"])
    def test_parts_of_another_brand_are_not_there(
        self, shop: Caller, path: str, other_house: House, field: str
    ) -> None:
        answer = shop.patch(path, {field: other_house.ids[f"{field}s"]})

        assert (answer.status, set(answer.body["errors"])) == (422, {field})

    def test_draft_is_duplicated_and_deleted(self, shop: Caller, path: str) -> None:
        copy = shop.post(f"{path}/duplicate")

        assert (copy.status, copy.body["name"]) == (201, "Copy of alpha sale")
        assert shop.delete(f"campaigns/{copy.body['id']}").status == 204
        assert [one["name"] for one in shop.get("campaigns").body["data"]] == ["alpha sale"]

    def test_lists_are_narrowed_down_by_state(self, shop: Caller, path: str) -> None:
        def number(state: str) -> int:
            return len(shop.get(f"campaigns?state={state}").body["data"])

        assert (number("draft"), number("scheduled"), number("running")) == (1, 0, 0)
        shop.post(f"{path}/schedule", _times())
        assert (number("draft"), number("scheduled"), number("missed")) == (0, 1, 0)
        shop.post(f"{path}/unschedule")
        shop.post(f"{path}/launch")
        assert (number("draft"), number("scheduled"), number("running")) == (0, 0, 1)
        assert shop.get("campaigns?state=gone").status == 422


@pytest.mark.django_db
class TestBeforeTheLaunch:
    def test_check_tells_everything_at_once(self, shop: Caller, path: str, house: House) -> None:
        good = shop.post(f"{path}/check").body
        house.brand.postal_address = ""
        house.brand.save()
        Template.objects.update(html="<p>{{ contact.first_name }}</p>")

        bad = shop.post(f"{path}/check").body

        assert (good["object"], good["launchable"]) == ("check", True)
        assert bad["launchable"] is False
        codes = {problem["code"] for problem in bad["problems"]}
        assert {"no_postal_address", "no_unsubscribe_link"} <= codes

    def test_refused_launch_tells_why(self, shop: Caller, path: str) -> None:
        Template.objects.update(html="<p>{{ contact.first_name }}</p>")

        answer = shop.post(f"{path}/launch")

        assert (answer.status, answer.body["name"]) == (409, "refused")
        assert "no_unsubscribe_link" in answer.body["errors"]
        assert shop.get(path).body["state"] == "draft"

    def test_dry_run_is_started_read_and_cancelled(self, shop: Caller, path: str) -> None:
        assert shop.get(f"{path}/dry-run").status == 404
        started = shop.post(f"{path}/dry-run")
        assert (started.status, started.body["state"]) == (202, "running")
        assert shop.post(f"{path}/dry-run").status == 409

        dry_running.run_dry(dry_run_id=started.body["id"])

        done = shop.get(f"{path}/dry-run").body
        assert (done["state"], done["would_get"], done["skipped"]) == ("completed", 1, {})
        assert shop.post(f"{path}/dry-run/cancel").status == 409

    def test_test_mail_is_sent_to_typed_addresses(self, shop: Caller, path: str) -> None:
        answer = shop.post(f"{path}/test", {"addresses": ["me@alpha.example"]})

        assert (answer.status, answer.body["mails"]) == (202, 1)
        assert Message.objects.get().address == "me@alpha.example"
        assert shop.post(f"{path}/test", {"addresses": ["nobody"]}).status == 422
        assert shop.post(f"{path}/test", {"addresses": []}).status == 422

    def test_test_mail_shows_nobody_of_another_brand(
        self, shop: Caller, path: str, other_house: House
    ) -> None:
        body = {"addresses": ["me@alpha.example"], "contact": other_house.ids["contacts"]}

        assert shop.post(f"{path}/test", body).status == 422

    def test_schedule_takes_local_times(self, shop: Caller, path: str, house: House) -> None:
        house.brand.timezone = "Europe/Berlin"
        house.brand.save()
        day = (datetime.now(tz=UTC) + timedelta(days=10)).date()

        answer = shop.post(
            f"{path}/schedule", {"at": f"{day}T09:00", "latest_start": f"{day}T13:00"}
        )

        assert (answer.status, answer.body["state"]) == (200, "scheduled")
        assert answer.body["scheduled_at"] in (f"{day}T08:00:00Z", f"{day}T07:00:00Z")
        assert shop.patch(path, {"name": "Other"}).status == 409
        assert shop.post(f"{path}/unschedule").body["state"] == "draft"
        assert shop.post(f"{path}/unschedule").status == 409

    @pytest.mark.parametrize(
        "times",
        [
            {},
            {"at": "yesterday"},
            {"at": "0001-01-01T00:00:00"},
            {"at": "9999-12-31T23:59:59-12:00"},
            {"at": "2001-01-01T00:00:00Z", "latest_start": "2001-01-01T01:00:00Z"},
        ],
    )
    def test_impossible_times_are_refused(
        self, shop: Caller, path: str, times: dict[str, str]
    ) -> None:
        body = {**_times(), **times} if times else {}

        assert shop.post(f"{path}/schedule", body).status == 422

    def test_approval_is_asked_for(self, shop: Caller, path: str, house: House) -> None:
        house.brand.requires_approval = True
        house.brand.save()

        refused = shop.post(f"{path}/launch")
        asked = shop.post(f"{path}/request-approval")

        assert "not_approved" in refused.body["errors"]
        assert (asked.status, asked.body["decision"]) == (201, "open")
        assert shop.post(f"{path}/request-approval").status == 409


@pytest.mark.django_db
class TestLaunched:
    def test_campaign_is_launched_steered_and_explained(
        self, shop: Caller, path: str, house: House
    ) -> None:
        ContactFactory.create_batch(4, brand=house.brand)
        ContactFactory.create(brand=house.brand, status="unsubscribed")

        launched = shop.post(f"{path}/launch", {"expected_count": 5})
        planning.plan_audience(campaign_id=house.ids["campaigns"])

        assert (launched.status, launched.body["state"]) == (200, "running")
        results = shop.get(f"{path}/results").body
        assert (results["audience"], results["pending"], results["skipped"]) == (6, 5, 1)
        assert sum(results["skipped_by_reason"].values()) == 1
        assert shop.post(f"{path}/pause", {"reason": "wait"}).body["state"] == "paused"
        assert shop.post(f"{path}/pause").status == 409
        assert shop.post(f"{path}/resume").body["state"] == "running"
        assert shop.post(f"{path}/cancel").body["state"] == "cancelled"
        assert shop.post(f"{path}/resume").status == 409
        assert shop.delete(path).status == 409

    def test_recipients_are_listed_page_by_page(
        self, shop: Caller, path: str, house: House
    ) -> None:
        ContactFactory.create_batch(4, brand=house.brand)
        ContactFactory.create(brand=house.brand, status="unsubscribed")
        shop.post(f"{path}/launch")
        planning.plan_audience(campaign_id=house.ids["campaigns"])

        first = shop.get(f"{path}/recipients?limit=4").body
        rest = shop.get(f"{path}/recipients?limit=4&after={first['next_after']}").body
        skipped = shop.get(f"{path}/recipients?state=skipped").body["data"]

        assert (first["has_more"], rest["has_more"], rest["next_after"]) == (True, False, "")
        addresses = [one["email"] for page in (first, rest) for one in page["data"]]
        assert len(set(addresses)) == len(addresses) == 6
        assert [(one["state"], bool(one["reason"])) for one in skipped] == [("skipped", True)]
        found = shop.get(f"{path}/recipients?search=anna&reason=").body["data"]
        assert [one["email"] for one in found] == ["anna@alpha.example"]

    @pytest.mark.parametrize("query", ["state=gone", "limit=500", "after=x", "sort=up"])
    def test_wrong_question_is_refused(self, shop: Caller, path: str, query: str) -> None:
        shop.post(f"{path}/launch")

        assert shop.get(f"{path}/recipients?{query}").status == 422

    def test_draft_has_neither_results_nor_recipients(self, shop: Caller, path: str) -> None:
        for action in ("results", "recipients"):
            assert shop.get(f"{path}/{action}").status == 409
        for action in ("pause", "resume", "cancel", "retry"):
            assert shop.post(f"{path}/{action}").status == 409

    def test_count_that_was_not_confirmed_is_refused(self, shop: Caller, path: str) -> None:
        answer = shop.post(f"{path}/launch", {"expected_count": 500})

        assert answer.status == 409
        assert shop.get(path).body["state"] == "draft"

    def test_retry_says_how_many(self, shop: Caller, path: str, house: House) -> None:
        shop.post(f"{path}/launch")

        answer = shop.post(f"{path}/retry", {"reasons": ["rejected"]})

        assert (answer.status, answer.body["retried"]) == (200, 0)


@pytest.mark.django_db(transaction=True)
class TestLaunchedOnce:
    """However many press, however often a client retries."""

    @pytest.mark.parametrize("keyed", [True, False])
    def test_launches_at_once_make_one_mailing(self, keyed: bool) -> None:  # noqa: FBT001 - a case
        house = furnish("alpha")
        shop = caller(house.brand)
        ready, answers = threading.Barrier(5), []

        def press() -> None:
            headers = {"idempotency_key": "launch-1"} if keyed else {}
            try:
                ready.wait(10)
                path = f"campaigns/{house.ids['campaigns']}/launch"
                answers.append(Caller(shop.token).post(path, {}, **headers))
            finally:
                connection.close()

        threads = [threading.Thread(target=press) for _ in range(5)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert {answer.status for answer in answers} <= {200, 409}
        assert 200 in {answer.status for answer in answers}
        assert Mailing.objects.filter(kind=Mailing.Kind.BULK).count() == 1

    def test_retried_launch_is_answered_as_the_first(self) -> None:
        house = furnish("alpha")
        shop = caller(house.brand)
        path = f"campaigns/{house.ids['campaigns']}/launch"

        first, again = (self._launch(shop, path) for _ in range(2))

        assert (first.status, again.status) == (200, 200)
        assert again.body == first.body
        assert Mailing.objects.count() == 1

    def test_launch_holds_no_transaction_while_the_provider_is_asked(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        house = furnish("alpha")
        shop = caller(house.brand)
        seen: list[bool] = []

        def check(*_args: Any) -> list[Any]:
            seen.append(connection.in_atomic_block)
            return []

        monkeypatch.setattr("apps.campaigns.checking.check", check)
        self._launch(shop, f"campaigns/{house.ids['campaigns']}/launch")

        assert seen == [False]

    def _launch(self, shop: Caller, path: str) -> Answer:
        return shop.post(path, {}, idempotency_key="launch-1")
