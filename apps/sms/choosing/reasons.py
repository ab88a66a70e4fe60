"""Why somebody gets no text now: one name per rule, as counted, shown and explained."""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    NOT_SUBSCRIBED = "not_subscribed"
    OPTED_OUT = "opted_out"
    NO_ZONE = "no_zone"
    STATE_UNKNOWN = "state_unknown"
    OUTSIDE_HOURS = "outside_hours"
    NOT_VERIFIED = "not_verified"
    NOT_ENGAGED = "not_engaged"
    DAILY_LIMIT = "daily_limit"
    TOO_SOON = "too_soon"
    SUPPRESSED = "suppressed"
    STATE_LIMIT = "state_limit"
    NO_MESSAGE_NOW = "no_message_now"
    CAMPAIGN_WEEK = "campaign_week"
    HAD_ALL_TODAY = "had_all_today"
    CAMPAIGN_TOTAL = "campaign_total"


WORDING: dict[str, str] = {
    Reason.NOT_SUBSCRIBED: "has left the brand",
    Reason.OPTED_OUT: "has opted out of everything",
    Reason.NO_ZONE: "the time zone is not known",
    Reason.STATE_UNKNOWN: "the hours of the state are not known",
    Reason.OUTSIDE_HOURS: "it is outside the hours at the person's place",
    Reason.NOT_VERIFIED: "no list sync has seen the opt-in lately",
    Reason.NOT_ENGAGED: "has not been heard of for too long",
    Reason.DAILY_LIMIT: "has had the texts of the day",
    Reason.TOO_SOON: "has had a text a short while ago",
    Reason.SUPPRESSED: "the number is suppressed",
    Reason.STATE_LIMIT: "has had what the state's law allows in 24 hours",
    Reason.NO_MESSAGE_NOW: "no message may go at this hour",
    Reason.CAMPAIGN_WEEK: "has had what each campaign allows in a week",
    Reason.HAD_ALL_TODAY: "has had each message today",
    Reason.CAMPAIGN_TOTAL: "the campaign has reached its total",
}
