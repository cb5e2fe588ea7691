"""Which trigger does a person mean who tries something out: the file's, or the applied one?"""

from __future__ import annotations

from difflib import get_close_matches
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers import settings
from cdc_triggers.app import trigger_file
from cdc_triggers.core.spec import Trigger
from cdc_triggers.errors import NotFoundError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path


class Asked(NamedTuple):
    """Which trigger, and where it is."""

    name: str
    applied: bool
    config: Sequence[Path] | None
    dsn: str | None


def spec_of(asked: Asked) -> Trigger:
    """The trigger's spec.

    Raises:
        NotFoundError: there is no such trigger.
        TriggerFileError: the file is not valid.
    """
    if asked.applied:
        with operating.open_admin(settings.dsn(asked.dsn)) as admin:
            return Trigger.model_validate_json(admin.trigger(asked.name).definition)
    triggers = trigger_file.load(settings.config_paths(asked.config)).triggers
    known = {trigger.name: trigger for trigger in triggers}
    if asked.name not in known:
        near = get_close_matches(asked.name, known, n=1)
        raise NotFoundError(
            f"the trigger file has no trigger {asked.name!r}",
            hint=f"did you mean {near[0]!r}?"
            if near
            else "name its file with -c, or add --applied",
        )
    return known[asked.name]
