"""Whose address a request is counted under."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from django.test import RequestFactory

from apps.brands.api.buckets import Bucket, allowance_of, bucket_key, client_caller, key_caller
from apps.brands.api.clients import client_address


@pytest.mark.parametrize(
    ("nearest", "forwarded", "address"),
    [
        ("203.0.113.9", "", "203.0.113.9"),
        # A stranger's own claim.
        ("203.0.113.9", "198.51.100.1", "203.0.113.9"),
        ("127.0.0.1", "198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "1.1.1.1, 198.51.100.1", "198.51.100.1"),
        ("127.0.0.1", "198.51.100.1, 10.0.0.7", "198.51.100.1"),
        ("127.0.0.1", "1.1.1.1, rubbish, 10.0.0.7", "10.0.0.7"),
        ("127.0.0.1", "", "127.0.0.1"),
        ("::ffff:127.0.0.1", "2001:DB8::1", "2001:db8::1"),
        # Over a socket of the system.
        ("", "198.51.100.1", "198.51.100.1"),
        ("", "", None),
    ],
)
def test_nearest_address_that_is_no_trusted_proxy(
    settings: Any, nearest: str, forwarded: str, address: str | None
) -> None:
    settings.TRUSTED_PROXIES = [ip_network("127.0.0.0/8"), ip_network("10.0.0.0/8")]
    headers = {"X-Forwarded-For": forwarded} if forwarded else {}
    request = RequestFactory().get("/", REMOTE_ADDR=nearest, headers=headers)

    assert client_address(request) == address


def test_allowances_of_keys_and_clients_are_apart(settings: Any) -> None:
    settings.RATE_BUCKETS = {"email": (20, 100), "email-client": (0.2, 10), "queueWorker": (5, 6)}
    client = client_caller("2001:db8:1:2:3::4")

    assert allowance_of(Bucket.EMAIL, key_caller(7)).burst == 100
    assert allowance_of(Bucket.EMAIL, client).burst == 10
    assert allowance_of(Bucket.QUEUE_WORKER, client).burst == 6
    assert bucket_key(Bucket.EMAIL, client) == "api:rate:email:ip:2001:db8:1:2::/64"
    assert bucket_key(Bucket.API, key_caller(7)) == "api:rate:7"
    assert client_caller(None) == client_caller("rubbish")
