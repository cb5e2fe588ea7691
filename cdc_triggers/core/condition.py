"""A trigger's condition, ready to ask: does it want this event?

Compiled once per text; asked for every event whose operation and columns match. It sees `old`,
`new`, `op` and `session`, of the rows only what it names, and gives true, false or an error: for
the same event always the same. There is no clock in it.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

from cdc_triggers.core.cel.checker import ROWS, check, column_of
from cdc_triggers.core.cel.cost import BUDGET, largest_input
from cdc_triggers.core.cel.nodes import (
    Binary,
    Call,
    Index,
    Literal,
    Macro,
    Name,
    Select,
    below,
    walk,
)
from cdc_triggers.core.cel.parser import parse
from cdc_triggers.core.cel.problems import FlawError, InvalidConditionError
from cdc_triggers.core.cel.utc import in_utc
from cdc_triggers.core.cel.writer import write
from cdc_triggers.core.problems import Place, Problem
from cdc_triggers.errors import ConditionError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from cdc_triggers.core.cel.functions import Type
    from cdc_triggers.core.cel.nodes import Node
    from cdc_triggers.core.images import Images, Naming

SOURCE_CHARACTERS = 4_096
"""The longest condition."""

DEPTH = 150
"""How many operators may build on each other, in a row or nested."""

MACRO_DEPTH = 3
"""How deep macros may stand in each other."""

LEAST_INPUT = 250
"""A condition that cannot read so much in time is refused: rows of ordinary size would be dead."""

_START = Place(1, 1)
_NULLS = 5
"""How many of them a reason names."""

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (IndexError, "a list has no such element"),
    (OverflowError, "a whole number leaves its 64 bits"),
    (ZeroDivisionError, "divides by zero"),
    (TypeError, "an operator or function got a type that it does not take"),
    (Exception, "a function cannot read what it was given"),
)


class Reads(NamedTuple):
    """What a condition looks at.

    Attributes:
        columns: by image, `old` and `new`: those that it names.
        whole: images that it takes as a whole.
        session: whether it looks at session variables.
    """

    columns: dict[str, tuple[str, ...]]
    whole: frozenset[str]
    session: bool


class Condition:
    """Immutable; one for all triggers that say the same.

    Attributes:
        reads: what it looks at.
        largest_input: how much that may be, see `Images.units`.
        fields: names that stand in its text: they may be repeated in a reason, others may be data.
    """

    def __init__(self, root: Node) -> None:
        self.reads = _reads(root)
        run = in_utc(root)
        self.largest_input = largest_input(run)
        self.fields = frozenset(_fields(root))
        self._root = root
        self._program = _program(write(run))

    def problems(self, columns: Mapping[str, Type]) -> tuple[Problem, ...]:
        """What is wrong with it on a table with these columns."""
        return check(self._root, columns)

    @property
    def column_names(self) -> tuple[str, ...]:
        """Every column that it names, once."""
        return tuple(dict.fromkeys(name for each in self.reads.columns.values() for name in each))

    def holds(self, op: str, images: Images, naming: Naming) -> bool:
        """Does the trigger want this event?

        Args:
            op: INSERT, UPDATE or DELETE.
            images: the event's rows.
            naming: how the columns that it names are found in them.

        Raises:
            ConditionError: it cannot be said; the reason holds no value of a row.
        """
        reads = self.reads
        rows = {
            side: images.fields(side, columns, naming, whole=side in reads.whole)
            for side, columns in reads.columns.items()
        }
        units = sum(field.units for row in rows.values() if row for field in row.values())
        units += images.session_units if reads.session else 0
        if units > self.largest_input:
            raise ConditionError(
                f"what it reads of the row counts {units}, and it is safe up to "
                f"{self.largest_input} only"
            )
        variables: dict[str, Any] = {"op": op}
        for side, row in rows.items():
            variables[side] = (
                None
                if row is None
                else {name: images.value(side, field) for name, field in row.items()}
            )
        if reads.session:
            variables["session"] = images.session()
        result = self._run(variables)
        if result is True or result is False:
            return result
        raise ConditionError("gives neither true nor false")

    def _run(self, variables: Mapping[str, Any]) -> object:
        try:
            return self._program.execute(variables)
        except KeyError as error:
            name = str(error.args[0]) if error.args else ""
            what = f"no field {name}" if name in self.fields else "no such field"
            raise ConditionError(f"there is {what}{_nulls(variables)}") from None
        except Exception as error:  # noqa: BLE001 - the evaluator has a dozen kinds
            reason = next(text for kind, text in _REASONS if isinstance(error, kind))
            raise ConditionError(f"{reason}{_nulls(variables)}") from None
        except BaseException as error:
            # a panic of the evaluator is no Exception, and there is no other name for it
            if type(error).__name__ != "PanicException":
                raise
            raise ConditionError("the evaluator failed") from None


@lru_cache(maxsize=8192)
def compiled(source: str) -> Condition:
    """Compile a condition; the same one only once.

    Raises:
        InvalidConditionError: with everything that is wrong with it.
    """
    if len(source) > SOURCE_CHARACTERS:
        raise _invalid(f"has {len(source)} characters: at most {SOURCE_CHARACTERS}")
    try:
        root = parse(source)
    except FlawError as flaw:
        raise InvalidConditionError((flaw.problem,)) from None
    if max(depth for _, depth in walk(root)) > DEPTH:
        raise _invalid(f"builds more than {DEPTH} operators on each other: write a list and `in`")
    problems = check(root)
    if not problems:
        problems = tuple(_run_time_problems(root))
    if problems:
        raise InvalidConditionError(problems)
    return Condition(root)


def _invalid(text: str) -> InvalidConditionError:
    return InvalidConditionError((Problem(_START, text),))


def _run_time_problems(root: Node) -> Iterator[Problem]:
    """What only the evaluator can say, and what it could not do in time."""
    if _macro_depth(root) > MACRO_DEPTH:
        yield Problem(_START, f"nests macros more than {MACRO_DEPTH} deep: write it with less")
        return
    try:
        _program(write(root))
    except ValueError:
        yield Problem(_START, "is not valid CEL: write it more simply")
        return
    yield from _constant_problems(root)
    if largest_input(in_utc(root)) < LEAST_INPUT:
        yield Problem(
            _START,
            f"could take more than {BUDGET // 10_000} ms on an ordinary row: "
            "nest fewer macros, or simplify its patterns",
        )


def _constant_problems(root: Node) -> Iterator[Problem]:
    """Calls that fail whatever the event is: a pattern that is none, a time that is none."""
    for node, _ in walk(root):
        if not isinstance(node, Call) or not all(isinstance(arg, Literal) for arg in node.args):
            continue
        if node.function == "matches":
            tried: Node = node._replace(target=Literal(node.place, "string", ""))
        elif node.target is None or isinstance(node.target, Literal):
            tried = node
        else:
            continue
        try:
            _program(write(tried)).execute({})
        except Exception:  # noqa: BLE001 - as above
            what = "pattern" if node.function == "matches" else "value"
            text = f"{node.function}() can do nothing with this {what}: {write(node.args[-1])}"
            yield Problem(node.place, text)


def _program(text: str) -> Any:
    """The evaluator's. It is slow to load, so nobody loads it who has no conditions."""
    import cel  # noqa: PLC0415 - see above

    return cel.compile(text)


