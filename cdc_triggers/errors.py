"""The tree of errors: each says what happened, where, and what to do next.

Every error carries the exit code of the process it ends. One handler (`cli.main`) turns the chain
into a line on stderr; nothing else prints an error.
"""

from __future__ import annotations

from typing import ClassVar


class CdcTriggersError(Exception):
    """Base of all errors that this package raises on purpose.

    Args:
        message: what happened and where.
        hint: the next step for the person who reads it.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UsageError(CdcTriggersError):
    """The command or a value given to it makes no sense."""

    exit_code = 2


class TriggerFileError(UsageError):
    """One or more trigger files are invalid; `problems` has all of them, a line each."""

    def __init__(self, problems: list[str]) -> None:
        count = len(problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{count} {noun} in the trigger file:\n" + "\n".join(problems))
        self.problems = problems


class BlockedError(CdcTriggersError):
    """The database is not ready: doctor found something that must be mended first."""

    exit_code = 3


class DatabaseError(CdcTriggersError):
    """PostgreSQL refused or failed; the driver's error is the cause."""


class ConnectionLostError(DatabaseError):
    """The connection to PostgreSQL broke or went silent: reconnecting may help."""


class SlotError(DatabaseError):
    """The replication slot is missing, lost, busy or of another plugin."""


class SlotBusyError(SlotError):
    """Another process reads the slot."""


class FencedError(DatabaseError):
    """Another stream has taken over: this one must not deliver or confirm any more."""


class DecodeError(CdcTriggersError):
    """Bytes of the replication stream that are not what the protocol promises."""


class NotFoundError(UsageError):
    """A trigger or an event of that name or id is not there."""
