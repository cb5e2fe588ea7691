"""A template, ready to run: compiled once, run for every request."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.core.kriti import nodes, values
from cdc_triggers.core.kriti.compiler import Compiler, Run, as_text
from cdc_triggers.core.kriti.functions import FUNCTIONS
from cdc_triggers.core.kriti.limits import CHAIN, OUTPUT_BYTES, START, VALUES, Budget
from cdc_triggers.core.kriti.parser import parse
from cdc_triggers.core.kriti.problems import InvalidTemplateError
from cdc_triggers.core.problems import Problem
from cdc_triggers.errors import TemplateError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.core.kriti.values import Value


class Inputs(NamedTuple):
    """What templates see.

    Attributes:
        variables: those that `compiled` was told of, by name.
        session: session variables, names in lower case; None: there are none.
    """

    variables: dict[str, Value]
    session: Mapping[str, str] | None


class Template(NamedTuple):
    """A compiled template.

    Attributes:
        constant: what it always gives, if it holds no expression.
        used: the variables and functions that it refers to.
        code, steps: what runs it, and the steps of one run without its loops.
    """

    constant: str | None
    used: frozenset[str]
    code: Callable[[Run], Value]
    steps: int

    def value(self, inputs: Inputs, budget: Budget) -> Value:
        """Run it.

        Raises:
            TemplateError: with the place in the template.
        """
        try:
            budget.charge(self.steps)
            return self.code(Run(inputs.variables, inputs.session, budget))
        except RecursionError as error:
            raise TemplateError("is nested too deep", START) from error

    def json(self, inputs: Inputs, budget: Budget) -> bytes:
        """Run it, and write what it gives as JSON.

        Raises:
            TemplateError: it cannot be run, or gives more than `OUTPUT_BYTES` or `VALUES`.
        """
        value = self.value(inputs, budget)
        # measured before it is made: the same part of the body may be in it many times
        try:
            _check_size(values.measure(value, OUTPUT_BYTES, VALUES))
        except values.TooLargeError as error:
            raise TemplateError(f"gives JSON that {error}: send less of the row", START) from error
        made = values.write(value).encode()
        _check_size(len(made))
        return made

    def text(self, inputs: Inputs, budget: Budget) -> str | None:
        """Run a template for text; None: it is one expression, and that is null.

        Raises:
            TemplateError: it cannot be run.
        """
        if self.constant is not None:
            return self.constant
        value = self.value(inputs, budget)
        if value is None:
            return None
        text = as_text(value, budget, START)
        # it goes into a URL, a header or a form: looked at, and encoded, character by character
        budget.charge_written(len(text), START)
        return text


@lru_cache(maxsize=1024)
def compiled(source: str, variables: frozenset[str], *, free: bool = False) -> Template:
    """Compile a template; the same one only once.

    Args:
        source: the template.
        variables: names that it may use.
        free: True: text (a URL, a header) with expressions in it; False: JSON.

    Raises:
        InvalidTemplateError: with everything that is wrong with it.
    """
    node, problems = parse(source, FUNCTIONS, free=free)
    if node is None:
        raise InvalidTemplateError(tuple(problems))
    steps, depth = nodes.weigh(node)
    if depth > CHAIN:
        text = f"chains more than {CHAIN} lookups or operators: put some into a range"
        raise InvalidTemplateError((Problem(START, text),))
    compiler = Compiler(sorted(variables))
    lone = free and isinstance(node, nodes.Text) and len(node.parts) == 1
    code = compiler.code(_only(node) if lone else node)
    if problems or compiler.problems:
        raise InvalidTemplateError(tuple(sorted({*problems, *compiler.problems})))
    constant = node.value if free and isinstance(node, nodes.Literal) else None
    assert constant is None or isinstance(constant, str)
    return Template(constant, frozenset(compiler.used), code, steps)


def _only(node: nodes.Node) -> nodes.Node:
    """The one expression that a text consists of."""
    assert isinstance(node, nodes.Text)
    (part,) = node.parts
    assert not isinstance(part, str)
    return part


def _check_size(size: int) -> None:
    if size > OUTPUT_BYTES:
        raise TemplateError(f"gives more than {OUTPUT_BYTES} bytes: send less of the row", START)
