"""Liquid as this station speaks it: plain data, bounded work, one clock, nothing from disk."""

from __future__ import annotations

from functools import partial
from io import StringIO
from typing import TYPE_CHECKING, Any, TextIO

from liquid import BoundTemplate, Environment, RenderContext, escape
from liquid.ast import ConditionalBlockNode
from liquid.builtin.content import ContentNode, Literal
from liquid.builtin.expressions import FilteredExpression, Path
from liquid.builtin.output import Output, OutputNode
from liquid.builtin.tags.case_tag import CaseNode
from liquid.builtin.tags.if_tag import IfNode
from liquid.builtin.tags.unless_tag import UnlessNode
from liquid.exceptions import LiquidError, LiquidInterrupt, UnknownFilterError
from liquid.stringify import to_liquid_string
from liquid.undefined import UNDEFINED

from apps.mail.rendering.bounds import (
    BoundedForTag,
    BoundedTablerowTag,
    bound_ranges,
    walk_expressions,
    walk_nodes,
)
from apps.mail.rendering.filters import PLAIN_TEXT_FILTERS, WITHHELD_FILTERS, guarded_filters

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from liquid import Token
    from liquid.ast import Node
    from liquid.expression import Expression

    from apps.mail.rendering.dates import Clock
    from apps.mail.rendering.limits import Budget

# Namespaces whose keys the station gives, whether or not there is a value: a name that is not
# in them is a slip of the author's, even behind `default`. Traits and variables are open.
_CLOSED_NAMESPACES = frozenset(("contact", "brand", "campaign"))

# The maps a name is looked up in outside of loops: locals, globals, built-ins, counters.
_SCOPE_SIZE = 4


class StationEnvironment(Environment):
    """One per kind of output. Shared by all templates and threads; never changed."""

    def __init__(self, *, autoescape: bool, filters: Mapping[str, Callable[..., Any]]) -> None:
        super().__init__(autoescape=autoescape)
        for name in ("include", "render"):
            del self.tags[name]
        for tag in (BoundedForTag, BoundedTablerowTag, _LeanLiteral, _LeanOutput):
            self.add_tag(tag)
        for name in WITHHELD_FILTERS:
            del self.filters[name]
        self.filters.update(filters)
        self.guarded = guarded_filters(self)


class _LeanContentNode(ContentNode):
    """Without the look at disabled tags, of which there are none."""

    def render(self, context: RenderContext, buffer: TextIO) -> int:  # noqa: ARG002
        return buffer.write(self.text)


class _LeanOutputNode(OutputNode):
    """Takes the short way for what nearly all outputs are: a plain path to a text."""

    __slots__ = ("path", "path_token")

    def __init__(self, token: Token, expression: Expression) -> None:
        super().__init__(token, expression)
        self.path, self.path_token = _plain_path(expression)

    def render(self, context: RenderContext, buffer: TextIO) -> int:
        if self.path is None:
            value = self.expression.evaluate(context)
        else:
            value = context.get(self.path, token=self.path_token)
        if type(value) is not str:
            return buffer.write(to_liquid_string(value, context.autoescape))
        return buffer.write(escape(value) if context.autoescape else value)


class _LeanLiteral(Literal):
    node_class = _LeanContentNode


class _LeanOutput(Output):
    node_class = _LeanOutputNode


def _plain_path(expression: Expression) -> tuple[list[object] | None, Token | None]:
    if isinstance(expression, FilteredExpression) and not expression.filters:
        left = expression.left
        if isinstance(left, Path) and all(isinstance(part, str) for part in left.path):
            return list(left.path), left.token
    return None, None


HTML = StationEnvironment(autoescape=True, filters={})
TEXT = StationEnvironment(autoescape=False, filters={})
# For a text part that was made from an HTML template.
TEXT_FROM_HTML = StationEnvironment(autoescape=False, filters=PLAIN_TEXT_FILTERS)


class ParsedTemplate:
    """One parsed source. Safe to render from several threads."""

    __slots__ = ("_excused", "_template")

    def __init__(self, source: str, environment: StationEnvironment) -> None:
        """Raises `RenderFailedError` for anything the author did wrong."""
        self._template = _parse(source, environment)
        bound_ranges(self._template.nodes)
        self._excused = _excused(self._template.nodes)

    def render(
        self,
        namespace: Mapping[str, object],
        *,
        clock: Clock,
        budget: Budget,
        missing: dict[str, None],
    ) -> str:
        """Adds the names that had no value to `missing`. Raises `RenderFailedError`."""
        context = StationContext(self._template, namespace, clock, budget, missing, self._excused)
        buffer = _MeteredBuffer(budget)
        node: Node | None = None
        try:
            for node in self._template.nodes:
                node.render(context, buffer)
        except LiquidInterrupt as interrupt:
            raise _failure(
                LiquidError(f"unexpected '{interrupt}'", token=None), node
            ) from interrupt
        except MemoryError:
            # The machine's trouble, not the author's: sizes are bounded before they are made.
            raise
        except Exception as error:  # whatever it was, the author's template did it
            raise _failure(error, node) from error
        return buffer.getvalue()


class RenderFailedError(Exception):
    """A template could not be parsed or rendered: the library's error and where it happened."""

    def __init__(self, error: BaseException, token: Token | None) -> None:
        super().__init__(str(error))
        self.error = error
        self.token = token


