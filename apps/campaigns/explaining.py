"""Would this person get it, and why not: one address against a draft."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from django.db import connection

from apps.campaigns import audience, references
from apps.campaigns.counting import CAMPAIGN_CLASS
from apps.campaigns.dry_run_rows import EXCLUDED, in_words
from apps.campaigns.selecting import conditions, select
from apps.contacts.addresses import normalise
from apps.contacts.models import Contact
from apps.mail.planning import people_sql

if TYPE_CHECKING:
    from apps.campaigns.models import Campaign
    from apps.campaigns.selecting import Condition, Conditions


@dataclass(frozen=True)
class Explanation:
    """`contact_id` is None for an address that is no contact of the brand.

    `in_audience`: meets all rules that choose people. `reason` is why somebody in the audience is
    skipped, "" where they would get it. `not_met` and `excluded_by` are rules in words.
    """

    contact_id: int | None
    in_audience: bool = False
    reason: str = ""
    not_met: tuple[str, ...] = ()
    excluded_by: tuple[str, ...] = ()

    @property
    def would_get(self) -> bool:
        return self.in_audience and not self.reason

    @property
    def words(self) -> str:
        """One sentence for an operator."""
        if self.contact_id is None:
            return "No: the brand has no contact with this address."
        if not self.in_audience:
            return f"No: not in the audience, which asks for: {'; '.join(self.not_met)}."
        if self.reason == EXCLUDED:
            return f"No: excluded, as this holds: {'; '.join(self.excluded_by)}."
        return f"No: {in_words(self.reason)}." if self.reason else "Yes."


def explain(campaign: Campaign, *, address: str) -> Explanation:
    """As a launch now would decide, by the same statement; three queries and those for names.

    Raises `contacts.errors.InvalidAddressError`, `InvalidAudienceError`, `UnknownReferenceError`.
    """
    looked_up = normalise(address).address
    contact_id = (
        Contact.objects.of_brand(campaign.brand_id)
        .with_addresses([looked_up])
        .values_list("pk", flat=True)
        .first()
    )
    if contact_id is None:
        return Explanation(None)
    rules = audience.parse(campaign.audience)
    found = references.resolve(rules, brand_id=campaign.brand_id).references
    people, params = people_sql(select(rules, found), CAMPAIGN_CLASS, size=1)
    bounds = {"brand": campaign.brand_id, "cursor": contact_id - 1, "until": contact_id}
    with connection.cursor() as cursor:
        cursor.execute(people, {**params, **bounds})
        row = cursor.fetchone()
    one_by_one = conditions(rules, found)
    if row is None:
        unmet = _which(one_by_one, one_by_one.include, contact_id, holds=False)
        return Explanation(contact_id, not_met=unmet)
    reason = row[2] or ""
    excluded = reason == EXCLUDED
    by = _which(one_by_one, one_by_one.exclude, contact_id, holds=True) if excluded else ()
    return Explanation(contact_id, in_audience=True, reason=reason, excluded_by=by)


def _which(
    rules: Conditions, asked: tuple[Condition, ...], contact_id: int, *, holds: bool
) -> tuple[str, ...]:
    """Those of `asked` that hold for the contact, or that do not; in words."""
    columns = ", ".join(f"coalesce({one.sql}, false)" for one in asked)
    params: dict[str, Any] = {**rules.params, "contact": contact_id}
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT {columns} FROM contacts_contact c WHERE c.id = %(contact)s", params)
        answers = cursor.fetchone()
    return tuple(one.words for one, answer in zip(asked, answers, strict=True) if answer is holds)
