"""Pages of digests and sequences: who may what, what they say, how much they ask."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
from django.contrib.auth.models import User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from apps.brands.models import Grant, Right
from apps.newsletter.models import Digest, Enrolment, Sequence, SequenceStep
from apps.newsletter.sequences import advancing, entering, publishing
from tests.factories.brands import BrandFactory
from tests.factories.contacts import TopicFactory
from tests.factories.newsletter import DigestFactory, add_people, started_sequence

if TYPE_CHECKING:
    from apps.brands.models import Brand

pytestmark = pytest.mark.django_db


def logged_in(brand: Brand, *rights: Right) -> Client:
    user = User.objects.create_user(f"u{User.objects.count()}", is_staff=True)
    for right in rights:
        Grant.objects.create(user=user, brand=brand, right=right)
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def sequence() -> Sequence:
    made = started_sequence(name="Welcome")
    add_people(made.brand_id, 3)
    entering.enter_all()
    advancing.advance_due()
    return made


def url(sequence: Sequence, page: str) -> str:
    return f"/admin/newsletter/sequence/{sequence.pk}/{page}/"


def test_steps_are_drawn_with_their_counts(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.VIEW)

    page = client.get(url(sequence, "steps"))

    (version,) = page.context["standings"]
    first, second = version.steps
    assert (first.due, first.pending, first.waiting, second.waiting) == (3, 3, 0, 3)
    assert "p1@people.example" in page.content.decode()


def test_page_asks_as_much_for_many_people_as_for_few(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.VIEW)
    counts = []
    for start in (100, 200):
        add_people(sequence.brand_id, 50, start=start)
        entering.enter_all()
        with CaptureQueriesContext(connection) as queries:
            client.get(url(sequence, "steps"))
        counts.append(len(queries))

    assert counts[0] == counts[1] <= 20


@pytest.mark.parametrize("page", ["steps", "why", "publish"])
def test_pages_of_another_brand_are_not_found(sequence: Sequence, page: str) -> None:
    client = logged_in(BrandFactory.create(), Right.VIEW, Right.EDIT, Right.LAUNCH)

    assert client.get(url(sequence, page)).status_code == 404


@pytest.mark.parametrize(
    ("page", "right"),
    [
        ("pause", Right.LAUNCH),
        ("end", Right.LAUNCH),
        ("draft", Right.EDIT),
        ("remove", Right.EDIT),
    ],
)
def test_deeds_need_their_right(sequence: Sequence, page: str, right: Right) -> None:
    others = [one for one in (Right.VIEW, Right.EDIT, Right.LAUNCH) if one != right]

    refused = logged_in(sequence.brand, *others).post(url(sequence, page))
    allowed = logged_in(sequence.brand, right).post(url(sequence, page))

    assert refused.status_code == 403
    assert allowed.status_code == 302


def test_paused_sequence_holds_its_mails_and_goes_on(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.LAUNCH)

    client.post(url(sequence, "pause"))
    sequence.refresh_from_db()
    states = set(sequence_mailings(sequence))
    client.post(url(sequence, "resume"))

    assert (sequence.state, states) == ("paused", {"paused"})
    assert set(sequence_mailings(sequence)) == {"running"}


def sequence_mailings(sequence: Sequence) -> list[str]:
    steps = SequenceStep.objects.filter(version__sequence=sequence)
    return list(steps.values_list("mailings__mailing__state", flat=True).exclude(mailings=None))


def test_why_page_tells_a_way_and_what_entering_needs(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.VIEW)
    (stranger,) = add_people(sequence.brand_id, 1, start=50)

    told = client.get(url(sequence, "why"), {"address": "P1@people.example"}).context["told"]
    other = client.get(url(sequence, "why"), {"contact": stranger}).context["told"]

    assert [story.what.split(":")[0] for story in told.ways[0].steps] == [
        "waiting",
        "due, within its hours (00",
    ]
    assert other.ways == []
    assert all(check.holds for check in other.entry)


def test_removed_person_gets_no_further_step(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.EDIT)
    person = Enrolment.objects.earliest("pk")

    client.post(url(sequence, "remove"), {"enrolment": person.pk})

    person.refresh_from_db()
    assert (person.state, person.ended_reason) == ("removed", "removed by hand")
    assert "user:" in person.ended_by


def test_draft_is_edited_published_and_people_moved(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.EDIT, Right.LAUNCH)
    client.post(url(sequence, "draft"))
    draft = sequence.versions.get(published_at=None)
    page = client.get(f"/admin/newsletter/sequenceversion/{draft.pk}/change/")

    sent = client.post(
        f"/admin/newsletter/sequenceversion/{draft.pk}/change/", form_of(page, wait="7")
    )
    client.post(url(sequence, "publish"), {"old_people": "move"})

    assert sent.status_code == 302, sent.context and sent.context["errors"]
    draft.refresh_from_db()
    assert (draft.moved, draft.published_at is not None) == (3, True)
    assert set(draft.steps.values_list("wait", flat=True)) == {7}


def form_of(page: Any, **changes: str) -> dict[str, Any]:
    """What a browser would send for the page's formsets, with fields of the steps changed."""
    sent: dict[str, Any] = {}
    for inline in page.context["inline_admin_formsets"]:
        formset = inline.formset
        sent |= {f"{formset.prefix}-{n}": formset.management_form[n].value() for n in
                 ("TOTAL_FORMS", "INITIAL_FORMS", "MIN_NUM_FORMS", "MAX_NUM_FORMS")}  # fmt: skip
        for form in formset.initial_forms:
            for field in form:
                value = changes.get(field.name, field.value())
                sent[field.html_name] = "" if value is None else value
    return sent


