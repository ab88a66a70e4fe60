"""The same request sent again is answered again, not done again."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from apps.brands.api import idempotency
from apps.brands.api.idempotency import Slot
from apps.brands.models import IdempotentAnswer
from apps.contacts.models import Topic
from tests.integration.api.conftest import Caller, House, caller, furnish

WEEKLY = {"slug": "weekly", "name": "Weekly"}


@pytest.mark.django_db
class TestOneAfterTheOther:
    def test_same_body_gets_the_same_answer(self, shop: Caller) -> None:
        first = shop.post("topics", WEEKLY, idempotency_key="one")
        again = shop.post("topics", {"name": "Weekly", "slug": "weekly"}, idempotency_key="one")

        assert (first.status, again.status) == (201, 201)
        assert again.body == first.body
        assert again.headers["Idempotency-Replayed"] == "true"
        assert "Idempotency-Replayed" not in first.headers

    def test_another_body_is_refused(self, shop: Caller) -> None:
        shop.post("topics", WEEKLY, idempotency_key="one")

        answer = shop.post("topics", {**WEEKLY, "slug": "daily"}, idempotency_key="one")

        assert (answer.status, answer.body["name"]) == (422, "idempotency_key_reused")

    def test_keys_of_other_routes_and_callers_are_others(self, shop: Caller) -> None:
        other = caller(furnish("bravo").brand)

        statuses = [
            shop.post("topics", WEEKLY, idempotency_key="one").status,
            shop.post("contacts", {"email": "otto@people.example"}, idempotency_key="one").status,
            other.post("topics", WEEKLY, idempotency_key="one").status,
        ]

        assert statuses == [201, 201, 201]

    def test_error_is_not_kept(self, shop: Caller) -> None:
        wrong = shop.post("topics", {"slug": "weekly"}, idempotency_key="one")
        right = shop.post("topics", WEEKLY, idempotency_key="one")

        assert (wrong.status, right.status) == (422, 201)

    def test_failed_work_leaves_nothing_behind(
        self, shop: Caller, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def fail(*_args: object) -> None:
            raise RuntimeError

        with monkeypatch.context() as patched:
            patched.setattr(Slot, "keep", fail)
            assert shop.post("topics", WEEKLY, idempotency_key="one").status == 500

        assert not Topic.objects.filter(slug="weekly").exists()
        assert shop.post("topics", WEEKLY, idempotency_key="one").status == 201

    @pytest.mark.parametrize("key", ["", " ", "x" * 257, "tab\there", "ümlaut"])
    def test_unusable_key_is_refused(self, shop: Caller, key: str) -> None:
        answer = shop.post("topics", WEEKLY, idempotency_key=key)

        assert (answer.status, answer.body["name"]) == (400, "invalid_idempotency_key")

    def test_answer_without_body_is_kept_too(self, shop: Caller, house: House) -> None:
        path = f"contacts/{house.ids['contacts']}/unsubscribe"

        first = shop.post(path, {}, idempotency_key="one")
        again = shop("post", path, raw=b"", idempotency_key="one")

        assert (first.status, again.status) == (200, 200)

    def test_key_is_free_again_after_a_day(self, shop: Caller) -> None:
        shop.post("topics", WEEKLY, idempotency_key="one")
        IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))

        assert shop.post("topics", WEEKLY, idempotency_key="one").status == 409
        assert shop.post("topics", {**WEEKLY, "slug": "x"}, idempotency_key="one").status == 201

    def test_old_answers_are_pruned(self, shop: Caller) -> None:
        shop.post("topics", WEEKLY, idempotency_key="old")
        IdempotentAnswer.objects.update(created_at=timezone.now() - timedelta(hours=25))
        shop.post("topics", {**WEEKLY, "slug": "new"}, idempotency_key="new")

        assert idempotency.prune() == 1
        assert [one.idempotency_key for one in IdempotentAnswer.objects.all()] == ["new"]


@pytest.mark.django_db(transaction=True)
class TestAtOnce:
    def test_request_in_flight_is_told_so_at_once(self, monkeypatch: pytest.MonkeyPatch) -> None:
        shop = caller(furnish("alpha").brand)
        working, may_end = threading.Event(), threading.Event()
        keep = Slot.keep

        def keep_late(slot: Slot, response: Any) -> None:
            working.set()
            assert may_end.wait(10)
            keep(slot, response)

        monkeypatch.setattr(Slot, "keep", keep_late)
        answers: list[Any] = []
        thread = _calling(shop, answers)
        assert working.wait(10)
        meanwhile = Caller(shop.token).post("topics", WEEKLY, idempotency_key="one")
        may_end.set()
        thread.join()

        assert (meanwhile.status, meanwhile.body["name"]) == (409, "request_in_flight")
        assert answers[0].status == 201

    def test_request_whose_server_died_blocks_nobody(self) -> None:
        shop = caller(furnish("alpha").brand)
        assert shop.key is not None
        slot = Slot(shop.key.pk, "/api/topics", "one", b"")
        held, ended = threading.Event(), threading.Event()

        def hold_and_die() -> None:
            with connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_lock(%s)", [slot.lock])
                held.set()
                ended.wait(10)
                cursor.execute("SELECT pg_backend_pid()")
            connection.close()

        thread = threading.Thread(target=hold_and_die)
        thread.start()
        assert held.wait(10)
        meanwhile = shop.post("topics", WEEKLY, idempotency_key="one").status
        ended.set()
        thread.join()

        assert meanwhile == 409
        assert shop.post("topics", WEEKLY, idempotency_key="one").status == 201

    def test_of_many_at_once_one_works(self) -> None:
        shop = caller(furnish("alpha").brand)
        answers: list[Any] = []

        threads = [_calling(shop, answers) for _ in range(6)]
        for thread in threads:
            thread.join()

        assert {answer.status for answer in answers} <= {201, 409}
        assert Topic.objects.filter(slug="weekly").count() == 1
        told = {answer.body["id"] for answer in answers if answer.status == 201}
        assert len(told) == 1


def _calling(shop: Caller, answers: list[Any]) -> threading.Thread:
    def call() -> None:
        try:
            answers.append(Caller(shop.token).post("topics", WEEKLY, idempotency_key="one"))
        finally:
            connection.close()

    thread = threading.Thread(target=call)
    thread.start()
    return thread
