"""The ways a template can go: each branch taken, each loop run once, twice and not at all.

What is done to a template once must come out as if it had been done to every mail. That is proved
by doing both to ways that together show every branch, without evaluating a single condition.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterator

    from apps.mail.rendering.tags import LiquidTag, Protected

MAX_WAYS = 20
_ROUNDS = (1, 2, 0)
# Loops within loops double the text each time: from here on they run once.
_MAX_LOOP_DEPTH = 3

# The choice of each block, by the number of its opening tag.
Way = Mapping[int, int]


class UnbalancedError(Exception):
    """Opening, branching and closing tags do not match in this text."""


class TooManyBranchesError(Exception):
    """`MAX_WAYS` ways do not show every branch."""


@dataclass
class _Block:
    """A block with its branches. The root has no tag."""

    number: int
    tag: LiquidTag | None
    branches: list[list[str | _Block]] = field(default_factory=lambda: [[]])
    has_else: bool = False

    def shown(self) -> list[list[str | _Block]]:
        """The branches that can be shown: not a capture, nor what precedes the first `when`."""
        if self.tag is not None and self.tag.name == "capture":
            return []
        skipped = self.tag is not None and self.tag.name == "case"
        return self.branches[skipped:]

    def choices(self) -> int:
        if self.tag is None:
            return 1
        if self.tag.loops:
            return len(_ROUNDS)
        return len(self.shown()) + (not self.has_else)

    def taken(self, choice: int, depth: int = 0) -> list[list[str | _Block]]:
        """The branches that a choice shows, a loop's body as often as it runs."""
        if self.tag is not None and self.tag.loops:
            rounds = _ROUNDS[choice] if depth < _MAX_LOOP_DEPTH else 1
            return [self.branches[0]] * rounds if rounds else self.branches[1:2]
        return self.shown()[choice : choice + 1]


def ways(template: Protected) -> list[Way]:
    """Ways that show each branch at least once, and all of the first and the last together.

    Raises `UnbalancedError` and `TooManyBranchesError`.
    """
    root = _tree(template)
    blocks = dict(_visible(root))
    found: list[Way] = [
        {number: min(choice, block.choices() - 1) for number, block in blocks.items()}
        for choice in (*range(len(_ROUNDS)), MAX_WAYS)
        if blocks or not choice
    ]
    unseen = {
        (number, choice) for number, block in blocks.items() for choice in range(block.choices())
    }
    for way in found:
        unseen -= set(_seen(root, way))
    while unseen:
        if len(found) == MAX_WAYS:
            raise TooManyBranchesError
        found.append(_way_to_most(root, unseen))
        unseen -= set(found[-1].items())
    return found


def go(template: Protected, way: Way) -> str:
    """The text of one way. Outputs are marked by what they print, other tags are left out.

    Raises `UnbalancedError`.
    """
    return "".join(_walk(_tree(template), way, 0))


def _seen(block: _Block, way: Way) -> Iterator[tuple[int, int]]:
    """The blocks that a way shows, each with its choice."""
    for inner in _inner(block, way.get(block.number, 0)):
        yield inner.number, way[inner.number]
        yield from _seen(inner, way)


def _way_to_most(root: _Block, unseen: set[tuple[int, int]]) -> Way:
    best: dict[int, _Best] = {}
    _weigh(root, unseen, best)
    way: dict[int, int] = {}
    _choose(root, best, way)
    return way


class _Best(NamedTuple):
    """The choice of a block that shows most of what was not seen, and how much that is."""

    gain: int
    choice: int


def _weigh(block: _Block, unseen: set[tuple[int, int]], best: dict[int, _Best]) -> None:
    for inner in _inner(block, None):
        _weigh(inner, unseen, best)
    gains = [
        ((block.number, choice) in unseen)
        + sum(best[inner.number].gain for inner in _inner(block, choice))
        for choice in range(block.choices())
    ]
    best[block.number] = _Best(max(gains), gains.index(max(gains)))


def _choose(block: _Block, best: dict[int, _Best], way: dict[int, int]) -> None:
    way[block.number] = best[block.number].choice
    for inner in _inner(block, way[block.number]):
        _choose(inner, best, way)


def _inner(block: _Block, choice: int | None) -> list[_Block]:
    """The blocks that a choice, or with None any choice, shows; each once."""
    branches = block.shown() if choice is None else block.taken(choice)[:1]
    return [item for branch in branches for item in branch if isinstance(item, _Block)]


def _visible(block: _Block) -> Iterator[tuple[int, _Block]]:
    for inner in _inner(block, None):
        yield inner.number, inner
        yield from _visible(inner)


def _tree(template: Protected) -> _Block:
    marks = _marks(template.tags)
    stack = [_Block(-1, None)]
    for literal, number in template.pieces():
        if number is None:
            stack[-1].branches[-1].append(literal)
            continue
        tag = template.tags[number]
        if tag.opens:
            block = _Block(number, tag)
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


def _walk(block: _Block, way: Way, depth: int) -> Iterator[str]:
    looping = block.tag is not None and block.tag.loops
    for branch in block.taken(way.get(block.number, 0), depth):
        for item in branch:
            if isinstance(item, str):
                yield item
            else:
                yield from _walk(item, way, depth + looping)
