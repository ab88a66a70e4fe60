"""Joining and leaving lists, by the API, by a person's STOP or by hand, and telling of it."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from apps.sandbox.lime.errors import GENERAL, INVALID_MOBILE, LimeError
from apps.sandbox.lime.numbers import normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sandbox.lime.callbacks import Courier
    from apps.sandbox.lime.lists import Lists
    from apps.sandbox.lime.settings import Settings


def keyword_of(settings: Settings, list_id: str) -> str:
    return settings.keyword.replace("{list_id}", list_id)


def valid(mobile: str) -> str:
    """The number as the log has it; LimeError 107 for no number."""
    found = normal(mobile)
    if found is None:
        raise LimeError(INVALID_MOBILE)
    return found


class Membership:
    """Changes who is in which list. Every change is told to the client's server."""

    def __init__(self, lists: Lists, courier: Courier) -> None:
        self._lists = lists
        self._courier = courier

    def opt_out(self, settings: Settings, *, mobile: str, list_id: str, keyword: str) -> None:
        """Leave one list, by its id or its keyword.

        Raises:
            LimeError: the number is none, or the list is unknown or not one of theirs.
        """
        number = valid(mobile)
        wanted = list_id or self._list_of(settings, keyword)
        if not wanted or not self._lists.has(settings, wanted, number):
            raise LimeError(GENERAL, "The mobile number is not in this list")
        self._lists.leave(wanted, number)
        self._tell(settings, "optout", wanted, number)

    def stop(self, settings: Settings, mobile: str) -> None:
        """Leave all lists, as somebody does who answers STOP."""
        for list_id in self._lists.of(settings, mobile):
            self._lists.leave(list_id, mobile)
        self._tell(settings, "optout-all", "", mobile)

    def happen(
        self, settings: Settings, *, action: str, mobile: str, list_id: str, more: Mapping[str, str]
    ) -> None:
        """Let a person do this: `action` is one of the callbacks' names."""
        if action == "optout-all":
            self.stop(settings, mobile)
            return
        if action == "optin":
            self._lists.join(list_id, mobile, at=datetime.now())  # noqa: DTZ005 - as the provider
        elif action == "optout":
            self._lists.leave(list_id, mobile)
        self._tell(settings, action, list_id, mobile, more)

    def _list_of(self, settings: Settings, keyword: str) -> str:
        for list_id in settings.lists:
            if keyword and keyword in {keyword_of(settings, list_id), list_id}:
                return list_id
        return ""

    def _tell(
        self,
        settings: Settings,
        action: str,
        list_id: str,
        mobile: str,
        more: Mapping[str, str] | None = None,
    ) -> None:
        fields = {"action": action, "mobile_number": mobile}
        if list_id:
            fields |= {"list_id": list_id, "keyword": keyword_of(settings, list_id)}
        self._courier.plan(settings, {**fields, **(more or {})})
