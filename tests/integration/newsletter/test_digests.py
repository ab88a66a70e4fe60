"""One digest per brand and week, whatever happens to sources, beats and workers."""

from __future__ import annotations

import threading
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any

import pytest
from django.db import connection
from django.db.models.functions import Now
from django.utils import timezone

from apps.mail.models import Content, Mailing, Message
from apps.newsletter.digests import composing, planning, previewing, sources, starting
from apps.newsletter.models import (
    Digest,
    DigestIssue,
    DigestItem,
    DigestSource,
    RunRecord,
    SourceReading,
)
from apps.queues.models import Alert
from tests.factories.contacts import TopicFactory, TopicSubscriptionFactory
from tests.factories.newsletter import DigestFactory, add_people

if TYPE_CHECKING:
    from collections.abc import Iterator

pytestmark = pytest.mark.django_db

RSS = """<rss version="2.0"><channel>
<item><title>First &lt;b&gt;news&lt;/b&gt;</title><link>https://news.example/1</link></item>
<item><title>Second</title><link>https://news.example/2</link></item></channel></rss>"""


class Feed:
    """A server of one feed that can be told to fail."""

    def __init__(self) -> None:
        self.status, self.body, self.requests = 200, RSS, 0
        outer = self

        class Answer(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.requests += 1
                body = outer.body.encode()
                self.send_response(outer.status)
                self.send_header("Location", "http://127.0.0.1:1/")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answer)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/feed"


@pytest.fixture
def feed(settings: Any) -> Iterator[Feed]:
    settings.FEED_LOOPBACK, settings.FEED_TRIES, settings.FEED_RETRY_SECONDS = True, 2, 0.05
    one = Feed()
    yield one
    one.server.shutdown()
    one.server.server_close()


@pytest.fixture
def digest(feed: Feed) -> Digest:
    made: Digest = DigestFactory.create(active_since=Now() - timedelta(days=30))
    DigestSource.objects.create(digest=made, name="News", url=feed.url)
    return made


def run() -> None:
    """What a tick does, until nothing is left to be read again."""
    starting.start_due()
    composing.compose_due()
    SourceReading.objects.filter(state="waiting").update(due_at=Now() - timedelta(seconds=1))
    composing.compose_due()


def alert_kinds() -> set[str]:
    return set(Alert.objects.filter(cleared_at=None).values_list("kind", flat=True))


def issue_of(digest: Digest) -> DigestIssue:
    return DigestIssue.objects.get(digest=digest)


def test_week_goes_out_to_its_readers_with_its_articles(digest: Digest) -> None:
    topic = TopicFactory.create(brand=digest.brand)
    digest.readers.add(topic)
    reader, _ = add_people(digest.brand_id, 2)
    TopicSubscriptionFactory.create(topic=topic, contact_id=reader)

    run()
    planning.plan_digest(issue_id=issue_of(digest).pk)

    issue = issue_of(digest)
    assert (issue.state, len(issue.items), issue.marks) == ("out", 2, [])
    assert list(Message.objects.values_list("contact_id", "state")) == [(reader, "pending")]
    variables = Content.objects.get().variables
    assert [item["title"] for item in variables["items"]] == ["First news", "Second"]
    assert alert_kinds() == set()


def test_second_tick_and_second_call_start_nothing_again(digest: Digest) -> None:
    run()
    run()
    again = starting.start_this_week(digest=digest, actor="key:1 cron")

    assert not again.is_new
    assert DigestIssue.objects.count() == Mailing.objects.count() == 1


