"""From a tree to something that runs: a closure for every expression.

What can be known before is checked here: variables and functions that are not there.
"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple, assert_never

from cdc_triggers.core.kriti import nodes
from cdc_triggers.core.kriti.comparing import equal, less
from cdc_triggers.core.kriti.functions import FUNCTIONS, MisuseError, Scene
from cdc_triggers.core.kriti.values import Number, Value, kind, measure, write
from cdc_triggers.core.problems import Problem
from cdc_triggers.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping

    from cdc_triggers.core.kriti.limits import Budget
    from cdc_triggers.core.kriti.nodes import Node
    from cdc_triggers.core.problems import Place


class Run(NamedTuple):
    """One evaluation: the variables as they are now, and what may still be done."""

    variables: dict[str, Value]
    session: Mapping[str, str] | None
    budget: Budget


class Compiler:
    """Makes closures; `problems` says what keeps them from being run."""

    def __init__(self, variables: Collection[str]) -> None:
        self.problems: list[Problem] = []
        self.used: set[str] = set()
        self._scope = list(variables)

    def code(self, node: Node) -> Callable[[Run], Value]:  # noqa: C901, PLR0911 - an arm per kind
        """What evaluates this node."""
        match node:
            case nodes.Literal(_, value):
                return lambda _: value
            case nodes.Text():
                return self._text(node)
            case nodes.Array(_, elements):
                codes = [self.code(element) for element in elements]
                return lambda run: [code(run) for code in codes]
            case nodes.Object(_, fields):
                pairs = [(key, self.code(value)) for key, value in fields]
                return lambda run: {key: code(run) for key, code in pairs}
            case nodes.Variable():
                return self._variable(node)
            case nodes.Lookup():
                return self._lookup(node)
            case nodes.Optional():
                return self._optional(node)
            case nodes.Binary():
                return self._binary(node)
            case nodes.Conditional():
                return self._conditional(node)
            case nodes.Range():
                return self._range(node)
            case nodes.Call():
                return self._call(node)
            case _:
                assert_never(node)

    def _text(self, node: nodes.Text) -> Callable[[Run], Value]:
        place = node.place
        parts = [part if isinstance(part, str) else self.code(part) for part in node.parts]

        def text(run: Run) -> Value:
            made = [
                part if isinstance(part, str) else as_text(part(run), run.budget, place)
                for part in parts
            ]
            run.budget.charge_text(sum(map(len, made)), place)
            return "".join(made)

        return text

    def _variable(self, node: nodes.Variable) -> Callable[[Run], Value]:
        name = node.name
        self.used.add(name)
        if name not in self._scope:
            self.problems.append(Problem(node.place, _unknown(name, self._scope)))
        return lambda run: run.variables[name]

    def _lookup(self, node: nodes.Lookup) -> Callable[[Run], Value]:
        base, key, place = self.code(node.base), self.code(node.key), node.place
        shown = show(node.base)

        def lookup(run: Run) -> Value:
            holder, name = base(run), key(run)
            if isinstance(holder, dict):
                if not isinstance(name, str):
                    raise TemplateError(f"{shown} is an object: its keys are strings", place)
                run.budget.charge_text(len(name), place)
                if name in holder:
                    return holder[name]
                raise TemplateError(_missing(shown, node.key), place)
            if isinstance(holder, list):
                if not isinstance(name, Number):
                    raise TemplateError(f"{shown} is an array: its keys are numbers", place)
                index = _index(name, run.budget, place)
                if index is not None and index < len(holder):
                    return holder[index]
                raise TemplateError(f"{shown} has {len(holder)} elements: the first is [0]", place)
            raise TemplateError(
                f"{shown} is {kind(holder)}, not an object: write ? before the key if that may be",
                place,
            )

        return lookup

    def _optional(self, node: nodes.Optional) -> Callable[[Run], Value]:
        base, keys, place = self.code(node.base), [self.code(key) for key in node.keys], node.place
        shown = show(node.base)

        def optional(run: Run) -> Value:
            try:
                value = base(run)
            except TemplateError:
                if run.budget.left < 0:
                    raise
                return None
            if not isinstance(value, dict | list | None):
                raise TemplateError(f"{shown} is {kind(value)}, not an object", place)
            for key in keys:
                value = _step(value, key(run), run.budget, place)
                if value is None:
                    return None
            return value

        return optional

    def _binary(self, node: nodes.Binary) -> Callable[[Run], Value]:
        left, right = self.code(node.left), self.code(node.right)
        if node.operator in {"&&", "||"}:
            return _logical(node.operator, left, right, node.place)
        if node.operator == "??":

            def defaulting(run: Run) -> Value:
                value = left(run)
                return right(run) if value is None else value

            return defaulting
        compare, place = _COMPARISONS[node.operator], node.place
        return lambda run: compare(left(run), right(run), run.budget, place)

    def _conditional(self, node: nodes.Conditional) -> Callable[[Run], Value]:
        branches = [
            (self.code(condition), self.code(value), condition.place)
            for condition, value in node.branches
        ]
        otherwise = self.code(node.otherwise)

        def conditional(run: Run) -> Value:
            for condition, value, place in branches:
                if _truth(condition(run), place):
                    return value(run)
            return otherwise(run)

        return conditional

    def _range(self, node: nodes.Range) -> Callable[[Run], Value]:
        source, place, shown = self.code(node.source), node.source.place, show(node.source)
        name, index = node.name, node.index
        names = [name] if index is None else [index, name]
        self._scope += names
        body = self.code(node.body)
        del self._scope[-len(names) :]
        cost = nodes.weigh(node.body)[0]

        def loop(run: Run) -> Value:
            elements = source(run)
            if not isinstance(elements, list):
                raise TemplateError(f"{shown} is {kind(elements)}, and range takes an array", place)
            variables = dict(run.variables)
            inner = run._replace(variables=variables)
            made: list[Value] = []
            for position, element in enumerate(elements):
                run.budget.charge(cost, place)
                if index is not None:
                    variables[index] = Number(str(position))
                variables[name] = element
                made.append(body(inner))
            return made

        return loop

    def _call(self, node: nodes.Call) -> Callable[[Run], Value]:
        name, place = node.function, node.place
        argument, function = self.code(node.argument), FUNCTIONS.get(name)
        self.used.add(name)
        if function is None:
            near = get_close_matches(name, FUNCTIONS, n=1, cutoff=0.5)
            meant = f"did you mean {near[0]}?" if near else f"write one of {', '.join(FUNCTIONS)}"
            self.problems.append(Problem(place, f"there is no function {name}: {meant}"))
            return argument

        def call(run: Run) -> Value:
            try:
                return function(argument(run), Scene(run.budget, place, run.session))
            except MisuseError as error:
                raise TemplateError(f"{name} {error}", place) from error

        return call


def as_text(value: Value, budget: Budget, place: Place) -> str:
    """What stands in a text for an expression in it: a string as it is, all else as JSON.

    Raises:
        TemplateError: that is more than may still be made.
    """
    if isinstance(value, str):
        return value
    # measured before it is made: the same part of the body may be in it many times
    budget.charge_written(measure(value, budget.characters) + 1, place)
    return write(value)


def show(node: Node) -> str:
    """The path as written, to be named in a message; anything else is `this`."""
    match node:
        case nodes.Variable(_, name):
            return name
        case nodes.Lookup(_, base, nodes.Literal(_, str() as key)):
            return f"{show(base)}.{key}" if key.isidentifier() else f"{show(base)}['{key}']"
        case nodes.Lookup(_, base, nodes.Literal(_, Number() as key)):
            return f"{show(base)}[{key.text}]"
        case _:
            return "this"


def _unknown(name: str, scope: Collection[str]) -> str:
    near = get_close_matches(name, scope, n=1, cutoff=0.5) or get_close_matches(
        f"${name}", scope, n=1, cutoff=0.7
    )
    if near:
        return f"there is no variable {name}: did you mean {near[0]}?"
    return (
        f"there is no variable {name}: write one of {', '.join(scope)}; "
        "the environment is seen by `webhook` and `headers` only"
    )


def _missing(shown: str, key: Node) -> str:
    if isinstance(key, nodes.Literal) and isinstance(key.value, str):
        return f"{shown} has no key {key.value!r}: write ? before it if it may be missing"
    return f"{shown} has no such key: write ? before it if it may be missing"


def _index(number: Number, budget: Budget, place: Place) -> int | None:
    """None: no array has such an element."""
    budget.charge_text(len(number.text), place)
    try:
        whole = number.whole()
    except ValueError as error:
        raise TemplateError(str(error), place) from error
    return whole if whole is not None and whole >= 0 else None


def _step(value: Value, key: Value, budget: Budget, place: Place) -> Value:
    """One lookup on an optional way: null if there is no such thing."""
    if isinstance(value, dict) and isinstance(key, str):
        budget.charge_text(len(key), place)
        return value.get(key)
    if isinstance(value, list) and isinstance(key, Number):
        index = _index(key, budget, place)
        return value[index] if index is not None and index < len(value) else None
    return None


def _truth(value: Value, place: Place) -> bool:
    if isinstance(value, bool):
        return value
    raise TemplateError(f"a condition is true or false, and this is {kind(value)}", place)


def _logical(
    operator: str, left: Callable[[Run], Value], right: Callable[[Run], Value], place: Place
) -> Callable[[Run], Value]:
    """The right side is evaluated only if the left one does not decide."""
    decided = operator == "||"

    def logical(run: Run) -> Value:
        if _truth(left(run), place) is decided:
            return decided
        return _truth(right(run), place)

    return logical


def _contains(key: Value, holder: Value, budget: Budget, place: Place) -> bool:
    if isinstance(holder, list):
        return any(equal(key, each, budget, place) for each in holder)
    if not isinstance(holder, dict):
        raise TemplateError(f"`in` looks into an array or an object, not {kind(holder)}", place)
    if not isinstance(key, str):
        raise TemplateError(f"the keys of an object are strings, and this is {kind(key)}", place)
    budget.charge_text(len(key), place)
    return key in holder


_COMPARISONS: Mapping[str, Callable[[Value, Value, Budget, Place], bool]] = {
    "==": equal,
    "!=": lambda left, right, budget, place: not equal(left, right, budget, place),
    "<": less,
    ">": lambda left, right, budget, place: less(right, left, budget, place),
    "<=": lambda left, right, budget, place: not less(right, left, budget, place),
    ">=": lambda left, right, budget, place: not less(left, right, budget, place),
    "in": _contains,
}
