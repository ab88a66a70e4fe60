"""Every error has one form, and tells nothing that it should not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest

from apps.contacts.api.topics import TopicViewSet

if TYPE_CHECKING:
    from tests.integration.api.conftest import Caller

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("method", "path", "status", "name"),
    [
        ("get", "nothing/here", 404, "not_found"),
        ("get", "", 404, "not_found"),
        ("post", "nothing", 404, "not_found"),
        ("get", "contacts/99999999", 404, "not_found"),
        ("get", "contacts/999999999999999999", 404, "not_found"),
        ("get", "contacts/word", 404, "not_found"),
        ("put", "contacts", 405, "method_not_allowed"),
        ("options", "contacts", 405, "method_not_allowed"),
        ("delete", "brand", 405, "method_not_allowed"),
    ],
)
def test_error_has_the_one_form(
    shop: Caller, method: str, path: str, status: int, name: str
) -> None:
    answer = shop(method, path, {} if method in ("post", "put") else None)

    assert (answer.status, answer.body["statusCode"], answer.body["name"]) == (status, status, name)
    assert set(answer.body) == {"statusCode", "name", "message"}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"{", "no JSON"),
        (b"[]", "must be a JSON object"),
        (b'"text"', "must be a JSON object"),
        (b"\xff", "no JSON"),
        (b'{"slug": "\\u0000"}', "NUL"),
        (b'{"\\u0000": 1}', "NUL"),
        (b'{"slug": "\\ud800"}', "no JSON"),
        (b'{"a": NaN}', "no JSON"),
        (b'{"a": ' + b"[" * 100 + b"]" * 100 + b"}", "deeper than 32"),
        (b'{"a": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "no JSON"),
    ],
)
def test_body_that_cannot_be_read_is_refused(shop: Caller, raw: bytes, said: str) -> None:
    answer = shop("post", "topics", raw=raw)

    assert (answer.status, answer.body["name"]) == (400, "malformed_body")
    assert said in answer.body["message"]


def test_body_over_the_limit_is_refused(shop: Caller, settings: Any) -> None:
    settings.API_BODY_BYTES = 1000

    answer = shop.post("topics", {"slug": "weekly", "name": "x" * 1000})

    assert (answer.status, answer.body["name"]) == (413, "body_too_large")


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "nonsense"])
def test_other_kind_of_body_is_refused(shop: Caller, kind: str) -> None:
    answer = shop("post", "topics", raw=b"slug=weekly", content_type=kind)

    assert (answer.status, answer.body["name"]) == (415, "unsupported_media_type")


def test_answer_is_json_whatever_is_accepted(shop: Caller) -> None:
    answer = shop.get("contacts", accept="text/html")

    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"


def test_unknown_field_is_named_with_those_there_are(shop: Caller) -> None:
    answer = shop.post("topics", {"slug": "weekly", "name": "Weekly", "colour": "red", "id": 5})

    assert (answer.status, answer.body["name"]) == (422, "validation_error")
    assert answer.body["errors"]["colour"] == [
        "Unknown field. Known are: description, is_public, name, slug."
    ]
    assert "id" in answer.body["errors"]


def test_wrong_fields_are_told_all_at_once(shop: Caller) -> None:
    answer = shop.post("topics", {"slug": "has spaces", "is_public": "perhaps"})

    assert set(answer.body["errors"]) == {"slug", "name", "is_public"}


def test_nested_faults_are_told_by_their_path(shop: Caller) -> None:
    answer = shop.post("contacts", {"email": "otto@people.example", "topics": ["ok", "no good"]})

    assert set(answer.body["errors"]) == {"topics.1"}


def test_unknown_parameter_is_refused(shop: Caller) -> None:
    answer = shop.get("contacts?stauts=pending")

    assert answer.status == 422
    assert "status" in answer.body["errors"]["stauts"][0]
    assert shop.get("brand?x=1").status == 422


def test_nul_in_a_parameter_is_refused(shop: Caller) -> None:
    assert shop.get("contacts?email=a%00b@people.example").status == 422


def test_failure_of_ours_tells_an_id_and_no_details(
    shop: Caller, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_args: object) -> None:
        raise RuntimeError("the password is swordfish")

    monkeypatch.setattr(TopicViewSet, "brand_rows", fail)
    answer = shop.get("topics")

    assert (answer.status, answer.body["name"]) == (500, "internal_error")
    assert answer.headers["X-Correlation-ID"] in answer.body["message"]
    assert "swordfish" not in answer.text


def test_messages_are_in_english_whatever_is_spoken(shop: Caller) -> None:
    answer = shop.post("topics", {"slug": "weekly"}, accept_language="de")

    assert answer.body["errors"]["name"] == ["This field is required."]


def test_answers_are_not_kept_by_caches(shop: Caller) -> None:
    assert shop.get("brand").headers["Cache-Control"] == "no-store"
