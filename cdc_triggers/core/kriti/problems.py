"""A template that is not one."""

from __future__ import annotations

from cdc_triggers.core.problems import InvalidSourceError


class InvalidTemplateError(InvalidSourceError):
    """A template that cannot be used."""
