"""The stand-in for Lime over real connections."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlencode, urlsplit
from xml.sax.saxutils import escape

import orjson
import pytest

from apps.sandbox.lime.handle import LimeSandbox, people

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

STRANGER = (
    b"<Data><User>x</User><ApiId>y</ApiId><Message>Hi</Message><Mobile>12125550100</Mobile></Data>"
)
KEY = {"user": "harbour", "api_id": "secret"}


@dataclass(frozen=True)
class Reply:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return orjson.loads(self.body)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LimeSandbox]:
    folder = tmp_path_factory.mktemp("lime")
    with LimeSandbox(folder, users={"harbour": "secret"}, per_second=0, per_minute=0) as sandbox:
        yield sandbox


@pytest.fixture
def lime(running: LimeSandbox) -> LimeSandbox:
    running.restore()
    running.reset()
    return running


def call(lime: LimeSandbox, method: str, path: str, body: bytes | None = None) -> Reply:
    connection = HTTPConnection(urlsplit(lime.url).netloc, timeout=10)
    try:
        connection.request(method, path, body)
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Reply(answer.status, found, answer.read())
    finally:
        connection.close()


def ask(lime: LimeSandbox, ev: str, **query: str) -> Reply:
    return call(lime, "GET", f"/limeApi?{urlencode({'ev': ev, **KEY, **query})}")


def single(
    lime: LimeSandbox, *mobiles: str, message: str = "Hello", path: str = "/sendsmsapi?json=true"
) -> Reply:
    numbers = "".join(f"<Mobile>{one}</Mobile>" for one in mobiles)
    body = (
        f"<Data><User>harbour</User><ApiId>secret</ApiId><Message>{escape(message)}</Message>"
        f"<Mobiles>{numbers}</Mobiles><Shortcode>71441</Shortcode></Data>"
    )
    return call(lime, "POST", path, body.encode())


def bulk(lime: LimeSandbox, texts: Sequence[tuple[str, str]], *, sync: str = "true") -> Reply:
    sends = "".join(
        f"<Send><Mobile>{mobile}</Mobile><Message>{escape(message)}</Message></Send>"
        for mobile, message in texts
    )
    body = (
        "<Data><User>harbour</User><ApiId>secret</ApiId><Shortcode>71441</Shortcode>"
        f"<Json>true</Json><Sync>{sync}</Sync><Sends>{sends}</Sends></Data>"
    )
    return call(lime, "POST", "/sendBulk", body.encode())


def accepted(lime: LimeSandbox) -> list[tuple[str, str]]:
    return [(text.mobile, text.message) for text in lime.accepted()]


# --- Texts ----------------------------------------------------------------------------------------


def test_text_is_taken_in_each_form(lime: LimeSandbox) -> None:
    query = urlencode({**KEY, "mobile": "12125550101", "message": "by query"})
    document = {
        "User": "harbour",
        "ApiId": "secret",
        "Message": "by JSON",
        "Mobiles": ["2125550102"],
    }

    single(lime, "12125550100", message="by XML & “more”")
    single(lime, "12125550103", message="by plain XML")
    call(lime, "GET", f"/sendsmsapi?{query}")
    call(lime, "POST", "/base/sendsmsapi", orjson.dumps(document))

    assert accepted(lime) == [
        ("12125550100", "by XML & “more”"),
        ("12125550103", "by plain XML"),
        ("12125550101", "by query"),
        ("12125550102", "by JSON"),
    ]


def test_one_text_goes_to_many_numbers_and_the_refused_are_named(lime: LimeSandbox) -> None:
    answer = single(lime, "12125550100", "123", "12125550101")

    assert answer.json["MobilesErrors"] == [
        {"Mobile": "123", "ErrorId": "107", "ErrorMessgae": "Invalid mobile number"}
    ]
    assert [mobile for mobile, _ in accepted(lime)] == ["12125550100", "12125550101"]
    assert len({text.request for text in lime.accepted()}) == 1


def test_bulk_call_ignores_what_comes_after_a_thousand(lime: LimeSandbox) -> None:
    numbers = people(1_200)

    answer = bulk(lime, [(mobile, f"for {mobile}") for mobile in numbers])

    assert (answer.status, answer.json) == (200, {"Status": "OK", "MobilesErrors": []})
    assert accepted(lime) == [(mobile, f"for {mobile}") for mobile in numbers[:1_000]]
    assert (lime.stats().accepted, lime.stats().ignored) == (1_000, 200)


def test_bulk_call_that_is_not_sync_says_nothing_of_the_refused(lime: LimeSandbox) -> None:
    answer = bulk(lime, [("123", "Hello"), ("12125550100", "Hello")], sync="false")

    assert answer.json == {"Status": "OK"}
    assert len(accepted(lime)) == 1


def test_same_request_twice_is_two_texts(lime: LimeSandbox) -> None:
    single(lime, "12125550100")
    single(lime, "12125550100")

    assert lime.counts() == {"12125550100": 2}


@pytest.mark.parametrize(
    ("body", "error_id", "status"),
    [
        (b"<Data><User>harbour</User></Data>", "102", 400),
        (b"<Data><Mobiles><Mobile>12125550100</Mobile></Mobiles></Data>", "103", 400),
        (b"<Data><Message>Hi</Message><Mobile>12125550100</Mobile></Data>", "101", 403),
        (STRANGER, "105", 403),
        (b"<Data><User>", "500", 500),
    ],
)
def test_bad_request_is_refused_by_its_id(
    lime: LimeSandbox, body: bytes, error_id: str, status: int
) -> None:
    plain = call(lime, "POST", "/sendsmsapi", body)
    told = call(lime, "POST", "/sendsmsapi", body.replace(b"<Data>", b"<Data><Json>true</Json>"))

    assert plain.status == status
    assert lime.stats().errors[error_id] >= 1
    assert accepted(lime) == []
    if error_id != "500":
        assert (told.status, told.json["ErrorId"]) == (200, error_id)
        assert "ErrorMessgae" in told.json


def test_chosen_numbers_are_refused(lime: LimeSandbox) -> None:
    member, stranger = people(1)[0], "19175550100"
    lime.configure(refused={"12125550100": 110}, require_opt_in=True)

    answers = [single(lime, mobile).json for mobile in ("12125550100", stranger, member)]

    assert [answer.get("ErrorId") for answer in answers] == ["110", "108", None]


def test_credits_run_out(lime: LimeSandbox) -> None:
    lime.configure(credits=2)

    answers = [single(lime, "12125550100").json.get("ErrorId") for _ in range(3)]

    assert answers == [None, None, "109"]


@pytest.mark.parametrize("limit", ["per_second", "per_minute"])
def test_limit_answers_429(lime: LimeSandbox, limit: str) -> None:
    lime.configure(**{limit: 3})

    answers = [single(lime, "12125550100") for _ in range(5)]

    assert [answer.status for answer in answers].count(429) == 2
    assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
    assert (len(accepted(lime)), lime.busiest(seconds=60)) == (3, 5)


@pytest.mark.parametrize(
    ("fault", "texts", "status"),
    [
        ("500_before", 0, 500),
        ("500_after", 1, 500),
        ("503", 0, 503),
        ("429", 0, 429),
        ("garbage", 1, 200),
        ("html_502_after", 1, 502),
        ("reset_before", 0, None),
        ("reset_after", 1, None),
        ("truncated", 1, None),
    ],
)
def test_fault_comes_before_or_after_accepting(
    lime: LimeSandbox, fault: str, texts: int, status: int | None
) -> None:
    lime.next_fault(fault)

    try:
        found: int | None = single(lime, "12125550100").status
    except (OSError, HTTPException):
        found = None

    assert (found, len(accepted(lime))) == (status, texts)
    assert [request.fault for request in lime.requests()] == [fault]


def test_answer_takes_its_latency_and_costs_are_told(lime: LimeSandbox) -> None:
    lime.configure(latency_ms=100)
    started_at = time.monotonic()

    single(lime, "12125550100")

    assert time.monotonic() - started_at >= 0.1
    assert lime.stats().cpu_seconds > 0
    assert lime.stats().most_in_flight == 1


# --- Lists and callbacks --------------------------------------------------------------------------


def test_list_is_one_document_of_everybody(lime: LimeSandbox) -> None:
    lime.configure(lists="71441=600@10")
    lime.happen("optin", "12125550100", list_id="71441")
    lime.happen("optout", people(1, start=10)[0], list_id="71441")

    answer = ask(lime, "optedInNumbers", optInListId="71441")

    numbers = re.findall("<MobileNumber>([0-9]+)</MobileNumber>", answer.body.decode())
    assert numbers == [*people(599, start=11), "12125550100"]
    assert answer.headers["transfer-encoding"] == "chunked"


def test_unknown_list_is_refused(lime: LimeSandbox) -> None:
    assert ask(lime, "optedInNumbers", optInListId="9").status == 500


def test_opt_out_shows_in_the_status(lime: LimeSandbox) -> None:
    mobile = people(1)[0]

    def lists(kind: str) -> list[str]:
        answer = ask(lime, "optinStatus", type=kind, mobile=mobile)
        return re.findall("<listId>([0-9]+)</listId>", answer.body.decode())

    assert (lists("optin"), lists("optout")) == (["71441"], [])
    assert ask(lime, "optout", mobile=mobile, list_id="71441").status == 200
    assert (lists("optin"), lists("optout")) == ([], ["71441"])
    assert ask(lime, "optout", mobile=mobile, list_id="71441").status == 500


class Receiver:
    def __init__(self) -> None:
        self.fields: list[tuple[str, dict[str, str]]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def _take(self, fields: str) -> None:
                found = {name: values[0] for name, values in parse_qs(fields).items()}
                receiver.fields.append((self.command, found))
                self.send_response(204)
                self.end_headers()

            def do_GET(self) -> None:
                self._take(urlsplit(self.path).query)

            def do_POST(self) -> None:
                self._take(self.rfile.read(int(self.headers["content-length"])).decode())

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - as inherited
                """Keep the test output clean."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hooks/lime/secret"

    def wait(self, count: int) -> None:
        deadline = time.monotonic() + 10
        while len(self.fields) < count and time.monotonic() < deadline:
            time.sleep(0.01)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    receiver = Receiver()
    thread = Thread(target=receiver.server.serve_forever, args=(0.02,))
    thread.start()
    yield receiver
    receiver.server.shutdown()
    receiver.server.server_close()
    thread.join()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_changes_are_told_by_callback(lime: LimeSandbox, receiver: Receiver, method: str) -> None:
    lime.configure(callback_url=receiver.url, callback_method=method)

    lime.happen("optin", "12125550100", list_id="71441", firstName="Zoë")

    receiver.wait(1)
    assert receiver.fields == [
        (
            method,
            {
                "action": "optin",
                "mobile_number": "12125550100",
                "list_id": "71441",
                "keyword": "LIST71441 (71441-US)",
                "firstName": "Zoë",
            },
        )
    ]


def test_people_who_answer_stop_leave_all_lists(lime: LimeSandbox, receiver: Receiver) -> None:
    lime.configure(callback_url=receiver.url, optout_rate=1, callback_duplicates=1)
    mobile = people(1)[0]

    single(lime, mobile)

    receiver.wait(2)
    told = {"action": "optout-all", "mobile_number": mobile}
    assert receiver.fields == [("GET", told), ("GET", told)]
    assert lime.stats().callbacks.delivered == 2
