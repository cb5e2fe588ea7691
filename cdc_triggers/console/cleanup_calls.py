"""Hasura's calls about clean-ups of logs: run one, pause and resume them."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, ClassVar, Literal

from pydantic import BaseModel, ConfigDict, Field

from cdc_triggers.app.cleanup import Wanted
from cdc_triggers.console import cleanup_rest, edits
from cdc_triggers.console.answers import bad_request
from cdc_triggers.console.arguments import SUCCESS, Arguments, Context
from cdc_triggers.errors import NotFoundError

Names = Annotated[list[str], Field(min_length=1)]


class CleanUpLogs(Arguments):
    """`cleanup_event_trigger_logs`."""

    changes = True

    event_trigger_name: str
    clear_older_than: Annotated[int, Field(ge=0, le=876_000)]
    batch_size: Annotated[int, Field(ge=1, le=100_000)] = 10_000
    timeout: Annotated[int, Field(ge=1, le=86_400)] = 60
    clean_invocation_logs: bool = False

    def run(self, context: Context) -> object:
        """Clean up, and say what was deleted, by the names that Hasura's history has for it."""
        wanted = Wanted(
            [self.event_trigger_name],
            "api",
            timedelta(hours=self.clear_older_than),
            self.clean_invocation_logs,
            self.batch_size,
            self.timeout,
        )
        try:
            (done,) = cleanup_rest.clean(context.backend, wanted)
        except NotFoundError as error:
            raise edits.missing(self.event_trigger_name, self._path) from error
        return {
            **SUCCESS,
            "deleted_event_logs": done.deleted_events,
            "deleted_event_invocation_logs": done.deleted_attempts,
        }


class Sources(BaseModel):
    """All triggers of these sources."""

    model_config = ConfigDict(strict=True, extra="forbid")

    sources: Literal["*"] | Names


class Qualifier(BaseModel):
    """Triggers of one source."""

    model_config = ConfigDict(strict=True, extra="forbid")

    source_name: str = ""
    event_triggers: Names


class _Toggle(Arguments):
    """Which triggers; those without a cleanup_config are left alone, as Hasura does."""

    changes = True
    paused: ClassVar[bool]

    event_triggers: Sources | Annotated[list[Qualifier], Field(min_length=1)]

    def prepare(self, context: Context, given: object, version: object) -> None:
        """Check the sources that it names."""
        del given, version
        for name in self._sources():
            if name != context.source:
                path = f"{self._path}.event_triggers"
                text = f'source with name "{name}" does not exist'
                raise bad_request("not-exists", text, path)

    def run(self, context: Context) -> object:
        """Pause or resume."""
        with context.backend.cleanups() as cleanups:
            configured = cleanups.configured()
            for name in self._names():
                if name not in configured:
                    raise edits.missing(name, f"{self._path}.event_triggers")
            asked = self._names() or list(configured)
            chosen = [name for name in asked if configured[name]]
            if chosen:
                cleanups.set_paused(chosen, paused=self.paused)
        return SUCCESS

    def _sources(self) -> list[str]:
        if isinstance(self.event_triggers, Sources):
            sources = self.event_triggers.sources
            return [] if isinstance(sources, str) else sources
        return [each.source_name for each in self.event_triggers if each.source_name]

    def _names(self) -> list[str]:
        """The triggers that it names; empty: all."""
        if isinstance(self.event_triggers, Sources):
            return []
        return [name for each in self.event_triggers for name in each.event_triggers]


class PauseCleanUps(_Toggle):
    """`pause_event_trigger_cleanups`."""

    paused = True


class ResumeCleanUps(_Toggle):
    """`resume_event_trigger_cleanups`."""

    paused = False


_BY_NAME: dict[str, type[Arguments]] = {
    "cleanup_event_trigger_logs": CleanUpLogs,
    "resume_event_trigger_cleanups": ResumeCleanUps,
    "pause_event_trigger_cleanups": PauseCleanUps,
}

CALLS = {**_BY_NAME, **{f"pg_{name}": kind for name, kind in _BY_NAME.items()}}
