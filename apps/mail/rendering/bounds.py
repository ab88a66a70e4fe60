"""Loops and ranges that know what they cost before they start.

The library counts only loops nested in each other, and walks a range to its offset or end before
it counts at all: thousands of loops side by side, or one `(1..1000000000) reversed`, would run for
hours. Here a loop pays for all its rounds and everything in them when it is entered.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

from liquid import BoundTemplate, Environment, RenderContext
from liquid.builtin.expressions import LoopExpression
from liquid.builtin.expressions.primitive import RangeLiteral
from liquid.builtin.tags.for_tag import ForNode, ForTag
from liquid.builtin.tags.tablerow_tag import TablerowNode, TablerowTag
from liquid.expression import Expression

from apps.mail.rendering.problems import LimitReachedError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from liquid import Token
    from liquid.ast import BlockNode, Node

    from apps.mail.rendering.limits import Budget

# Nodes ask for a context to tell their children; only tags that load other templates look at it.
_NO_CONTEXT = RenderContext(BoundTemplate(Environment(), []))


def _budget(context: RenderContext) -> Budget:
    return cast("Budget", context.budget)  # type: ignore[attr-defined]  # StationContext has it


def children(node: Node) -> Iterable[Node]:
    return node.children(_NO_CONTEXT, include_partials=False)


def walk_nodes(nodes: Iterable[Node]) -> Iterator[Node]:
    for node in nodes:
        yield node
        yield from walk_nodes(children(node))


def walk_expressions(expressions: Iterable[Expression]) -> Iterator[Expression]:
    for expression in expressions:
        yield expression
        yield from walk_expressions(expression.children())


def bound_ranges(nodes: Sequence[Node]) -> None:
    """Gives every range of a parsed template a stop that checks its width."""
    for node in walk_nodes(nodes):
        for expression in list(walk_expressions(node.expressions())):
            if isinstance(expression, RangeLiteral):
                expression.stop = _BoundedStop(
                    RangeLiteral(expression.token, expression.start, expression.stop)
                )


class _BoundedStop(Expression):
    """The end of a range, told only if the range is not too wide."""

    __slots__ = ("literal",)

    def __init__(self, literal: RangeLiteral) -> None:
        super().__init__(literal.token)
        self.literal = literal

    def __str__(self) -> str:
        return str(self.literal.stop)

    def evaluate(self, context: RenderContext) -> object:
        whole = self.literal.evaluate(context)
        width, budget = whole.stop - whole.start, _budget(context)
        if width > budget.limits.value_items:
            raise LimitReachedError(
                f"the range {whole.start}..{whole.stop - 1} has {width:,} numbers"
                f" (limit: {budget.limits.value_items:,})"
            )
        return self.literal.stop.evaluate(context)

    def children(self) -> list[Expression]:
        return [self.literal.stop]


class _PaidLoop(LoopExpression):
    """A loop's header that charges its rounds, each for the work in the loop's body."""

    __slots__ = ("steps",)

    def __init__(self, loop: LoopExpression, steps: int) -> None:
        super().__init__(
            loop.token,
            loop.identifier,
            loop.iterable,
            limit=loop.limit,
            offset=loop.offset,
            reversed_=loop.reversed,
            cols=loop.cols,
        )
        self.steps = steps

    def _to_iter(self, obj: object, context: RenderContext) -> tuple[Iterator[Any], int]:
        items, length = super()._to_iter(obj, context)
        _budget(context).spend(length)
        return items, length

    def evaluate(self, context: RenderContext) -> tuple[Iterator[object], int]:
        items, length = super().evaluate(context)
        _budget(context).spend(length * self.steps)
        return items, length


def _steps(block: BlockNode) -> int:
    """What one round of a loop costs, without the rounds of the loops in it."""
    steps = 0
    for node in children(block):
        steps += 1 + sum(1 for _ in walk_expressions(node.expressions()))
        if not isinstance(node, ForNode | TablerowNode):
            steps += _steps(cast("BlockNode", node))
    return steps


class _BoundedForNode(ForNode):
    def __init__(
        self,
        token: Token,
        expression: LoopExpression,
        block: BlockNode,
        default: BlockNode | None = None,
    ) -> None:
        super().__init__(token, _PaidLoop(expression, _steps(block)), block, default)


class _BoundedTablerowNode(TablerowNode):
    def __init__(self, token: Token, expression: LoopExpression, block: BlockNode) -> None:
        super().__init__(token, _PaidLoop(expression, _steps(block)), block)


class BoundedForTag(ForTag):
    node_class = _BoundedForNode


class BoundedTablerowTag(TablerowTag):
    node_class = _BoundedTablerowNode
