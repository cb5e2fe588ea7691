"""Plain REST about clean-ups: what `cdc-triggers cleanup` does, as calls."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING

from cdc_triggers.app.cleanup import Wanted, parse_age
from cdc_triggers.console.answers import ApiError, bad_request
from cdc_triggers.console.operation import Operation, Parameter
from cdc_triggers.console.parameters import DRY_RUN, NAME, OF_TRIGGER
from cdc_triggers.errors import BlockedError, UsageError

if TYPE_CHECKING:
    from datetime import timedelta

    from cdc_triggers.app.cleanup import Cleaned
    from cdc_triggers.console.operation import Asked
    from cdc_triggers.wiring.serving import Backend

OLDER_THAN = Parameter(
    "older_than",
    "an age (90m, 12h, 7d); else as its cleanup_config says",
    {"type": "string", "pattern": "^[0-9]{1,9}[smhdw]$", "examples": ["7d"]},
)
ATTEMPTS = Parameter(
    "attempts",
    "delete attempts too, or not; else as clean_invocation_logs says",
    {"type": "boolean"},
)
COUNT_ONLY = DRY_RUN._replace(about="only count what would be deleted")
PAGE = Parameter(
    "limit",
    "lines at most",
    {"type": "integer", "minimum": 1, "maximum": 500, "default": 50},
    default=50,
)


def clean(backend: Backend, wanted: Wanted, *, dry_run: bool = False) -> list[Cleaned]:
    """Clean up, or count.

    Raises:
        ApiError: another clean-up runs.
    """
    with backend.cleanups() as cleanups:
        try:
            return cleanups.preview(wanted) if dry_run else cleanups.run(wanted)
        except BlockedError as error:
            busy = ApiError(HTTPStatus.SERVICE_UNAVAILABLE, "busy", error.message)
            busy.headers = (("retry-after", "10"),)
            raise busy from error


def clean_up(asked: Asked) -> object:
    """Delete what is old of one trigger."""
    dry_run = asked.query["dry_run"]
    wanted = Wanted([asked.path["name"]], "api", _age(asked), asked.query["attempts"])
    (done,) = clean(asked.backend, wanted, dry_run=dry_run)
    return {**done._asdict(), "dry_run": dry_run}


def pause(asked: Asked) -> object:
    """Hold its schedule."""
    return _set_paused(asked, paused=True)


def resume(asked: Asked) -> object:
    """Go on."""
    return _set_paused(asked, paused=False)


def history(asked: Asked) -> object:
    """What was cleaned, newest first."""
    with asked.backend.cleanups() as cleanups:
        return {"cleanups": cleanups.history(asked.query["trigger"], asked.query["limit"])}


def _set_paused(asked: Asked, *, paused: bool) -> object:
    with asked.backend.cleanups() as cleanups:
        changed = cleanups.set_paused([asked.path["name"]], paused=paused)
    return {"paused": paused, "changed": bool(changed)}


def _age(asked: Asked) -> timedelta | None:
    text = asked.query["older_than"]
    try:
        return None if text is None else parse_age(text)
    except UsageError as error:
        message = f"older_than is {OLDER_THAN.about}"
        raise bad_request("validation-failed", message, "$.query.older_than") from error


_C = "/api/triggers/{name}/cleanup"

OPERATIONS: tuple[Operation, ...] = (
    Operation(
        *("POST", _C, "cleanUp", "cleanups", "Delete what is delivered or dead, and old"),
        clean_up,
        "Cleanup",
        (NAME,),
        (OLDER_THAN, ATTEMPTS, COUNT_ONLY),
    ),
    Operation(
        *("POST", f"{_C}/pause", "pauseCleanups", "cleanups", "Hold its scheduled clean-ups"),
        pause,
        "Pause",
        (NAME,),
    ),
    Operation(
        *("POST", f"{_C}/resume", "resumeCleanups", "cleanups", "Let them run again"),
        resume,
        "Pause",
        (NAME,),
    ),
    Operation(
        *("GET", "/api/cleanups", "listCleanups", "cleanups", "Clean-ups, newest first"),
        history,
        "CleanupList",
        query=(OF_TRIGGER, PAGE),
    ),
)
