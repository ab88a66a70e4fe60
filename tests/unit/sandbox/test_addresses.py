from __future__ import annotations

import pytest

from apps.sandbox.resend.addresses import bare


@pytest.mark.parametrize(
    ("given", "address"),
    [
        ("ada@example.org", "ada@example.org"),
        ("Ada Lovelace <ada@example.org>", "ada@example.org"),
        ("Zoë 林 <ada+x.y@sub.example.co.uk>", "ada+x.y@sub.example.co.uk"),
        ("<ada@example.org>", "ada@example.org"),
        ("o'neil/x=1@example.org", "o'neil/x=1@example.org"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        (f"{'a' * 64}@example.org", f"{'a' * 64}@example.org"),
    ],
)
def test_address_in_a_known_form_is_read(given: str, address: str) -> None:
    assert bare(given) == address


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ada",
        "ada@",
        "@example.org",
        "ada@example",
        "ada@@example.org",
        "ada@example..org",
        "ada@-example.org",
        "ada@example-.org",
        ".ada@example.org",
        "ada.@example.org",
        "a..b@example.org",
        "ada lovelace@example.org",
        "ada@example.org, bob@example.org",
        "Ada ada@example.org",
        "Ada <ada@example.org",
        "Ada <ada@example.org> x",
        "Ada\r\nBcc: x <ada@example.org>",
        "ada@example.org\n",
        "ada@bücher.example",
        "zoë@example.org",
        f"{'a' * 65}@example.org",
        f"a@{'b' * 63}.{'c' * 63}.{'d' * 63}.{'e' * 60}.org",
    ],
)
def test_address_in_another_form_is_none(given: str) -> None:
    assert bare(given) is None
