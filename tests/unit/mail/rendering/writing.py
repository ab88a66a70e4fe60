"""Recipients and templates as they are in life."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from apps.mail.rendering import RecipientContext, compile_template

NOW = datetime(2026, 3, 1, 23, 30, tzinfo=UTC)
TEMPLATES = Path(__file__).parent / "templates"


def template(name: str) -> str:
    return (TEMPLATES / name).read_text()


def recipient(**changes: Any) -> RecipientContext:
    fields: dict[str, Any] = {
        "contact": {
            "email": "zoë@example.com",
            "first_name": "Zoë",
            "last_name": "O'Neil <3",
            "locale": "de",
        },
        "traits": {
            "city": "القاهرة",
            "vip": True,
            "points": 1200,
            "orders": [
                {
                    "name": "日本の茶 🍵",
                    "price": "12.50",
                    "url": "https://shop.example/1?a=1&b=2",
                    "gift": True,
                },
                {"name": "<b>Käse</b>", "price": 3, "url": "https://shop.example/2"},
            ],
        },
        "brand": {
            "name": "Tea & Co",
            "website": "https://tea.example",
            "postal_address": "1 Main Street\n10115 Berlin",
            "color": "#b91c1c",
        },
        "campaign": {"name": "Spring"},
        "unsubscribe_url": "https://leave.example/t?x=1&y=2",
        "preferences_url": "https://prefer.example/t",
        "now": NOW,
        "timezone": "Europe/Berlin",
    }
    return RecipientContext(**(fields | changes))


def html_of(source: str, **changes: Any) -> str:
    return compile_template("-", source).render(recipient(**changes)).html


def text_of_html(source: str, **changes: Any) -> str:
    return compile_template("-", source).render(recipient(**changes)).text


def line(source: str, **changes: Any) -> str:
    """What a template without HTML prints, unescaped."""
    return compile_template("-", "-", source).render(recipient(**changes)).text
