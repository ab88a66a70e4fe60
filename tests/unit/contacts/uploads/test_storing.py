"""Names of uploaded files, made fit for a folder."""

from __future__ import annotations

import pytest

from apps.contacts.models.file_upload import FILE_NAME_LIMIT
from apps.contacts.uploads.storing import safe_name


@pytest.mark.parametrize(
    ("given", "kept"),
    [
        ("people.csv", "people.csv"),
        ("Käufer 2026 (neu).csv", "Käufer 2026 (neu).csv"),
        ("../../etc/passwd", "passwd"),
        ("C:\\Users\\anna\\people.csv", "people.csv"),
        ("a\nb\0c.csv", "a_b_c.csv"),
        ('"; rm -rf.csv', "_ rm -rf.csv"),
        ("", "people.csv"),
        ("..", "people.csv"),
        (".hidden", "hidden"),
    ],
)
def test_name_is_kept_as_far_as_it_is_harmless(given: str, kept: str) -> None:
    assert safe_name(given) == kept


def test_long_name_keeps_its_ending() -> None:
    name = safe_name("x" * 500 + ".csv")

    assert name.endswith(".csv")
    assert len(name) <= FILE_NAME_LIMIT