def test_crash_between_mailing_and_mark_loses_and_doubles_nothing(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    starting.start_due()

    def die(*_: object, **__: object) -> None:
        raise RuntimeError("killed")

    with monkeypatch.context() as patch:
        patch.setattr(composing, "_end", die)
        with pytest.raises(RuntimeError):
            composing.compose_due()
    assert not Mailing.objects.exists()
    assert issue_of(digest).state == "composing"

    composing.compose_due()

    assert issue_of(digest).state == "out"
    assert Mailing.objects.count() == 1


def test_source_that_fails_is_tried_again_and_then_its_last_articles_stand_in(
    digest: Digest, feed: Feed
) -> None:
    DigestSource.objects.update(items=[{"title": "Old", "url": "https://news.example/old"}])
    feed.status = 500

    run()

    issue = issue_of(digest)
    assert feed.requests == 2
    assert [item["title"] for item in issue.items] == ["Old"]
    assert issue.marks == [{"source": "News", "used": "what it gave last", "error": "answered 500"}]
    assert alert_kinds() == {"digest_source"}
    assert list(RunRecord.objects.filter(name="digest.read").values_list("outcome", flat=True)) == [
        "failed",
        "failed",
    ]


def test_source_without_last_articles_leaves_the_fallback_set(digest: Digest, feed: Feed) -> None:
    DigestItem.objects.create(digest=digest, title="Best of", url="https://a.b/", is_fallback=True)
    feed.body = "<!DOCTYPE x><rss/>"

    run()

    assert [item["title"] for item in issue_of(digest).items] == ["Best of"]
    assert issue_of(digest).marks[0]["used"] == "the fallback set"


def test_redirects_are_not_followed(digest: Digest, feed: Feed) -> None:
    feed.status = 302

    run()

    assert SourceReading.objects.get().error == "answered 302: redirects are not followed"


def test_empty_week_is_skipped_and_told(digest: Digest, feed: Feed) -> None:
    feed.body = "<rss><channel/></rss>"

    run()

    issue = issue_of(digest)
    assert (issue.state, issue.mailing_id) == ("skipped", None)
    assert alert_kinds() == {"digest_empty"}


def test_empty_week_with_fallback_goes_out_and_is_told_too(digest: Digest, feed: Feed) -> None:
    feed.body = "<rss><channel/></rss>"
    Digest.objects.update(empty_rule="fallback")
    DigestItem.objects.create(digest=digest, title="Best of", url="https://a.b/", is_fallback=True)

    run()

    issue = issue_of(digest)
    assert (issue.state, issue.is_fallback, len(issue.items)) == ("out", True, 1)
    assert alert_kinds() == {"digest_empty"}


def test_own_article_goes_out_in_one_issue_only(digest: Digest) -> None:
    item = DigestItem.objects.create(digest=digest, title="Ours", url="https://own.example/1")

    run()

    item.refresh_from_db()
    assert item.issue == issue_of(digest)
    assert issue_of(digest).items[0]["title"] == "Ours"


def test_what_went_out_is_no_news_in_the_next_week(digest: Digest) -> None:
    run()
    DigestIssue.objects.update(year=2020, week=1)

    run()

    newest = DigestIssue.objects.latest("pk")
    assert newest.state == "skipped"


def test_slot_before_the_activation_gets_no_issue(digest: Digest) -> None:
    Digest.objects.update(active_since=Now())

    assert starting.start_due() == 0


def test_station_that_was_down_too_long_misses_the_week_and_tells(
    digest: Digest, monkeypatch: pytest.MonkeyPatch
) -> None:
    slot = starting._newest(digest, timezone.now())
    late = slot.at + timedelta(hours=digest.late_hours, minutes=1)
    monkeypatch.setattr(starting, "database_now", lambda: late)

    starting.start_due()
    starting.start_due()

    assert issue_of(digest).state == "missed"
    assert alert_kinds() == {"digest_missed"}


def test_template_without_duties_waits_for_somebody_to_mend_it(digest: Digest) -> None:
    digest.template.html = "<p>{{ campaign.name }}</p>"
    digest.template.save()

    run()

    assert issue_of(digest).state == "composing"
    assert alert_kinds() == {"digest_refused"}
    assert not list(composing.due_issues())


def test_preview_shows_what_a_contact_would_get(digest: Digest) -> None:
    sources.read_now(digest_id=digest.pk)
    (person,) = add_people(digest.brand_id, 1)

    seen = previewing.preview(digest=digest, contact_id=person)

    assert (seen.articles, seen.is_empty, seen.flaws) == (2, False, ())
    assert "First news" in seen.html
    assert "&lt;b&gt;" not in seen.html


@pytest.mark.django_db(transaction=True)
def test_two_beats_at_once_make_one_issue_and_one_mailing(settings: Any, feed: Feed) -> None:
    digest = DigestFactory.create(active_since=Now() - timedelta(days=30))
    DigestItem.objects.create(digest=digest, title="Ours", url="https://own.example/1")
    barrier = threading.Barrier(4)

    def tick() -> None:
        barrier.wait()
        try:
            starting.start_due()
            composing.compose_due()
        finally:
            connection.close()

    threads = [threading.Thread(target=tick) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()

    assert issue_of(digest).state == "out"
    assert Mailing.objects.count() == 1
