"""What stops a measurement."""

from __future__ import annotations

from cdc_triggers.errors import CdcTriggersError


class BenchError(CdcTriggersError):
    """Something did not run as the benchmark needs it."""


class MissingError(BenchError):
    """This machine does not have a peer; the text names the package."""
