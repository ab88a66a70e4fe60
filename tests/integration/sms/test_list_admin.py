"""Lists and their syncs as operators see them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse
from django.utils import timezone

from apps.sms.models import ListReject, ListSyncRun, OptInList
from tests.factories.texts import OptInListFactory

if TYPE_CHECKING:
    from django.test import Client

pytestmark = pytest.mark.django_db


@pytest.fixture
def operator(client: Client) -> Client:
    client.force_login(get_user_model().objects.create_superuser("ops", password="x"))
    return client


@pytest.fixture
def asking() -> ListSyncRun:
    """A sync that asks, with a reject."""
    opt_in_list: OptInList = OptInListFactory.create()
    run = ListSyncRun.objects.create(
        opt_in_list=opt_in_list,
        trigger="schedule",
        state="asks",
        ended_at=timezone.now(),
        were_active=300,
        would_leave=31,
        rejected=1,
    )
    ListReject.objects.create(
        run=run, line=7, field="MobileNumber", reason="is missing", number="=cmd"
    )
    return run


def test_pages_show_lists_and_syncs(operator: Client, asking: ListSyncRun) -> None:
    lists = operator.get(reverse("admin:sms_optinlist_changelist"))
    syncs = operator.get(reverse("admin:sms_listsyncrun_changelist"))
    one = operator.get(reverse("admin:sms_listsyncrun_change", args=[asking.pk]))
    edit = operator.get(reverse("admin:sms_optinlist_change", args=[asking.opt_in_list_id]))

    assert [page.status_code for page in (lists, syncs, one, edit)] == [200] * 4
    assert asking.opt_in_list.list_id in lists.content.decode()
    assert "asks whether so many left" in syncs.content.decode()


def test_operator_lets_them_leave(operator: Client, asking: ListSyncRun) -> None:
    answer = operator.post(
        reverse("admin:sms_listsyncrun_changelist"),
        {"action": "confirm", "_selected_action": [asking.pk]},
    )

    assert answer.status_code == 302
    begun = ListSyncRun.objects.get(state="waiting")
    assert (begun.may_leave, begun.trigger) == (31, "operator")
    assert "ops" in begun.requested_by


def test_rejects_are_a_file_without_formulas(operator: Client, asking: ListSyncRun) -> None:
    answer = operator.get(reverse("admin:sms_listsyncrun_rejects", args=[asking.pk]))

    content = b"".join(answer.streaming_content).decode()  # type: ignore[attr-defined]
    assert content.splitlines()[1] == "7,MobileNumber,is missing,'=cmd,"
