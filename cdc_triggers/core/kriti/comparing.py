"""When are two values equal, and which is less? Counted, because values may be large."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cdc_triggers.core.kriti.values import Number, Value, kind
from cdc_triggers.errors import TemplateError

if TYPE_CHECKING:
    from cdc_triggers.core.kriti.limits import Budget
    from cdc_triggers.core.problems import Place


def equal(left: Value, right: Value, budget: Budget, place: Place) -> bool:
    """As JSON: numbers by value, objects whatever the order of their keys.

    Raises:
        TemplateError: that takes more steps than are left, or a number is out of range.
    """
    waiting = [(left, right)]
    while waiting:
        one, other = waiting.pop()
        budget.charge(1, place)
        if one is other:
            continue
        if type(one) is not type(other):
            return False
        if isinstance(one, list) and isinstance(other, list):
            if len(one) != len(other):
                return False
            budget.charge(len(one), place)
            waiting += zip(one, other, strict=True)
        elif isinstance(one, dict) and isinstance(other, dict):
            if len(one) != len(other):
                return False
            budget.charge(len(one), place)
            budget.charge_text(sum(map(len, one)), place)
            if one.keys() != other.keys():
                return False
            waiting += [(value, other[key]) for key, value in one.items()]
        elif not _same(one, other, budget, place):
            return False
    return True


def _same(one: Value, other: Value, budget: Budget, place: Place) -> bool:
    if isinstance(one, Number) and isinstance(other, Number):
        budget.charge(1, place)
        budget.charge_text(len(one.text) + len(other.text), place)
        try:
            return one == other
        except ValueError as error:
            raise TemplateError(str(error), place) from error
    if isinstance(one, str):
        budget.charge_text(len(one), place)
    return one == other


def less(left: Value, right: Value, budget: Budget, place: Place) -> bool:
    """For two numbers, two strings (by code points) or two booleans (false is less).

    Raises:
        TemplateError: for anything else.
    """
    if isinstance(left, Number) and isinstance(right, Number):
        budget.charge_text(len(left.text) + len(right.text), place)
        try:
            return left.decimal() < right.decimal()
        except ValueError as error:
            raise TemplateError(str(error), place) from error
    if isinstance(left, bool) and isinstance(right, bool):
        return left < right
    if isinstance(left, str) and isinstance(right, str):
        budget.charge_text(min(len(left), len(right)), place)
        return left < right
    raise TemplateError(
        f"{kind(left)} and {kind(right)} have no order: compare two numbers, or two strings", place
    )
