from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from apps.queues.correlation import bind_correlation_id, clear_correlation_id
from config.logs import hide_tokens

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("Not Found: /unsubscribe/AbC-123_x/", "Not Found: /unsubscribe/…/"),
        ("POST /webhooks/resend/t0k3n", "POST /webhooks/resend/…"),
        ("GET /healthz", "GET /healthz"),
    ],
)
def test_tokens_do_not_reach_the_log(written: str, shown: str) -> None:
    line = hide_tokens(None, "warning", {"event": written, "status": 404})

    assert line == {"event": shown, "status": 404}


class Captured(logging.Handler):
    """Keeps lines as the configured formatter writes them."""

    def __init__(self, formatter: logging.Formatter) -> None:
        super().__init__()
        self.lines: list[str] = []
        self.setFormatter(formatter)

    def emit(self, record: logging.LogRecord) -> None:
        self.lines.append(self.format(record))


@pytest.fixture
def written() -> Iterator[list[str]]:
    (configured,) = [
        one for one in logging.getLogger().handlers if type(one) is logging.StreamHandler
    ]
    assert configured.formatter is not None
    handler = Captured(configured.formatter)
    logging.getLogger().addHandler(handler)
    yield handler.lines
    logging.getLogger().removeHandler(handler)


def test_lines_are_json_with_the_correlation_id(written: list[str]) -> None:
    bind_correlation_id("the-request-1")
    structlog.get_logger("tests.logs").warning("it_happened", queue="events", number=3)
    clear_correlation_id()

    line = json.loads(written[0])
    assert line["event"] == "it_happened"
    assert (line["queue"], line["number"], line["level"]) == ("events", 3, "warning")
    assert line["correlation_id"] == "the-request-1"


def test_no_line_holds_an_address_or_a_key(written: list[str]) -> None:
    logger = structlog.get_logger("tests.logs")
    logging.getLogger("some.library").warning("%s was refused", "ada@example.com")
    logger.error("failed", detail={"to": ["ada@example.com"]}, key="re_12345678abc")
    try:
        int("Key (address)=(ada@example.com) exists")
    except ValueError:
        logger.exception("raised")

    assert len(written) == 3
    assert "example.com" not in "".join(written)
    assert "re_12345678abc" not in "".join(written)
    assert "'Key (address)=(<address>) exists'" in written[2]
