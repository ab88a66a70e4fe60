"""The ways a template can go: each branch taken, each loop run once, twice and not at all.

What is done to a template once must come out as if it had been done to every mail. That is proved
by doing both to several ways the template can go, without evaluating a single condition.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.mail.rendering.tags import LiquidTag, Protected

MAX_WAYS = 8
_ROUNDS = (1, 2, 0)
# Loops within loops double the text each time: from here on they run once.
_MAX_LOOP_DEPTH = 3


class UnbalancedError(Exception):
    """Opening, branching and closing tags do not match in this text."""


@dataclass
class _Block:
    """A tag with its branches; `case` has a first branch that is never shown."""

    tag: LiquidTag | None
    branches: list[list[str | _Block]] = field(default_factory=lambda: [[]])
    has_else: bool = False


def ways(template: Protected) -> int:
    """How many ways show each branch at least once; at most `MAX_WAYS`."""
    root = _tree(template)
    return min(max(_choices(root), 1), MAX_WAYS)


def go(template: Protected, way: int) -> str:
    """The text of one way. Outputs are marked by what they print, other tags are left out.

    Raises `UnbalancedError`.
    """
    return "".join(_walk(_tree(template), way, 0))


def _tree(template: Protected) -> _Block:
    marks = _marks(template.tags)
    stack = [_Block(None)]
    for literal, tag in template.pieces():
        if tag is None:
            stack[-1].branches[-1].append(literal)
        elif tag.opens:
            block = _Block(tag)
            stack[-1].branches[-1].append(block)
            stack.append(block)
        elif tag.branches:
            _branch(stack, tag)
        elif tag.closes:
            _close(stack, tag)
        elif tag.prints:
            stack[-1].branches[-1].append(marks[tag.source])
    if len(stack) != 1:
        raise UnbalancedError
    return stack[0]


def _marks(tags: tuple[LiquidTag, ...]) -> dict[str, str]:
    """The same word for all that print the same, also across texts that share their tags."""
    marks: dict[str, str] = {}
    for number, tag in enumerate(tags):
        marks.setdefault(tag.source, f"v{number}v")
    return marks


def _branch(stack: list[_Block], tag: LiquidTag) -> None:
    if len(stack) == 1:
        raise UnbalancedError
    stack[-1].branches.append([])
    stack[-1].has_else |= tag.name == "else"


def _close(stack: list[_Block], tag: LiquidTag) -> None:
    opened = stack[-1].tag
    if opened is None or tag.name != f"end{opened.name}":
        raise UnbalancedError
    stack.pop()


def _choices(block: _Block) -> int:
    here = 0
    if block.tag is not None:
        here = len(_ROUNDS) if block.tag.loops else len(_shown(block)) + 1
    inner = (
        _choices(item) for branch in block.branches for item in branch if isinstance(item, _Block)
    )
    return max(here, *inner, 0)


def _shown(block: _Block) -> list[list[str | _Block]]:
    if block.tag is not None and block.tag.name == "case":
        return block.branches[1:]
    return block.branches


def _walk(block: _Block, way: int, depth: int) -> Iterator[str]:
    for item in block.branches[0] if block.tag is None else []:
        yield from _item(item, way, depth)


def _item(item: str | _Block, way: int, depth: int) -> Iterator[str]:
    if isinstance(item, str):
        yield item
        return
    for branch in _taken(item, way, depth):
        for inner in branch:
            looping = item.tag is not None and item.tag.loops
            yield from _item(inner, way, depth + looping)


def _taken(block: _Block, way: int, depth: int) -> list[list[str | _Block]]:
    """The branches that this way shows, a loop's body as often as it runs."""
    tag = block.tag
    if tag is None or tag.name == "capture":
        return []
    if tag.loops:
        rounds = _ROUNDS[way % len(_ROUNDS)] if depth < _MAX_LOOP_DEPTH else 1
        return [block.branches[0]] * rounds if rounds else block.branches[1:2]
    shown = _shown(block)
    choices = len(shown) if block.has_else else len(shown) + 1
    return shown[way % choices : way % choices + 1]