def test_published_version_cannot_be_changed(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.EDIT)

    page = client.get(f"/admin/newsletter/sequenceversion/{sequence.current_id}/change/")
    sent = client.post(f"/admin/newsletter/sequenceversion/{sequence.current_id}/change/", {})

    assert page.status_code == 200
    assert "_save" not in page.content.decode()
    assert sent.status_code == 403


def test_version_that_lacks_something_is_not_published(sequence: Sequence) -> None:
    client = logged_in(sequence.brand, Right.EDIT, Right.LAUNCH)
    draft = publishing.draft_of(sequence_id=sequence.pk)
    template = draft.steps.earliest("position").template
    template.html = "<p>Without a way out</p>"
    template.save()

    page = client.post(url(sequence, "publish"), {"old_people": "finish"})

    assert len(page.context["problems"]) == 2
    draft.refresh_from_db()
    assert draft.published_at is None


def test_digest_page_shows_the_next_issue_and_is_steered() -> None:
    digest = DigestFactory.create(active_since=None)
    page_url = f"/admin/newsletter/digest/{digest.pk}/"
    add_people(digest.brand_id, 1)
    client = logged_in(digest.brand, Right.LAUNCH, Right.EDIT)

    page = client.get(f"{page_url}issue/")
    client.post(f"{page_url}activate/")
    client.post(f"{page_url}run/")

    assert page.context["preview"].is_empty
    assert "Due" in page.content.decode()
    assert Digest.objects.active().exists()
    assert digest.issues.get().started_by.startswith("user:")
    assert logged_in(digest.brand, Right.EDIT).post(f"{page_url}run/").status_code == 403


def test_topics_of_another_brand_are_refused() -> None:
    digest = DigestFactory.create()
    client = logged_in(digest.brand, Right.EDIT)
    foreign = TopicFactory.create()
    page = client.get(f"/admin/newsletter/digest/{digest.pk}/change/")
    form = page.context["adminform"].form
    sent = {
        **form_of(page),
        **{name: form[name].value() or "" for name in form.fields},
        "readers": [foreign.pk],
    }

    answer = client.post(f"/admin/newsletter/digest/{digest.pk}/change/", sent)

    assert answer.status_code == 200
    assert "readers" in answer.context["adminform"].form.errors
