"""The tables of texts, a module per noun."""

from apps.sms.models.backfill import Backfill
from apps.sms.models.callback import LimeCallback, TextReply
from apps.sms.models.campaign import TextCampaign, TextMessage
from apps.sms.models.choice_run import ChoiceRun
from apps.sms.models.config import StateHours, TextConfig
from apps.sms.models.figure import TextDayDue, TextFigure
from apps.sms.models.keyword import Keyword
from apps.sms.models.opt_in_list import ListMember, ListReject, ListSyncRun, OptInList
from apps.sms.models.permission import KeyBrand, SubscribeFlag
from apps.sms.models.sent_text import SentText, TextChunk
from apps.sms.models.subscriber import Subscriber, Subscription
from apps.sms.models.suppression import PhoneSuppression
from apps.sms.models.tally import CampaignTally, TextTally, TextTallyChange
from apps.sms.models.tracking import EventKey, EventSource, TextLink, TrackingEvent

__all__ = [
    "Backfill",
    "CampaignTally",
    "ChoiceRun",
    "EventKey",
    "EventSource",
    "KeyBrand",
    "Keyword",
    "LimeCallback",
    "ListMember",
    "ListReject",
    "ListSyncRun",
    "OptInList",
    "PhoneSuppression",
    "SentText",
    "StateHours",
    "SubscribeFlag",
    "Subscriber",
    "Subscription",
    "TextCampaign",
    "TextChunk",
    "TextConfig",
    "TextDayDue",
    "TextFigure",
    "TextLink",
    "TextMessage",
    "TextReply",
    "TextTally",
    "TextTallyChange",
    "TrackingEvent",
]
