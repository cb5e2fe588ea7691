"""A condition that is not one."""

from __future__ import annotations

from cdc_triggers.core.problems import InvalidSourceError, Place, Problem


class InvalidConditionError(InvalidSourceError):
    """A condition that cannot be used."""


class FlawError(Exception):
    """The one thing at which reading stopped.

    Args:
        place: where.
        text: what is wrong, and what to write.
    """

    def __init__(self, place: Place, text: str) -> None:
        super().__init__(text)
        self.problem = Problem(place, text)
