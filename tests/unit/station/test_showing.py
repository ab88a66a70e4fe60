from __future__ import annotations

import pytest

from apps.station.local.keeping import Addresses
from apps.station.local.showing import print_addresses, print_states, uptime
from apps.station.local.supervision import ProgramState


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "00:00:00"), (59, "00:00:59"), (3_661, "01:01:01"), (86_400 * 2 + 5, "2d 00:00:05")],
)
def test_uptime_reads_like_a_clock(seconds: int, shown: str) -> None:
    assert uptime(seconds) == shown


def test_states_have_a_row_per_process(capsys: pytest.CaptureFixture[str]) -> None:
    print_states(
        [
            ProgramState("web", "web", "RUNNING", 4711, 65),
            ProgramState("sms", "sms-1", "BACKOFF", 0, 0),
        ]
    )

    shown = capsys.readouterr().out
    assert "4711" in shown
    assert "00:01:05" in shown
    assert "backoff" in shown


def test_addresses_say_when_mails_are_real(capsys: pytest.CaptureFixture[str]) -> None:
    print_addresses(
        Addresses(
            web="http://127.0.0.1:8000/",
            admin="http://127.0.0.1:8000/admin/",
            health="http://127.0.0.1:8000/healthz",
            sandbox="",
            admin_user="admin",
            admin_password="generated",
            sandbox_key="",
            database="its own",
            broker="its own",
        )
    )

    shown = capsys.readouterr().out
    assert "off: mails go to the real provider" in shown
    assert "off: texts go to the real provider" in shown
