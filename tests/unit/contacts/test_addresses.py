from __future__ import annotations

import pytest
from email_validator import EmailNotValidError, validate_email
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from apps.contacts.addresses import (
    ADDRESS_LIMIT,
    Address,
    AddressFault,
    _plain,
    is_address,
    normalise,
)
from apps.contacts.errors import InvalidAddressError


def library_verdict(text: str) -> Address | None:
    try:
        valid = validate_email(text, allow_smtputf8=False, strict=True, check_deliverability=False)
    except EmailNotValidError:
        return None
    return Address(valid.normalized, f"{valid.local_part}@{valid.ascii_domain}".lower())


# The first draw of characters loads Unicode tables, which counts as slow on a busy machine.
patient = settings(max_examples=500, suppress_health_check=[HealthCheck.too_slow], deadline=None)

ascii_text = st.text(st.characters(max_codepoint=127), max_size=12)
nearly = st.text(st.sampled_from("abzAZ019.-_+'x@"), min_size=1, max_size=10)
label = st.one_of(
    st.sampled_from(
        ["example", "xn--mnchen-3ya", "ab--cd", "test", "local", "x", "-a", "a-", "com", "c0m", "1"]
    ),
    st.text(st.sampled_from("abcXYZ019-"), max_size=66),
)
made_up = st.builds(
    lambda local, labels: f"{local}@{'.'.join(labels)}",
    st.one_of(
        nearly, ascii_text, st.sampled_from(["Info", "POSTMASTER", "a" * 64, "a" * 65, "A.b"])
    ),
    st.lists(label, max_size=6),
)


@settings(patient, max_examples=2000)
@given(st.one_of(made_up, st.emails(), nearly))
def test_fast_path_never_differs_from_the_library(text: str) -> None:
    fast = _plain(text)

    assert fast is None or fast == library_verdict(text)


@patient
@given(st.emails(domains=st.sampled_from(["example.com", "Mail.Example.ORG", "a-b.example.net"])))
def test_fast_path_takes_what_the_library_takes_on_plain_domains(text: str) -> None:
    assert _plain(text) == library_verdict(text)


@patient
@given(st.one_of(made_up, st.text(max_size=40)))
def test_stored_forms_are_stable_and_fit_their_columns(text: str) -> None:
    if not is_address(text):
        return
    found = normalise(text)

    assert normalise(found.address).address == found.address
    assert normalise(found.email) == found
    assert found.address == found.address.lower()
    assert found.address.isascii()
    assert max(len(found.address), len(found.email)) <= ADDRESS_LIMIT


@pytest.mark.parametrize(
    ("raw", "email", "address"),
    [
        ("Anna@Example.COM", "Anna@example.com", "anna@example.com"),
        ("INFO@example.com", "info@example.com", "info@example.com"),
        ("  anna@example.com\u00a0", "anna@example.com", "anna@example.com"),
        ("\ufeffanna@example.com\u200b", "anna@example.com", "anna@example.com"),
        ("anna@example.com.", "anna@example.com", "anna@example.com"),
        ("anna@example.com,", "anna@example.com", "anna@example.com"),
        ("mailto:anna@example.com?subject=Hi", "anna@example.com", "anna@example.com"),
        ("MAILTO:anna%2Bnews@example.com", "anna+news@example.com", "anna+news@example.com"),
        ("Müller, Anna <anna@example.com>", "anna@example.com", "anna@example.com"),
        ('"Anna" <Anna@example.com> ', "Anna@example.com", "anna@example.com"),
        ("<anna@example.com>", "anna@example.com", "anna@example.com"),
        ("'anna@example.com'", "anna@example.com", "anna@example.com"),
        ("o'hara@example.com", "o'hara@example.com", "o'hara@example.com"),
        ("Anna@MÜNCHEN.de", "Anna@münchen.de", "anna@xn--mnchen-3ya.de"),
        ("anna@xn--mnchen-3ya.de", "anna@münchen.de", "anna@xn--mnchen-3ya.de"),
        ("anna@例え。jp", "anna@例え.jp", "anna@xn--r8jz45g.jp"),
    ],
)
def test_address_is_read_from_what_people_type(raw: str, email: str, address: str) -> None:
    assert normalise(raw) == Address(email, address)


@pytest.mark.parametrize(
    ("raw", "fault"),
    [
        ("", AddressFault.EMPTY),
        (" \u200b ", AddressFault.EMPTY),
        ("<>", AddressFault.EMPTY),
        ("anna.example.com", AddressFault.NO_AT_SIGN),
        ("anna\uff20example.com", AddressFault.NO_AT_SIGN),
        ("anna@example.com; otto@example.com", AddressFault.SEVERAL),
        ("A <anna@example.com>, O <otto@example.com>", AddressFault.SEVERAL),
        ("a" * 65 + "@example.com", AddressFault.TOO_LONG),
        ("a@" + ".".join(["b" * 63] * 4) + ".com", AddressFault.TOO_LONG),
        ("x" * 1001, AddressFault.TOO_LONG),
        ("änna@example.com", AddressFault.INTERNATIONAL),
        ("anna..b@example.com", AddressFault.SYNTAX),
        ("anna@example", AddressFault.SYNTAX),
        ("anna@localhost", AddressFault.SYNTAX),
        ("anna@mail.invalid", AddressFault.SYNTAX),
        ("anna@[127.0.0.1]", AddressFault.SYNTAX),
        ('"anna b"@example.com', AddressFault.SYNTAX),
        ("anna b@example.com", AddressFault.SYNTAX),
        ("anna@ex ample.com", AddressFault.SYNTAX),
        ("anna@xn--a.com", AddressFault.SYNTAX),
        ("\u212aelvin@example.com", AddressFault.INTERNATIONAL),
        ("anna@example.com\nBcc: otto@example.com", AddressFault.SEVERAL),
        ("anna@example.com\nBcc", AddressFault.SYNTAX),
        ("anna@example.com\0", AddressFault.SYNTAX),
    ],
)
def test_unusable_address_is_refused_with_its_fault(raw: str, fault: AddressFault) -> None:
    with pytest.raises(InvalidAddressError) as refused:
        normalise(raw)

    assert refused.value.fault == fault


@pytest.mark.parametrize(
    "raw", ["secretname@sneaky domain.example", "secretname@xn--sneaky-.example", "secretname"]
)
def test_refusal_never_quotes_the_address(raw: str) -> None:
    with pytest.raises(InvalidAddressError) as refused:
        normalise(raw)

    assert "secretname" not in str(refused.value)
    assert "sneaky" not in str(refused.value)
