"""How far, how fast, how long still: on a clock that the tests turn."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from django.db import OperationalError

from apps.campaigns.showing import PlainLines, in_words, state_in_words
from apps.campaigns.watching import Eyes, Pace, Sight, watch
from apps.mail.models import Mailing
from apps.mail.results import Progress

if TYPE_CHECKING:
    from collections.abc import Iterator

START = Progress(
    state="running",
    state_reason="",
    account_stopped="",
    audience=1000,
    audience_complete=True,
    planned=900,
    sent=0,
    failed=0,
    unknown=0,
    pending=900,
    in_flight=0,
    skipped_later=0,
    skipped_by_reason={"unsubscribed": 100},
)


def at(sent: int, **changes: Any) -> Progress:
    return replace(START, sent=sent, pending=900 - sent, **changes)


@dataclass
class Clock:
    now: float = 0.0

    def read(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


@dataclass
class Notes:
    """A display that keeps what it was shown."""

    sights: list[Sight] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def show(self, sight: Sight) -> None:
        self.sights.append(sight)

    def say(self, text: str) -> None:
        self.said.append(text)


def eyes_on(*looks: Progress | Exception) -> Eyes:
    remaining: Iterator[Progress | Exception] = iter(looks)
    clock = Clock()

    def look() -> Progress:
        seen = next(remaining)
        if isinstance(seen, Exception):
            raise seen
        return seen

    return Eyes(look, clock.read, clock.sleep)


def watched(*looks: Progress | Exception, expected: int = 0) -> Notes:
    notes = Notes()
    watch(Mailing(), notes, expected=expected, eyes=eyes_on(*looks))
    return notes


def test_watch_ends_when_the_mailing_is_completed() -> None:
    last = watch(
        Mailing(), Notes(), eyes=eyes_on(at(0), at(450), at(900), at(900, state="completed"))
    )

    assert last.state == "completed"


def test_watch_ends_when_the_mailing_is_paused() -> None:
    notes = watched(at(100), at(100, state="paused", state_reason="quota"))

    assert notes.sights[-1].progress.state_reason == "quota"


def test_watch_stays_until_a_cancelled_mailing_has_settled() -> None:
    notes = watched(at(100, state="cancelled"), replace(at(900), state="cancelled"))

    assert len(notes.sights) == 2


def test_speed_and_time_left_are_those_of_the_last_seconds() -> None:
    notes = watched(at(0), at(50), at(100), at(900, state="completed"))

    third = notes.sights[2]
    assert third.per_second == 100
    assert third.seconds_left == 8
    assert notes.sights[-1].seconds_left == 0


def test_time_left_is_not_guessed_while_the_audience_is_unknown() -> None:
    growing = at(0, audience_complete=False)
    looks = (growing, replace(growing, sent=50, pending=850), at(900, state="completed"))

    assert watched(*looks).sights[1].seconds_left is None
    assert watched(*looks, expected=2000).sights[1].total == 2000
    assert watched(*looks, expected=2000).sights[1].seconds_left == (2000 - 150) / 100


def test_database_that_is_away_is_waited_for() -> None:
    notes = watched(at(0), OperationalError("gone"), at(900, state="completed"))

    assert len(notes.said) == 1
    assert len(notes.sights) == 2


def test_pace_forgets_what_is_long_ago() -> None:
    pace = Pace()
    for second in range(30):
        pace.note(float(second), done=0 if second < 20 else (second - 19) * 10)

    assert pace.per_second == 10


def test_pace_is_not_negative_when_failed_ones_are_retried() -> None:
    pace = Pace()
    pace.note(0.0, 100)
    pace.note(1.0, 40)

    assert pace.per_second == 0


def sight_of(progress: Progress, *, seconds_left: float | None = None) -> Sight:
    return Sight(progress, progress.audience, per_second=1200.4, seconds_left=seconds_left)


def test_words_name_what_failed_and_what_is_left() -> None:
    progress = replace(at(500), failed=20, unknown=3)

    assert in_words(sight_of(progress, seconds_left=97)) == (
        "623 of 1,000 · 23 failed or unknown · 1,200/s · 0:01:37 left"
    )
    assert in_words(sight_of(at(0, audience_complete=False))) == "100 of 1,000+ · 1,200/s"


def test_stopped_account_is_told() -> None:
    sight = sight_of(at(0, account_stopped="key refused"))

    assert state_in_words(sight) == "running, but the account is stopped (key refused)"


def test_lines_come_every_few_seconds_and_at_each_end() -> None:
    clock, lines = Clock(100.0), list[str]()
    display = PlainLines(lines.append, every_seconds=5, clock=clock.read)

    for _ in range(12):
        display.show(sight_of(at(10)))
        clock.sleep(1)
    display.show(sight_of(at(900, state="completed")))

    assert len(lines) == 4
    assert "completed: 1,000 of 1,000" in lines[-1]
