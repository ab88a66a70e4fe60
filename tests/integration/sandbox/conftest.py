"""One stand-in for all tests of this folder, as good as new for each."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import resend

from apps.sandbox.handle import ResendSandbox
from tests.integration.sandbox.receiver import Receiver
from tests.integration.sandbox.talking import DOMAIN, KEY, OTHER_KEY, RESTRICTED_KEY

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ResendSandbox]:
    sandbox = ResendSandbox(
        tmp_path_factory.mktemp("sandbox"),
        accounts={"main": [KEY, f"{RESTRICTED_KEY}:sending_access"], "other": OTHER_KEY},
        domains=[DOMAIN],
        rate_limit=0,
    )
    with sandbox:
        yield sandbox


@pytest.fixture
def sandbox(running: ResendSandbox) -> ResendSandbox:
    """A stand-in with nothing in it, the limit lifted, and the settings of its start."""
    running.restore()
    running.configure(domains={DOMAIN: "verified"})
    running.reset()
    return running


@pytest.fixture
def sdk(sandbox: ResendSandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    """The official SDK, pointed at the stand-in."""
    monkeypatch.setattr(resend, "api_url", sandbox.url)
    monkeypatch.setattr(resend, "api_key", KEY)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """An HTTP server that takes webhooks."""
    with Receiver() as receiver:
        yield receiver
