"""Saving a row of this room, with its faults in words that name the fields."""

from __future__ import annotations

from typing import TYPE_CHECKING

from django.core.exceptions import ValidationError
from django.db import IntegrityError

from apps.brands.errors import InvalidBrandError

if TYPE_CHECKING:
    from django.db.models import Model


def save_valid(row: Model) -> None:
    """Saves what passes the model's own checks. Raises `InvalidBrandError`."""
    try:
        row.full_clean()
        row.save()
    except ValidationError as error:
        raise InvalidBrandError(_in_words(error)) from error
    except IntegrityError as error:
        raise InvalidBrandError("Somebody else saved the same a moment ago.") from error


def _in_words(error: ValidationError) -> str:
    """Field by field; a value is never shown, for some of them are secrets."""
    return " ".join(
        f"{field}: {' '.join(messages)}" for field, messages in error.message_dict.items()
    )
