from __future__ import annotations

from typing import Any

import pytest

from apps.sandbox.choices import SettingError
from apps.sandbox.faults import FaultKind
from apps.sandbox.resend.settings import FIELDS, Outcome, Settings


@pytest.mark.parametrize(
    ("name", "given", "value"),
    [
        ("rate_limit", "10", 10),
        ("rate_limit", 0, 0),
        ("rate_window", "fixed", "fixed"),
        ("latency_ms", "12.5", 12.5),
        ("daily_quota", "", None),
        ("daily_quota", None, None),
        ("daily_quota", 0, 0),
        ("remember_errors", "on", True),
        ("webhooks", False, False),
        ("faults", "500_after=0.05, reset_after=0.1", {"500_after": 0.05, "reset_after": 0.1}),
        ("faults", {"429": 1}, {FaultKind.RATE_LIMITED: 1.0}),
        ("faults", "", {}),
        ("fault_script", "1=garbage,3=503", {1: FaultKind.GARBAGE, 3: FaultKind.UNAVAILABLE}),
        ("fault_script", {"2": "delay"}, {2: FaultKind.DELAY}),
        ("event_rates", "bounced=0.5", {Outcome.BOUNCED: 0.5}),
        ("outcomes", "Gone.test=bounced", {"gone.test": Outcome.BOUNCED}),
        ("webhook_url", "http://127.0.0.1:8000/hook", "http://127.0.0.1:8000/hook"),
        ("webhook_secret", "whsec_c2VjcmV0", "whsec_c2VjcmV0"),
    ],
)
def test_setting_is_read_from_text_and_json(name: str, given: object, value: Any) -> None:
    assert getattr(Settings().changed({name: given}), name) == value


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("rate_limt", 5, "rate_limt: no such setting"),
        ("rate_limit", -1, "rate_limit: expected a whole number from 0 up, found -1"),
        ("rate_limit", "fast", "found 'fast'"),
        ("rate_limit", True, "a whole number"),
        ("rate_window", "tumbling", "one of sliding, fixed"),
        ("latency_ms", -5, "a number from 0 up"),
        ("latency_ms", "nan", "a number from 0 up"),
        ("webhook_duplicates", 1.5, "a number from 0 to 1"),
        ("remember_errors", "maybe", "on or off"),
        ("faults", "500=0.1", "'500' is not a valid FaultKind"),
        ("faults", "garbage", "'garbage' has no ="),
        ("faults", "garbage=0.6,503=0.6", "add up to at most 1"),
        ("faults", ["garbage"], "faults: expected"),
        ("fault_script", "0=garbage", "a whole number from 1 up"),
        ("event_rates", "delivered=0.5", "is not one of"),
        ("outcomes", "gone.test=vanished", "vanished"),
        ("webhook_url", "https://127.0.0.1/", "speaks no TLS"),
        ("webhook_secret", "whsec_?", "whsec_ and base64"),
    ],
)
def test_bad_setting_is_named_with_what_fits(name: str, given: object, expected: str) -> None:
    with pytest.raises(SettingError, match=name) as caught:
        Settings().changed({name: given})

    assert expected in str(caught.value)


def test_every_setting_has_a_help_text_and_reads_its_own_default() -> None:
    defaults = Settings()

    for name, setting in FIELDS.items():
        default = getattr(defaults, name)
        assert setting.metadata["help"]
        assert getattr(defaults.changed({name: default}), name) == default