def _macro_depth(node: Node) -> int:
    """How deep macros stand in what other macros do."""
    if isinstance(node, Macro):
        inside = [part for part in (node.where, node.body) if part is not None]
        return max(_macro_depth(node.of), 1 + max(map(_macro_depth, inside)))
    return max(map(_macro_depth, below(node)), default=0)


def _reads(root: Node) -> Reads:
    """Columns, and images in any other place than where only one column of it counts."""
    columns: dict[str, dict[str, None]] = {}
    harmless: set[int] = set()
    whole: set[str] = set()
    session = False
    for node, _ in walk(root):
        if (column := column_of(node)) is not None:
            assert isinstance(node, Select | Index)
            columns.setdefault(column[0], {})[column[1]] = None
            harmless.add(id(node.of))
        elif isinstance(node, Binary):
            harmless |= {id(side) for side in _looked_into(node, columns)}
        elif isinstance(node, Name):
            session = session or node.name == "session"
            if node.name in ROWS:
                columns.setdefault(node.name, {})
                if id(node) not in harmless:
                    whole.add(node.name)
    found = {side: tuple(names) for side, names in columns.items()}
    return Reads(found, frozenset(whole), session)


def _looked_into(node: Binary, columns: dict[str, dict[str, None]]) -> Iterator[Node]:
    """`old == null`, `"x" in new`: no need for all of it."""
    match node:
        case Binary(operator="==" | "!=", left=Name() as row, right=Literal(kind="null")):
            yield row
        case Binary(operator="==" | "!=", left=Literal(kind="null"), right=Name() as row):
            yield row
        case Binary(
            operator="in", left=Literal(kind="string", value=str(name)), right=Name() as row
        ) if row.name in ROWS:
            columns.setdefault(row.name, {})[name] = None
            yield row


def _fields(root: Node) -> Iterator[str]:
    for node, _ in walk(root):
        if isinstance(node, Select):
            yield node.field
        elif isinstance(node, Literal) and isinstance(node.value, str):
            yield node.value


def _nulls(variables: Mapping[str, Any]) -> str:
    """What of it is null: the usual cause."""
    sides = sorted(ROWS & variables.keys())
    found = [
        f"{side}.{name}"
        for side in sides
        for name, value in (variables[side] or {}).items()
        if value is None
    ]
    found += [side for side in sides if variables[side] is None]
    return f" (null: {', '.join(found[:_NULLS])})" if found else ""
