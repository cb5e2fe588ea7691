"""The functions of Kriti, each of one value. What they cost is taken before they do it."""

from __future__ import annotations

import re
from decimal import Context, Decimal, DecimalException
from typing import TYPE_CHECKING, NamedTuple
from urllib.parse import quote

from cdc_triggers.core.kriti.values import Number, Value, kind

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from cdc_triggers.core.kriti.limits import Budget
    from cdc_triggers.core.problems import Place

_LETTERS = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)*")
_RECIPROCAL = Context(prec=34)
"""As many digits as IEEE 754's decimal128 has."""


class MisuseError(ValueError):
    """A function was given something that it does not take."""


class Scene(NamedTuple):
    """What a function sees besides its argument."""

    budget: Budget
    place: Place
    session: Mapping[str, str] | None


def _text(value: Value, scene: Scene) -> str:
    if not isinstance(value, str):
        raise MisuseError(f"takes a string, not {kind(value)}")
    scene.budget.charge_text(len(value), scene.place)
    return value


def _rewritten(value: Value, scene: Scene) -> str:
    """A text of which each word or character is looked at by itself."""
    if isinstance(value, str):
        scene.budget.charge_written(len(value), scene.place)
    return _text(value, scene)


def _array(value: Value, scene: Scene) -> list[Value]:
    if not isinstance(value, list):
        raise MisuseError(f"takes an array, not {kind(value)}")
    scene.budget.charge(len(value), scene.place)
    return value


def _decimal(value: Number, scene: Scene) -> Decimal:
    scene.budget.charge_text(len(value.text), scene.place)
    try:
        return value.decimal()
    except ValueError as error:
        raise MisuseError("takes no number with such an exponent") from error


def _not(value: Value, _: Scene) -> Value:
    if not isinstance(value, bool):
        raise MisuseError(f"takes a boolean, not {kind(value)}")
    return not value


def _empty(value: Value, scene: Scene) -> Value:
    if isinstance(value, bool):
        raise MisuseError("takes no boolean: it is neither empty nor full")
    if isinstance(value, Number):
        return _decimal(value, scene) == 0
    if isinstance(value, str):
        return not _text(value, scene).strip()
    return not value


def _size(value: Value, _: Scene) -> Value:
    if isinstance(value, Number):
        return value
    if isinstance(value, bool) or value is None:
        return Number(str(int(value or False)))
    return Number(str(len(value)))


def _inverse(value: Value, scene: Scene) -> Value:
    if isinstance(value, bool):
        return not value
    if isinstance(value, str):
        return _text(value, scene)[::-1]
    if isinstance(value, list):
        return _array(value, scene)[::-1]
    if isinstance(value, Number):
        try:
            return Number(str(_RECIPROCAL.divide(1, _decimal(value, scene))))
        except DecimalException as error:
            raise MisuseError("takes no zero, and no number out of range") from error
    return value


def _head(value: Value, _: Scene) -> Value:
    if not isinstance(value, str | list):
        raise MisuseError(f"takes an array or a string, not {kind(value)}")
    if not value:
        raise MisuseError(f"takes nothing empty: this is {kind(value)} without an element")
    return value[0]


def _tail(value: Value, scene: Scene) -> Value:
    _head(value, scene)
    return _text(value, scene)[1:] if isinstance(value, str) else _array(value, scene)[1:]


def _to_title(value: Value, scene: Scene) -> Value:
    text = _rewritten(value, scene)
    return _LETTERS.sub(lambda word: word[0][0].title() + word[0][1:].lower(), text)


def _from_pairs(value: Value, scene: Scene) -> Value:
    made: dict[str, Value] = {}
    for pair in _array(value, scene):
        if not (isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str)):  # noqa: PLR2004
            raise MisuseError("takes an array of pairs, the first of each a string: [[key, value]]")
        made[pair[0]] = pair[1]
    return made


def _to_pairs(value: Value, scene: Scene) -> Value:
    if not isinstance(value, dict):
        raise MisuseError(f"takes an object, not {kind(value)}")
    scene.budget.charge(len(value), scene.place)
    return [[key, each] for key, each in value.items()]


def _remove_nulls(value: Value, scene: Scene) -> Value:
    return [each for each in _array(value, scene) if each is not None]


def _concat(value: Value, scene: Scene) -> Value:
    parts = _array(value, scene)
    if strings := [part for part in parts if isinstance(part, str)]:
        if len(strings) == len(parts):
            scene.budget.charge_text(sum(map(len, strings)), scene.place)
            return "".join(strings)
    elif objects := [part for part in parts if isinstance(part, dict)]:
        if len(objects) == len(parts):
            scene.budget.charge(sum(map(len, objects)), scene.place)
            return {key: each for part in objects for key, each in part.items()}
    elif len(arrays := [part for part in parts if isinstance(part, list)]) == len(parts):
        scene.budget.charge(sum(map(len, arrays)), scene.place)
        return [each for part in arrays for each in part]
    raise MisuseError("takes an array of arrays, of strings, or of objects, and no mixture")


def _escape_uri(value: Value, scene: Scene) -> Value:
    try:
        return quote(_rewritten(value, scene), safe="")
    except UnicodeEncodeError as error:
        raise MisuseError("takes valid Unicode: this text holds half a character") from error


def _get_session_variable(value: Value, scene: Scene) -> Value:
    if value is None:
        return None
    name = _text(value, scene).lower()
    found = (scene.session or {}).get(name)
    if found is None:
        raise MisuseError(
            "found no such session variable: write $session_variables?['x-hasura-role'] "
            "if it may be missing"
        )
    return found


FUNCTIONS: Mapping[str, Callable[[Value, Scene], Value]] = {
    "concat": _concat,
    "empty": _empty,
    "escapeUri": _escape_uri,
    "fromPairs": _from_pairs,
    "getSessionVariable": _get_session_variable,
    "head": _head,
    "inverse": _inverse,
    "not": _not,
    "removeNulls": _remove_nulls,
    "size": _size,
    "tail": _tail,
    "toCaseFold": lambda value, scene: _text(value, scene).casefold(),
    "toLower": lambda value, scene: _text(value, scene).lower(),
    "toPairs": _to_pairs,
    "toTitle": _to_title,
    "toUpper": lambda value, scene: _text(value, scene).upper(),
}
"""By name. A MisuseError says what was wrong with the argument."""