class StationContext(RenderContext):
    """The library's context, with a purse, a clock and a list of names without a value."""

    __slots__ = ("budget", "clock", "excused", "missing")

    def __init__(  # noqa: PLR0913, PLR0917 - built in one place, for every part of every mail
        self,
        template: BoundTemplate,
        namespace: Mapping[str, object],
        clock: Clock,
        budget: Budget,
        missing: dict[str, None],
        excused: frozenset[int],
    ) -> None:
        super().__init__(template, globals=namespace)
        self.budget = budget
        self.clock = clock
        self.missing = missing
        self.excused = excused

    def get(
        self, path: list[object], *, token: Token | None, default: object = UNDEFINED
    ) -> object:
        """As the library's, which walks again where something is not there."""
        root = path[0]
        try:
            if root in self.locals or self.scope.size() > _SCOPE_SIZE:
                found: object = self.scope[root]  # type: ignore[index]  # not text: a KeyError
            else:
                found = self.globals[root]  # type: ignore[index]
            for segment in path[1:]:
                found = (
                    found[segment]
                    if type(found) is dict and segment in found
                    else self.get_item(found, segment)
                )
        except (KeyError, IndexError, TypeError):
            if isinstance(root, str):
                self._note(path, token, closed=_is_closed(path))
            return super().get(path, token=token, default=default)
        if found is None or found == "":
            self._note(path, token, closed=False)
        return found

    def filter(self, name: str, token: Token | None) -> Callable[..., object]:
        try:
            guarded = self.env.guarded[name]  # type: ignore[attr-defined]  # StationEnvironment
        except KeyError:
            raise UnknownFilterError(f"unknown filter '{name}'", token=token) from None
        return partial(guarded, self.budget, self.clock)

    def assign(self, key: str, val: Any) -> None:
        """Pays for what is kept: the library adds up all names at each assignment instead."""
        self.budget.spend(1)
        self.budget.admit(val)
        self.locals[key] = val

    def get_buffer(self, buf: object = None) -> StringIO:  # noqa: ARG002 - the library's signature
        return _MeteredBuffer(self.budget)

    def _note(self, path: list[object], token: Token | None, *, closed: bool) -> None:
        known = path[0] in self.scope
        if known and not closed and token is not None and token.start_index in self.excused:
            return
        self.missing[_written(path)] = None


class _MeteredBuffer(StringIO):
    """Collects pieces and charges them; the library's own encodes each piece to measure it."""

    def __init__(self, budget: Budget) -> None:
        super().__init__()
        self._budget = budget
        self._pieces: list[str] = []

    def write(self, piece: str, /) -> int:
        size = len(piece)
        self._budget.characters -= size
        if self._budget.characters < 0:
            self._budget.refuse_growth()
        self._pieces.append(piece)
        return size

    def getvalue(self) -> str:
        return "".join(self._pieces)


def _parse(source: str, environment: StationEnvironment) -> BoundTemplate:
    try:
        template = environment.from_string(source)
    except LiquidError as error:
        raise RenderFailedError(_cause(error), error.token) from error
    _check_filters(template.nodes, environment)
    return template


def _cause(error: LiquidError) -> BaseException:
    """What the library wrapped because it had not expected it, such as too deep a recursion."""
    unexpected = error.message == "unexpected liquid parsing error"
    return error.__cause__ if unexpected and error.__cause__ else error


def _check_filters(nodes: Sequence[Node], environment: StationEnvironment) -> None:
    """The library looks filters up when they run, which may be for the last recipient only."""
    for node in walk_nodes(nodes):
        for expression in walk_expressions(node.expressions()):
            if isinstance(expression, FilteredExpression):
                for filter_ in expression.filters or ():
                    if filter_.name not in environment.filters:
                        error = UnknownFilterError(
                            f"unknown filter '{filter_.name}'", token=filter_.token
                        )
                        raise RenderFailedError(error, filter_.token)


def _excused(nodes: Sequence[Node]) -> frozenset[int]:
    """Where a name may have no value without a warning: conditions, and before `default`."""
    places: set[int] = set()
    for node in walk_nodes(nodes):
        if isinstance(node, IfNode | UnlessNode | ConditionalBlockNode | CaseNode):
            places.update(_paths(node.expressions()))
        for expression in walk_expressions(node.expressions()):
            if isinstance(expression, FilteredExpression) and any(
                filter_.name == "default" for filter_ in expression.filters or ()
            ):
                places.update(_paths([expression.left]))
    return frozenset(places)


def _paths(expressions: Sequence[Expression] | Any) -> set[int]:
    return {
        expression.token.start_index
        for expression in walk_expressions(expressions)
        if isinstance(expression, Path)
    }


def _failure(error: BaseException, node: Node | None) -> RenderFailedError:
    token = error.token if isinstance(error, LiquidError) else None
    return RenderFailedError(error, token or (node.token if node else None))


def _is_closed(path: list[object]) -> bool:
    return path[0] in _CLOSED_NAMESPACES and path[1:2] != ["traits"]


def _written(path: list[object]) -> str:
    return "".join(
        f"[{part}]" if isinstance(part, int) else f".{part}" for part in path
    ).removeprefix(".")
