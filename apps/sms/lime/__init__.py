"""Lime Cellular: requests and answers, connections of our own, one table of what errors mean."""

from apps.sms.lime.answers import judge_bulk, judge_one, judge_status
from apps.sms.lime.client import CallNotes, LimeClient
from apps.sms.lime.exchanges import Exchange, Fate, Reply
from apps.sms.lime.payloads import Credentials, Send, UnsendableError, checked
from apps.sms.lime.pool import Pool
from apps.sms.lime.verdicts import Kind, Verdict

__all__ = [
    "CallNotes",
    "Credentials",
    "Exchange",
    "Fate",
    "Kind",
    "LimeClient",
    "Pool",
    "Reply",
    "Send",
    "UnsendableError",
    "Verdict",
    "checked",
    "judge_bulk",
    "judge_one",
    "judge_status",
]
