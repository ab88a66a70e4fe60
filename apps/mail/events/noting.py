"""Keeping what events tell beyond how far a mail has come: opens, clicks, bounces.

Each is a row with a key made of what it says, so that an event that comes twice
counts once.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from django.db import connection

from apps.mail.events.machines import recogniser
from apps.mail.reports.links import LINKS_KEPT, OTHER_LINKS, normalise

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from apps.mail.events.machines import Suspicion
    from apps.mail.events.suppressing import Match

    # Mailing and normalised address.
    LinkName = tuple[int, str]

_KNOWN_LINKS = "SELECT mailing_id, url, id FROM mail_link WHERE mailing_id = ANY(%s)"
# Two pages that meet the same new link: the second waits here, and both get the one row. In one
# order, so that they do not wait for each other crosswise.
_ADD_LINKS = """
INSERT INTO mail_link (mailing_id, url)
SELECT * FROM unnest(%s::bigint[], %s::text[]) AS given (mailing_id, url) ORDER BY 1, 2
ON CONFLICT (mailing_id, url) DO UPDATE SET url = excluded.url
RETURNING mailing_id, url, id
"""
_ADD_CLICKS = """
INSERT INTO mail_click (month, link_id, message_id, clicked_at, machine, haste)
SELECT * FROM unnest(%s::date[], %s::bigint[], %s::bigint[], %s::timestamptz[], %s::text[],
                     %s::real[])
ON CONFLICT DO NOTHING
"""
_ADD_OPENS = """
INSERT INTO mail_open (month, message_id, opened_at, machine, haste)
SELECT * FROM unnest(%s::date[], %s::bigint[], %s::timestamptz[], %s::text[], %s::real[])
ON CONFLICT DO NOTHING
"""
_ADD_BOUNCES = """
INSERT INTO mail_bounce (month, mailing_id, message_id, domain, kind, detail, bounced_at)
SELECT * FROM unnest(%s::date[], %s::bigint[], %s::bigint[], %s::text[], %s::text[], %s::text[],
                     %s::timestamptz[])
ON CONFLICT DO NOTHING
"""


def note_clicks(matches: Iterable[Match]) -> None:
    """At most three statements, however many clicks."""
    clicks = [match for match in matches if match.report.clicked_at is not None]
    if not clicks:
        return
    named = {match: (match.report.mailing_id, normalise(match.report.link)) for match in clicks}
    links = _links(set(named.values()))
    suspicions = _suspicions(clicks)
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD_CLICKS,
            [
                [match.target.month for match in clicks],
                [links[named[match]] for match in clicks],
                [match.target.id for match in clicks],
                [match.report.clicked_at for match in clicks],
                [one.machine for one in suspicions],
                [one.haste for one in suspicions],
            ],
        )


def note_opens(matches: Iterable[Match]) -> None:
    """One statement, however many opens."""
    opens = [match for match in matches if match.report.opened_at is not None]
    if not opens:
        return
    suspicions = _suspicions(opens)
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD_OPENS,
            [
                [match.target.month for match in opens],
                [match.target.id for match in opens],
                [match.report.opened_at for match in opens],
                [one.machine for one in suspicions],
                [one.haste for one in suspicions],
            ],
        )


def _suspicions(matches: Iterable[Match]) -> list[Suspicion]:
    known = recogniser()
    return [known.suspect(agent=match.report.agent, ip=match.report.ip) for match in matches]


def _links(names: Collection[LinkName]) -> dict[LinkName, int]:
    with connection.cursor() as cursor:
        cursor.execute(_KNOWN_LINKS, [sorted({mailing for mailing, _ in names})])
        links: dict[LinkName, int] = {(row[0], row[1]): row[2] for row in cursor.fetchall()}
        wanted = _wanted(names, links)
        added = sorted(set(wanted.values()) - links.keys())
        if added:
            cursor.execute(_ADD_LINKS, [[one for one, _ in added], [url for _, url in added]])
            links |= {(row[0], row[1]): row[2] for row in cursor.fetchall()}
    return {name: links[wanted[name]] for name in names}


def _wanted(names: Iterable[LinkName], links: Iterable[LinkName]) -> dict[LinkName, LinkName]:
    """Under which link each is kept: itself, unless its mailing has too many already."""
    known = set(links)
    number = Counter(mailing for mailing, _ in known)
    wanted: dict[LinkName, LinkName] = {}
    for name in sorted(names):
        mailing = name[0]
        if name in known or number[mailing] < LINKS_KEPT:
            number[mailing] += name not in known
            known.add(name)
            wanted[name] = name
        else:
            wanted[name] = (mailing, OTHER_LINKS)
    return wanted


def note_bounces(matches: Iterable[Match]) -> None:
    """One statement, however many bounces; the first one told of a mail is kept."""
    bounces = [
        (match, match.report.bounce, match.report.standing_at)
        for match in matches
        if match.report.bounce is not None and match.report.standing_at is not None
    ]
    if not bounces:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            _ADD_BOUNCES,
            [
                [match.target.month for match, _, _ in bounces],
                [match.report.mailing_id for match, _, _ in bounces],
                [match.target.id for match, _, _ in bounces],
                [_domain(match) for match, _, _ in bounces],
                [cause.kind for _, cause, _ in bounces],
                [cause.detail for _, cause, _ in bounces],
                [at for _, _, at in bounces],
            ],
        )


def _domain(match: Match) -> str:
    """Of the address the mail was sent to, by our ledger or else by the event."""
    address = match.target.address or match.report.address
    return address.rpartition("@")[2].lower()[:255]
