from __future__ import annotations

from typing import TYPE_CHECKING

from apps.sandbox.handle import ResendSandbox

if TYPE_CHECKING:
    from pathlib import Path

LINE = (
    b'{"t":1.5,"account":"main","id":"1","index":0,"to":["ada@example.org"],"from":"n@news.example",'
    b'"subject":"s","tags":{},"key":"k","sha256":"00","list_unsubscribe":null}\n'
)


def test_line_that_is_still_being_written_is_left_out(tmp_path: Path) -> None:
    sandbox = ResendSandbox(tmp_path, accounts={})
    sandbox.accepted_log.write_bytes(LINE + LINE[:40])

    [message] = sandbox.accepted()

    assert (message.id, message.to, message.sender) == ("1", ("ada@example.org",), "n@news.example")


def test_log_that_is_not_there_yet_is_empty(tmp_path: Path) -> None:
    assert list(ResendSandbox(tmp_path, accounts={}).requests()) == []


def test_settings_become_options(tmp_path: Path) -> None:
    sandbox = ResendSandbox(
        tmp_path,
        accounts={"main": ["re_1", "re_2:sending_access"]},
        domains=["news.example"],
        rate_limit=0,
        webhooks=False,
        faults={"garbage": 0.5, "503": 0.1},
        daily_quota=None,
    )

    options = " ".join(sandbox.command(tmp_path / "port")[3:])

    assert "--account main:re_1 --account main:re_2:sending_access" in options
    assert "--domain news.example --rate-limit 0 --webhooks off" in options
    assert options.endswith("--faults garbage=0.5,503=0.1 --daily-quota ")
