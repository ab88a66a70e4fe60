"""A station that sends texts, with the stand-in for Lime: for fault runs and benchmarks.

with TextingStation("bench", lime={"latency_ms": 200}) as running:
    running.start("sweeper", "worker-sms")
    running.reserve(40_000)
    running.open(transport="single", in_flight=1_000, spacing_ms=0)
    running.await_settled(seconds=60)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from apps.sandbox.lime.handle import LimeSandbox
from apps.station.local.ports import LOOPBACK, free_port
from tests import reserved_texts
from tests.stations import SendingStation

if TYPE_CHECKING:
    from collections.abc import Mapping

WORKER = "worker-sms"
LIFTED = {"spacing_ms": 0, "requests_per_minute": 1_000_000}
_USER, _API_ID = "harbour", "sandbox-api-id"
_OPEN_STATES = "('reserved', 'calling')"


class TextingStation(SendingStation):
    """`lime` holds any settings of the stand-in; its limits are lifted unless they are given."""

    lime: LimeSandbox
    texts: dict[str, int]

    def __init__(
        self,
        name: str,
        *,
        lime: Mapping[str, object] | None = None,
        environment: Mapping[str, str] | None = None,
        durable: bool = False,
    ) -> None:
        self._lime_port = free_port()
        self._lime = {"per_second": 0, "per_minute": 0, **(lime or {})}
        url = f"http://{LOOPBACK}:{self._lime_port}"
        super().__init__(
            name, environment={"LIME_API_URL": url, **(environment or {})}, durable=durable
        )

    def _set_up(self) -> None:
        super()._set_up()
        self.lime = LimeSandbox(
            self.station.folder / "lime",
            users={_USER: _API_ID},
            port=self._lime_port,
            **self._lime,
        )
        self._exits.enter_context(self.lime)
        self.texts = self.desk.call("tests.texts_desk:create_texts", user=_USER, api_id=_API_ID)

    @property
    def lime_credentials(self) -> tuple[str, str]:
        return _USER, _API_ID

    def reserve(self, number: int, *, prefix: str = "12125", size: int = 100) -> None:
        """So many people, each with a reserved text, in chunks of `size`."""
        brand = self.texts["brand"]
        reserved_texts.add_people(self._run, brand=brand, number=number, prefix=prefix)
        reserved_texts.reserve(
            self._run,
            brand=brand,
            campaign=self.texts["campaign"],
            message=self.texts["message"],
            prefix=prefix,
            size=size,
        )
        self.execute("ANALYZE sms_senttext, sms_textchunk, sms_subscriber, sms_subscription")

    def _run(self, statement: str, given: Mapping[str, Any]) -> None:
        self.execute(statement, dict(given))

    def configure(self, **settings: object) -> None:
        """Sets fields of the brand's row."""
        columns = ", ".join(f"{name} = %({name})s" for name in settings)
        self.execute(
            f"UPDATE sms_textconfig SET {columns} WHERE brand_id = %(brand)s",
            {**settings, "brand": self.texts["brand"]},
        )

    def switch(self, *, on: bool) -> None:
        self.execute("UPDATE sms_textconfig SET sending = %s WHERE brand_id IS NULL", [on])

    def wake(self, copies: int) -> int:
        account = self.texts["account"]
        return int(self.desk.call("tests.texts_desk:wake", account=account, copies=copies))

    def sync_list(self, list_id: str) -> None:
        """Brings a list of the account in step, from beginning to end."""
        account = self.texts["account"]
        self.desk.call("tests.texts_desk:sync_list", account=account, list_id=list_id)

    def states(self) -> dict[str, int]:
        rows = self.query("SELECT state, count(*) AS number FROM sms_senttext GROUP BY state")
        return {str(row["state"]): int(row["number"]) for row in rows}

    def open_texts(self) -> int:
        """Texts without an outcome."""
        (row,) = self.query(
            f"SELECT count(*) AS number FROM sms_senttext WHERE state IN {_OPEN_STATES}"
        )
        return int(row["number"])

    def await_settled(self, *, seconds: float) -> None:
        """Waits until every text has its outcome."""
        # The chunks are few: counting texts all the time would be a tenth of a benchmark.
        open_chunk = "SELECT 1 FROM sms_textchunk WHERE state <> 'done' LIMIT 1"
        self.wait_until(
            lambda: not self.query(open_chunk) and self.open_texts() == 0,
            seconds=seconds,
            what="all texts to have an outcome",
        )
