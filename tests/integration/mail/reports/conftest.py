"""Mail that has gone out in every way, and its figures counted the slow way."""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import TYPE_CHECKING

from django.db import connection

from apps.mail import outcomes
from apps.mail.claiming import claim_batch
from apps.mail.models import DailyFigure, Message
from apps.mail.outcomes import Attempt, Verdict
from apps.mail.sealing import compose, seal

if TYPE_CHECKING:
    from apps.mail.claiming import ClaimedBatch
    from apps.mail.models import Mailing
    from apps.mail.sealing import Sealed

    Figures = dict[tuple[object, ...], int]

OK = Attempt("accepted", latency_ms=200)


def claimed(mailing: Mailing) -> tuple[ClaimedBatch, Sealed]:
    batch = claim_batch(account_id=mailing.account_id)
    assert batch is not None
    sealed = compose(batch)
    assert seal(batch, sealed)
    return dataclasses.replace(batch, sealed=True, key=sealed.key, attempts=1), sealed


def settle(mailing: Mailing, *, failed: int = 0, unknown: int = 0, reason: str = "refused") -> None:
    """Settles the next batch: the first ones fail, the next are in doubt, the others are sent."""
    batch, sealed = claimed(mailing)
    verdicts = [
        Verdict(Message.State.FAILED, reason)
        if index < failed
        else Verdict(Message.State.UNKNOWN, "key_expired")
        if index < failed + unknown
        else Verdict(Message.State.SENT, provider_id=f"id-{message_id}")
        for index, message_id in enumerate(sealed.message_ids)
    ]
    outcomes.settle(batch, sealed, verdicts, OK)


def kept_figures() -> Figures:
    rows = DailyFigure.objects.exclude(number=0)
    return {
        tuple(row[:-1]): row[-1]
        for row in rows.values_list("brand_id", "mailing_id", "day", "kind", "reason", "number")
    }


def figures_from_messages() -> Figures:
    """Message by message, without any SQL of the figures."""
    counted: Counter[tuple[object, ...]] = Counter()
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, brand_id FROM mail_mailing")
        brands = dict(cursor.fetchall())
    for one in Message.objects.all():
        key = (brands[one.mailing_id], one.mailing_id)
        planned_skip = one.state == "skipped" and one.batch_id is None
        if one.settled_at and not planned_skip:
            reason = "" if one.state == "sent" else one.reason
            counted[(*key, one.settled_at.date(), one.state, reason)] += 1
        kinds = {30: ["delivered"], 35: ["undelivered"], 40: ["bounced"],
                 50: ["delivered", "complained"]}  # fmt: skip
        for kind in kinds.get(one.delivery, []):
            assert one.delivery_at
            counted[(*key, one.delivery_at.date(), kind, "")] += 1
        if one.opened_at:
            counted[(*key, one.opened_at.date(), "opened", "")] += 1
        if one.clicked_at:
            counted[(*key, one.clicked_at.date(), "clicked", "")] += 1
        if one.machine_opened_at:
            counted[(*key, one.machine_opened_at.date(), "auto_opened", "")] += 1
        if one.machine_clicked_at:
            counted[(*key, one.machine_clicked_at.date(), "auto_clicked", "")] += 1
    return dict(counted)
