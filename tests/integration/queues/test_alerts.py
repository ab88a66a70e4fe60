from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from django.db import IntegrityError, transaction
from structlog.testing import capture_logs

from apps.queues import alerts
from apps.queues.models import Alert

if TYPE_CHECKING:
    from pytest_django import DjangoCaptureOnCommitCallbacks

pytestmark = pytest.mark.django_db


def raise_one(value: float = 6.0, subject: str = "control") -> bool:
    return alerts.raise_alert(
        kind="queue_depth", subject=subject, message=f"{value} wait", value=value, limit=5.0
    )


def test_alert_is_raised_once_and_renewed(
    django_capture_on_commit_callbacks: DjangoCaptureOnCommitCallbacks,
) -> None:
    with capture_logs() as lines, django_capture_on_commit_callbacks(execute=True):
        assert raise_one(6.0)
        assert not raise_one(9.0)

    alert = Alert.objects.get()
    assert (alert.value, alert.message) == (9.0, "9.0 wait")
    assert [line["event"] for line in lines] == ["alert_raised"]
    assert lines[0]["log_level"] == "error"


def test_alert_is_cleared_once_and_may_come_again() -> None:
    raise_one()

    assert alerts.clear_alert(kind="queue_depth", subject="control")
    assert not alerts.clear_alert(kind="queue_depth", subject="control")
    assert raise_one()

    assert Alert.objects.count() == 2
    assert Alert.objects.open().count() == 1


def test_clearing_leaves_other_subjects_alone() -> None:
    raise_one()
    raise_one(subject="events")

    alerts.clear_alert(kind="queue_depth", subject="events")

    assert Alert.objects.open().get().subject == "control"


def raise_and_fail() -> None:
    with transaction.atomic():
        raise_one()
        raise RuntimeError


def test_nothing_is_logged_when_the_transaction_fails() -> None:
    with capture_logs() as lines, pytest.raises(RuntimeError):
        raise_and_fail()

    assert not lines
    assert not Alert.objects.exists()


def test_second_open_alert_of_a_subject_is_refused() -> None:
    Alert.objects.create(kind="k", subject="s", message="m")

    with pytest.raises(IntegrityError), transaction.atomic():
        Alert.objects.create(kind="k", subject="s", message="m")
