"""A reader for style sheets: just what is needed to judge them, in time linear to their length."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from apps.mail.rendering.tags import PLACEHOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator

_SIGN = re.compile(r"[{};]")
_SIGN_OR_PLACEHOLDER = re.compile(rf"[{{}};:]|{PLACEHOLDER.pattern}")


def without_comments(css: str) -> str:
    kept: list[str] = []
    at = 0
    while (start := css.find("/*", at)) >= 0:
        kept.append(css[at:start])
        end = css.find("*/", start + 2)
        if end < 0:
            return "".join(kept)
        at = end + 2
    return "".join(kept) + css[at:]


def rules(css: str) -> Iterator[tuple[str, str]]:
    """Selector and whole text of each plain rule; at-rules and what is in them are left out."""
    depth, start, opened = 0, 0, 0
    for match in _SIGN.finditer(css):
        at = match.start()
        if match[0] == "{":
            depth += 1
            opened = at if depth == 1 else opened
        elif match[0] == "}":
            depth = max(depth - 1, 0)
        if depth or match[0] == "{":
            continue
        if match[0] == "}" and not css[start:opened].lstrip().startswith("@"):
            yield css[start:opened], css[start : at + 1]
        start = at + 1


def placeholders_outside_of_values(css: str) -> Iterator[int]:
    """Numbers of the placeholders that stand in selectors, property names or at-rules."""
    depth, sign = 0, ""
    for match in _SIGN_OR_PLACEHOLDER.finditer(css):
        if match[1] is not None:
            if depth < 1 or sign != ":":
                yield int(match[1])
            continue
        sign = match[0]
        depth += (sign == "{") - (sign == "}")
