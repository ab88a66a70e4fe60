"""Everything about the stand-in that can be set at start and changed while it runs."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from apps.sandbox.choices import (
    SettingError,
    number,
    one_of,
    optional,
    pairs,
    read,
    switch,
    text,
    whole,
)
from apps.sandbox.knobs import about, fault_rates, fault_script, plain_url, rates
from apps.sandbox.lime.errors import MESSAGES
from apps.sandbox.lime.numbers import CAPACITY, normal

if TYPE_CHECKING:
    from collections.abc import Mapping

    from apps.sandbox.faults import FaultKind


class Latency(StrEnum):
    FIXED = "fixed"
    """`latency_ms` for each."""
    JITTERED = "jittered"
    """90 % of 150 to 200 ms, 9 % of 200 to 500, 1 % of 1.5 s."""


class ListFault(StrEnum):
    """What is wrong with the next lists, until it is set to another."""

    NONE = ""
    CUT = "cut"
    """The document ends between two people, without its closing tag."""
    CUT_RECORD = "cut_record"
    """It ends in the middle of a person."""
    RESET = "reset"
    """The connection is reset half-way."""
    CLAIMS_10_GB = "claims_10_gb"
    """A length of 10 GB is announced; the connection is closed behind the document."""
    ENTITY_BOMB = "entity_bomb"
    EXTERNAL_ENTITY = "external_entity"
    WRONG_CHARSET = "wrong_charset"
    """Latin-1 bytes in what calls itself UTF-8."""
    NOT_XML = "not_xml"
    """An HTML page with status 200."""
    ERROR = "error"
    """500 and a text."""
    EMPTY = "empty"
    """A whole document with nobody in it."""


@dataclass(frozen=True, slots=True)
class Span:
    """The made-up people of a list: so many, from this place of the endless row on."""

    count: int
    start: int = 0

    def __str__(self) -> str:
        return f"{self.count}@{self.start}"


def _span(value: object) -> Span:
    count, _, start = str(value).partition("@")
    span = Span(whole(0)(count), whole(0)(start or "0"))
    if span.start + span.count > CAPACITY:
        raise SettingError(f"at most {CAPACITY} people, counted with the start")
    return span


def _list_id(name: str) -> str:
    if not name.isdigit():
        raise SettingError("a list id of digits")
    return name


def _error_id(value: object) -> int:
    known = whole(0)(value)
    if known not in MESSAGES:
        raise SettingError(f"one of {', '.join(map(str, MESSAGES))}")
    return known


def _mobile(name: str) -> str:
    mobile = normal(name)
    if mobile is None:
        raise SettingError(f"{name!r} is no number of 10 to 15 digits")
    return mobile


def _default_lists() -> dict[str, Span]:
    return {"71441": Span(1000)}


@dataclass(frozen=True, slots=True)
class Settings:
    """Values in the units their names carry."""

    per_second: int = field(
        default=50, metadata=about(whole(0), "requests per second and user; 0 lifts the limit")
    )
    per_minute: int = field(
        default=1000, metadata=about(whole(0), "requests per minute and user; 0 lifts the limit")
    )
    latency: Latency = field(
        default=Latency.FIXED,
        metadata=about(lambda given: Latency(one_of(*Latency)(given)), "how latency is drawn"),
    )
    latency_ms: float = field(
        default=0.0, metadata=about(number(0), "time from request to answer, where it is fixed")
    )
    faults: dict[FaultKind, float] = field(
        default_factory=dict,
        metadata=about(fault_rates, "faults of sends by rate: 500_after=0.05,reset_after=0.05"),
    )
    fault_script: dict[int, FaultKind] = field(
        default_factory=dict, metadata=about(fault_script, "faults of the n-th sends")
    )
    seed: int = field(
        default=1, metadata=about(whole(0), "fixes which sends fail and who is refused or leaves")
    )
    hang_seconds: float = field(
        default=120.0, metadata=about(number(0), "how long a timeout fault says nothing")
    )
    drip_interval_seconds: float = field(
        default=0.5, metadata=about(number(0), "pause between bytes of a slow drip")
    )
    delay_seconds: float = field(
        default=2.0, metadata=about(number(0), "how late a delay fault answers")
    )
    json_errors_as_200: bool = field(
        default=True, metadata=about(switch, "where JSON was asked for, errors answer 200")
    )
    swapped_103_105: bool = field(
        default=False, metadata=about(switch, "103 is the unknown user, 105 the empty message")
    )
    credits: int | None = field(
        default=None, metadata=about(optional(whole(0)), "texts each user may send; empty for any")
    )
    require_opt_in: bool = field(
        default=False, metadata=about(switch, "refuse numbers that are in no list, with 108")
    )
    refused: dict[str, int] = field(
        default_factory=dict,
        metadata=about(
            pairs(_mobile, _error_id, form="number=error id"), "numbers refused with this error id"
        ),
    )
    refusal_rates: dict[int, float] = field(
        default_factory=dict,
        metadata=about(rates(_error_id), "share of numbers refused, by error id: 108=0.01"),
    )
    lists: dict[str, Span] = field(
        default_factory=_default_lists,
        metadata=about(
            pairs(_list_id, _span, form="id=count@start,id=count"), "made-up people of each list"
        ),
    )
    list_days: int = field(
        default=0,
        metadata=about(
            whole(0), "made-up people opted in within so many days before the start; 0: in 2012"
        ),
    )
    keyword: str = field(
        default="LIST{list_id} (71441-US)",
        metadata=about(text, "the keyword of a list; {list_id} stands for its id"),
    )
    list_fault: ListFault = field(
        default=ListFault.NONE,
        metadata=about(
            lambda given: ListFault(one_of(*ListFault)(given)), "what is wrong with each list"
        ),
    )
    list_broken_every: int = field(
        default=0, metadata=about(whole(0), "each n-th person has no number, or a broken one")
    )
    list_pause_ms: float = field(
        default=0.0, metadata=about(number(0), "pause between pieces of some 250 people")
    )
    callback_url: str | None = field(
        default=None, metadata=about(optional(plain_url), "where opt-ins and opt-outs are told")
    )
    callback_method: str = field(
        default="GET", metadata=about(one_of("GET", "POST"), "how they are told")
    )
    callback_delay_ms: float = field(
        default=0.0, metadata=about(number(0), "how much later they are told")
    )
    callback_duplicates: float = field(
        default=0.0, metadata=about(number(0, 1), "share of callbacks made twice")
    )
    callback_timeout_seconds: float = field(
        default=15.0, metadata=about(number(0), "then a callback counts as failed")
    )
    optout_rate: float = field(
        default=0.0, metadata=about(number(0, 1), "share of people who answer a text with STOP")
    )

    def changed(self, changes: Mapping[str, object]) -> Settings:
        """These settings with the given ones replaced.

        Raises:
            SettingError: a name is unknown or a value does not fit; nothing was changed.
        """
        return replace(self, **{name: _parse(name, value) for name, value in changes.items()})


FIELDS = {setting.name: setting for setting in fields(Settings)}


def _parse(name: str, value: object) -> Any:
    if name not in FIELDS:
        raise SettingError(f"{name}: no such setting; there are {', '.join(FIELDS)}")
    return read(name, FIELDS[name].metadata["parse"], value)
