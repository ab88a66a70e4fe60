"""Lime's requests, and the one table of what its answers mean."""

from __future__ import annotations

import pytest

from apps.sms.lime import Credentials, Fate, Kind, Reply, Send, UnsendableError, checked, payloads
from apps.sms.lime.answers import judge_bulk, judge_one, judge_status, scrubbed

WHO = Credentials("harbour", "s3cret-api-id")
SENDS = [Send(f"1212555010{place}", "Hello") for place in range(3)]


def answered(body: str, status: int = 200) -> Reply:
    return Reply(Fate.ANSWERED, status=status, body=body.encode())


def error(error_id: str) -> str:
    return f'{{"Status": "Error", "ErrorId": "{error_id}", "ErrorMessgae": "no 12125550100"}}'


@pytest.mark.parametrize(
    ("reply", "kind", "reason"),
    [
        (answered('{"Status": "OK"}'), Kind.ACCEPTED, ""),
        (answered("OK"), Kind.ACCEPTED, ""),
        (answered(error("107")), Kind.REFUSED, "invalid_number"),
        (answered(error("108"), 400), Kind.REFUSED, "not_opted_in"),
        (answered(error("103")), Kind.ACCOUNT, "unknown_user"),
        (answered(error("105"), 403), Kind.ACCOUNT, "unknown_user"),
        (answered(error("109")), Kind.ACCOUNT, "no_credits"),
        (answered(error("111")), Kind.AMBIGUOUS, "send_error"),
        (answered(error("500"), 500), Kind.AMBIGUOUS, "general_error"),
        (answered(error("999")), Kind.AMBIGUOUS, "unknown_error"),
        (answered("<html>Sign in</html>"), Kind.AMBIGUOUS, "unreadable"),
        (answered('{"Status":'), Kind.AMBIGUOUS, "unreadable"),
        (answered("no", 400), Kind.REFUSED, "bad_request"),
        (answered("no", 302), Kind.ACCOUNT, "redirected"),
        (answered("no", 429), Kind.NOT_SENT, "throttled"),
        (answered("no", 502), Kind.AMBIGUOUS, "status_502"),
        (Reply(Fate.NOT_SENT, "refused"), Kind.NOT_SENT, "refused"),
        (Reply(Fate.DOUBTFUL, "timeout"), Kind.AMBIGUOUS, "timeout"),
    ],
)
def test_an_answer_to_one_text(reply: Reply, kind: Kind, reason: str) -> None:
    verdict = judge_one(reply)

    assert (verdict.kind, verdict.reason) == (kind, reason)
    assert "12125550100" not in verdict.text


def test_bulk_errors_belong_to_their_numbers() -> None:
    body = '{"Status": "OK", "MobilesErrors": [{"Mobile": "12125550101", "ErrorId": "110"}]}'

    kinds = [verdict.kind for verdict in judge_bulk(answered(body), SENDS)]

    assert kinds == [Kind.ACCEPTED, Kind.REFUSED, Kind.ACCEPTED]


@pytest.mark.parametrize(
    "body",
    [
        "OK",  # without JSON nobody tells which numbers were refused
        '{"Status": "OK", "MobilesErrors": [{"Mobile": "19995550101", "ErrorId": "110"}]}',
        '{"Status": "OK", "MobilesErrors": [{"Mobile": "12125550101"}]}',
        '{"Status": "OK", "MobilesErrors": {"Mobile": "12125550101"}}',
    ],
)
def test_a_bulk_answer_that_does_not_fit_leaves_all_in_doubt(body: str) -> None:
    assert {one.kind for one in judge_bulk(answered(body), SENDS)} == {Kind.AMBIGUOUS}


def test_a_number_without_lists_has_not_opted_in() -> None:
    some = '<lists type="optin"><list><listId>71441</listId></list></lists>'

    assert judge_status(answered(some)).kind is Kind.ACCEPTED
    assert judge_status(answered('<lists type="optin"></lists>')).kind is Kind.NOT_OPTED_IN
    assert judge_status(answered("<html/>")).kind is Kind.NOT_SENT
    assert judge_status(answered('<!DOCTYPE x [<!ENTITY a "b">]><lists/>')).kind is Kind.NOT_SENT
    assert judge_status(answered(error("105"), 403)).kind is Kind.ACCOUNT


def test_more_than_a_thousand_texts_never_leave_in_one_call() -> None:
    sends = [Send("12125550100", "Hello")] * 1_001

    payloads.bulk_body(WHO, "71441", sends[:1_000])
    with pytest.raises(ValueError, match="1 to 1000"):
        payloads.bulk_body(WHO, "71441", sends)


def test_words_are_escaped_and_credentials_stand_in_the_body() -> None:
    body = payloads.one_way_body(WHO, "71441", Send("12125550100", "Fish & <chips>"))

    assert b"<Message>Fish &amp; &lt;chips&gt;</Message>" in body
    assert b"<ApiId>s3cret-api-id</ApiId>" in body
    assert "s3cret" not in payloads.ONE_WAY_PATH + payloads.BULK_PATH + repr(WHO)


@pytest.mark.parametrize(
    ("send", "reason"),
    [
        (Send("+12", "Hello"), "invalid_number"),
        (Send("+12125550100<", "Hello"), "invalid_number"),
        (Send("+12125550100", " \n"), "empty"),
        (Send("+12125550100", "x" * 1_601), "too_long"),
        (Send("+12125550100", "a\x00b"), "characters"),
    ],
)
def test_what_can_never_be_sent_is_told_before(send: Send, reason: str) -> None:
    with pytest.raises(UnsendableError) as raised:
        checked(send)

    assert raised.value.reason == reason


def test_texts_of_errors_hold_no_numbers_and_no_keys() -> None:
    assert scrubbed("no +12125550100, id abcdefghijklmnopqrstuv") == "no <private>, id <private>"
