"""The checklist passes where all is well, and says what is wrong where it is not."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from io import StringIO

import orjson
import pytest
from django.core.management import call_command

from apps.mail.models import Message
from apps.newsletter.digests import composing, starting
from apps.newsletter.models import DigestItem, Enrolment
from apps.newsletter.sequences import advancing, entering
from tests.factories.newsletter import DigestFactory, add_people, started_sequence

pytestmark = pytest.mark.django_db

LONG_AGO = datetime.now(tz=UTC) - timedelta(days=9)


def validated() -> tuple[int, dict[str, list[str]]]:
    """The exit code, and the problems by check."""
    written, code = StringIO(), 0
    try:
        call_command("validate_newsletter", "--json", stdout=written)
    except SystemExit as ended:
        code = int(str(ended.code))
    checks = orjson.loads(written.getvalue())["checks"]
    return code, {check["name"]: check["problems"] for check in checks}


def test_well_run_newsletter_passes() -> None:
    digest = DigestFactory.create(active_since=LONG_AGO)
    DigestItem.objects.create(digest=digest, title="Ours", url="https://own.example/1")
    starting.start_due()
    composing.compose_due()
    sequence = started_sequence()
    add_people(sequence.brand_id, 2)
    entering.enter_all()
    advancing.advance_due()

    code, problems = validated()

    assert code == 0, problems
    assert not any(problems.values())


def test_missing_issue_is_told() -> None:
    yesterday = datetime.now(tz=UTC) - timedelta(days=1)
    DigestFactory.create(active_since=LONG_AGO, weekday=yesterday.isoweekday())

    code, problems = validated()

    assert code == 1
    assert "no issue" in problems["digests"][0]


def test_step_that_is_long_due_and_message_that_is_lost_are_told() -> None:
    sequence = started_sequence()
    add_people(sequence.brand_id, 2)
    entering.enter_all()
    advancing.advance_due()
    Message.objects.filter(pk=Message.objects.earliest("pk").pk).delete()
    Enrolment.objects.update(due_at=datetime.now(tz=UTC) - timedelta(hours=1))

    code, problems = validated()

    assert code == 1
    assert problems["sent against due"] == ["Due without a message: 1."]
    assert "2 people due" in problems["sequence steps"][0]


def test_table_is_readable() -> None:
    written = StringIO()

    call_command("validate_newsletter", stdout=written)

    assert "passes" in written.getvalue()
    assert "pulse" in written.getvalue()
