"""Headless Chromium in front of a whole station: `make browser`.

Not part of `make test`: it wants Debian's Chromium and requirements/browser.txt. Every step that
is worth a look leaves a picture in var/browser/.
"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest
from playwright.sync_api import Browser, sync_playwright

from apps.station.local.instance import PROJECT
from apps.station.local.ports import LOOPBACK
from tests.browser.operators import PASSWORD
from tests.browser.operators_desk import OperatorsDesk
from tests.stations import CAMPAIGN_PROGRAMS, WEBHOOK_PROGRAMS, SendingStation

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

PEOPLE = 600
UNSUBSCRIBED = 5
_PATIENCE_MS = 60_000


@pytest.fixture(scope="session")
def station() -> Iterator[SendingStation]:
    with SendingStation(
        "test",
        environment={"FLUX_SWEEP_SECONDS": "0.2"},
        # Slow enough to be watched and paused.
        sandbox={
            "rate_limit": 2,
            "latency_ms": 100,
            "event_rates": {"opened": 0.5, "clicked": 0.4, "bounced": 0.05},
        },
        webhooks=True,
    ) as running:
        running.start(
            *CAMPAIGN_PROGRAMS, *WEBHOOK_PROGRAMS, "worker-single-email", "worker-imports"
        )
        running.add_contacts(PEOPLE, traits={"plan": "pro"})
        running.query(
            "UPDATE contacts_contact SET status = 'unsubscribed'"
            " WHERE id IN (SELECT id FROM contacts_contact ORDER BY id LIMIT %s) RETURNING id",
            [UNSUBSCRIBED],
        )
        running.desk.call("tests.browser.operators:create_operators", brand=running.brand_id)
        running.desk.call(
            "tests.browser.operators:create_topic", brand=running.brand_id, slug="news"
        )
        yield running


@pytest.fixture(scope="session")
def pictures() -> Path:
    folder = PROJECT / "var" / "browser"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    found = subprocess.run(  # noqa: S603 - a script of ours, without arguments from outside
        ["/bin/sh", str(PROJECT / "deploy" / "find-chromium")],
        check=True,
        stdout=subprocess.PIPE,
        text=True,
    )
    with sync_playwright() as playwright:
        # A container's root has no sandbox to give; the only pages shown are the station's own.
        yield playwright.chromium.launch(
            executable_path=found.stdout.strip(), args=["--no-sandbox"]
        )


@pytest.fixture
def open_desk(
    browser: Browser, station: SendingStation, pictures: Path
) -> Iterator[Callable[..., OperatorsDesk]]:
    """Logs somebody in: `open_desk("anna", width=390, dark=True)`."""
    opened: list[OperatorsDesk] = []

    def log_in(name: str, *, width: int = 1280, dark: bool = False) -> OperatorsDesk:
        page = browser.new_page(
            base_url=f"http://{LOOPBACK}:{station.station.web_port}",
            viewport={"width": width, "height": 900},
            color_scheme="dark" if dark else "light",
            accept_downloads=True,
        )
        page.set_default_timeout(_PATIENCE_MS)
        desk = OperatorsDesk(page, pictures=pictures)
        opened.append(desk)
        desk.log_in(name, PASSWORD)
        return desk

    yield log_in
    for desk in opened:
        desk.page.close()
    assert [complaint for desk in opened for complaint in desk.complaints] == []
