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
        call: the next step for whoever called over HTTP; empty: the same.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, *, hint: str = "", call: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.call = call or hint

    def __str__(self) -> str:
        return f"{self.message}\n  -> {self.hint}" if self.hint else self.message


class UsageError(CdcTriggersError):
    """The command or a value given to it makes no sense."""

    exit_code = 2


class TriggerFileError(UsageError):
    """One or more trigger files are invalid; `problems` has all of them, a line each.

    Args:
        where: what they are wrong in, if it is no trigger file of ours.
    """

    def __init__(self, problems: list[str], where: str = "the trigger file") -> None:
        count = len(problems)
        noun = "problem" if count == 1 else "problems"
        super().__init__(f"{count} {noun} in {where}:\n" + "\n".join(problems))
        self.problems = problems


class BlockedError(CdcTriggersError):
    """The database is not ready: doctor found something that must be mended first."""

    exit_code = 3


class DatabaseError(CdcTriggersError):
    """PostgreSQL refused or failed; the driver's error is the cause."""


class TooSlowError(DatabaseError):
    """A statement took longer than it may: what it is asked for must be less."""


class ConnectionLostError(DatabaseError):
    """The connection to PostgreSQL broke or went silent: reconnecting may help."""


class SlotError(DatabaseError):
    """The replication slot is missing, lost, busy or of another plugin."""


class SlotBusyError(SlotError):
    """Another process reads the slot."""


class SlotLostError(SlotError):
    """The slot no longer has all that is unsettled: the stream makes it anew, from the log."""


class FencedError(DatabaseError):
    """Another stream has taken over: this one must not deliver or confirm any more."""


class DecodeError(CdcTriggersError):
    """Bytes of the replication stream that are not what the protocol promises."""


class NotFoundError(UsageError):
    """A trigger or an event of that name or id is not there."""


class TemplateError(CdcTriggersError):
    """A template could not be run on what it was given.

    Args:
        reason: what is wrong, without any value of a row.
        place: line and column; its text form is part of the message.
        template: which template it is.
    """

    def __init__(self, reason: str, place: object, template: str = "") -> None:
        super().__init__(f"{template}, {place}: {reason}" if template else f"{place}: {reason}")
        self.reason = reason
        self.place = place


class ConditionError(CdcTriggersError):
    """A trigger's condition says neither yes nor no to an event.

    Args:
        reason: why, without any value of a row.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(f"condition: {reason}")
        self.reason = reason


def place_of(error: BaseException) -> str:
    """Kind and place of an error that nobody foresaw: its text may hold values."""
    trace = error.__traceback__
    place = ""
    while trace is not None:
        code = trace.tb_frame.f_code
        place = f"{code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return f"{type(error).__name__} at {place}"
