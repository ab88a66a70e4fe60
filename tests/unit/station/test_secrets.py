from __future__ import annotations

import base64
import json
from dataclasses import asdict
from typing import TYPE_CHECKING

import pytest

from apps.station.local.errors import StationError
from apps.station.local.secrets import Secrets, kept_secrets
from config.environment import Reader

if TYPE_CHECKING:
    from pathlib import Path


def test_secrets_are_never_the_same_twice() -> None:
    first, second = asdict(Secrets()), asdict(Secrets())

    assert len({*first.values(), *second.values()}) == len(first) * 2


def test_versioned_keys_are_what_the_settings_expect() -> None:
    made = Secrets()

    for text in (made.secrets_keys, made.link_keys, made.erasure_keys):
        keys = Reader({"KEYS": text}).versioned_keys("KEYS")
        assert list(keys) == [1]


def test_webhook_secret_has_the_provider_s_form() -> None:
    prefix, _, encoded = Secrets().sandbox_webhook_secret.partition("_")

    assert prefix == "whsec"
    assert len(base64.b64decode(encoded)) == 24


def test_kept_secrets_stay_the_same(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"

    first = kept_secrets(path)

    assert kept_secrets(path) == first
    assert path.stat().st_mode & 0o777 == 0o600


def test_secret_of_a_newer_version_is_added_to_the_kept_ones(tmp_path: Path) -> None:
    path = tmp_path / "secrets.json"
    first = kept_secrets(path)
    stored = asdict(first)
    del stored["sandbox_key"]
    path.write_text(json.dumps(stored), encoding="utf-8")

    second = kept_secrets(path)

    assert second.secrets_keys == first.secrets_keys
    assert second.sandbox_key != first.sandbox_key


@pytest.mark.parametrize("text", ["", "{", "[]", "null"])
def test_broken_secrets_are_never_replaced(tmp_path: Path, text: str) -> None:
    path = tmp_path / "secrets.json"
    path.write_text(text, encoding="utf-8")

    with pytest.raises(StationError, match="restore the file from a backup"):
        kept_secrets(path)

    assert path.read_text(encoding="utf-8") == text
