"""The tables of texts, a module per noun."""

from apps.sms.models.campaign import TextCampaign, TextMessage
from apps.sms.models.choice_run import ChoiceRun
from apps.sms.models.config import StateHours, TextConfig
from apps.sms.models.keyword import Keyword
from apps.sms.models.sent_text import SentText, TextChunk
from apps.sms.models.subscriber import Subscriber, Subscription
from apps.sms.models.suppression import PhoneSuppression

__all__ = [
    "ChoiceRun",
    "Keyword",
    "PhoneSuppression",
    "SentText",
    "StateHours",
    "Subscriber",
    "Subscription",
    "TextCampaign",
    "TextChunk",
    "TextConfig",
    "TextMessage",
]
