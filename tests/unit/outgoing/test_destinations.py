from __future__ import annotations

from typing import Any

import pytest

from apps.station.outgoing.destinations import Destination, admit, read_url
from apps.station.outgoing.errors import InvalidEndpointError


@pytest.fixture(autouse=True)
def _production(settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = False


@pytest.mark.parametrize(
    ("url", "base_url", "target"),
    [
        ("https://hooks.example", "https://hooks.example", "/"),
        ("https://hooks.example/a%20b?x=1&y", "https://hooks.example", "/a%20b?x=1&y"),
        ("https://hooks.example:8443/in", "https://hooks.example:8443", "/in"),
        ("https://8.8.8.8/in", "https://8.8.8.8", "/in"),
        ("https://[2606:4700::1111]:444/in", "https://[2606:4700::1111]:444", "/in"),
    ],
)
def test_url_is_split_into_origin_and_target(url: str, base_url: str, target: str) -> None:
    assert read_url(url) == Destination(base_url, target)


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("", "spaces"),
        ("hooks.example/in", "https://host"),
        ("ftp://hooks.example/in", "https://host"),
        ("https://", "https://host"),
        ("https://hooks.example:0/", "https://host"),
        ("https://hooks.example:99999/", "readable"),
        ("https://hooks.example:x/", "readable"),
        ("https://hooks.example:/", "port"),
        ("https://[::1/", "readable"),
        ("http://hooks.example/in", "not encrypted"),
        ("https://user:word@hooks.example/", "user or password"),
        ("https://user@hooks.example/", "user or password"),
        ("https://hooks.example/#part", "fragment"),
        ("https://hooks.example/a b", "spaces"),
        ("https://hooks.example/a\r\nX-Header: 1", "spaces"),
        ("https://höks.example/", "ASCII"),
        ("https://hooks.example/" + "a" * 500, "522 characters"),
        ("https://localhost/", "own machine"),
        ("https://127.0.0.1/", "own machine"),
        ("https://[::1]/", "own machine"),
        ("https://10.0.0.1/", "private network"),
        ("https://169.254.169.254/latest/meta-data", "private network"),
        ("https://[::ffff:10.0.0.1]/", "private network"),
        ("https://[64:ff9b::a00:1]/", "private network"),
        ("https://0.0.0.0/", "private network"),
    ],
)
def test_url_that_cannot_be_used_is_refused_with_what_to_change(url: str, said: str) -> None:
    with pytest.raises(InvalidEndpointError) as caught:
        read_url(url)

    assert said in caught.value.problems["url"]


def test_refused_url_is_not_repeated_in_the_problem() -> None:
    with pytest.raises(InvalidEndpointError) as caught:
        read_url("https://user:word@hooks.example/")

    assert "word@" not in str(caught.value)


@pytest.mark.parametrize("url", ["http://127.0.0.1:8001/in", "http://localhost/", "http://[::1]/"])
def test_own_machine_is_allowed_by_the_setting_for_development(url: str, settings: Any) -> None:
    settings.WEBHOOK_LOOPBACK = True

    assert read_url(url).base_url.startswith("http://")


@pytest.mark.parametrize("url", ["http://hooks.example/", "https://10.0.0.1/", "http://8.8.8.8/"])
def test_setting_for_development_allows_nothing_but_the_own_machine(
    url: str, settings: Any
) -> None:
    settings.WEBHOOK_LOOPBACK = True

    with pytest.raises(InvalidEndpointError):
        read_url(url)


def test_connections_are_admitted_to_the_internet_alone(settings: Any) -> None:
    assert admit("8.8.8.8")
    assert not admit("127.0.0.1")
    assert not admit("10.0.0.1")

    settings.WEBHOOK_LOOPBACK = True

    assert admit("127.0.0.1")
    assert not admit("10.0.0.1")
    assert not admit("169.254.169.254")
