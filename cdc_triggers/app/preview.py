"""What would a trigger send for this?

The stream's own way from an event to a request, with names in place of environment values.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.app import document
from cdc_triggers.app.requests import RequestFactory
from cdc_triggers.core import payload
from cdc_triggers.core.attempt import Failure, Request, Response
from cdc_triggers.core.columns import Holds
from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import ZERO
from cdc_triggers.core.shape import shape_of
from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.core.attempt import Recorded
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.core.views import EventView

SAMPLE_ID = "00000000-0000-0000-0000-000000000000"
SAMPLE_TIME = "1970-01-01T00:00:00.000000Z"


class Preview(NamedTuple):
    """What would be sent for one event.

    Attributes:
        label: which event it is.
        request: a Failure says why there would be none.
        recorded: what would be recorded of the answer that was given.
    """

    label: str
    request: Request | Failure
    recorded: Recorded | None


class Previewer:
    """Previews of one trigger.

    Args:
        spec: the trigger.
        environment: values to fill in; all others stay as `{{NAME}}`.
        answer: what the endpoint would say, for the response transform.
        holds: what the columns of its table hold.
    """

    def __init__(
        self,
        spec: Trigger,
        environment: Mapping[str, str],
        answer: Response | None = None,
        holds: Holds[str] = Holds(),  # noqa: B008 - frozen
    ) -> None:
        self._spec = spec
        self._holds = holds
        self._factory = RequestFactory(_Named(environment))
        self._answer = answer

    def of_body(self, label: str, body: bytes) -> Preview:
        """For a whole body, as it would be sent without a transform.

        Raises:
            UsageError: it is not JSON.
        """
        try:
            parsed = json.loads(body)
        except (ValueError, RecursionError) as error:
            raise UsageError(
                f"{label} is not JSON: {error}",
                hint="give a whole body, as a webhook receives it, or use --event or --sample",
            ) from error
        event = parsed.get("event") if isinstance(parsed, dict) else None
        trace = event.get("trace_context") if isinstance(event, dict) else None
        return self._preview(
            label, sample(self._spec, "MANUAL", None, trace=json.dumps(trace).encode()), body
        )

    def of_event(self, label: str, event: Event, tries: int = 0) -> Preview:
        """For an event, as if it had been attempted so many times before."""
        body = payload.body(
            event,
            self._spec.name,
            tries,
            self._spec.retry_conf.num_retries,
            shape_of(self._spec, event.op, self._holds),
        )
        return self._preview(label, event, body)

    def of_row(self, label: str, row: bytes) -> Preview:
        """For a row of the table, as if it had just been inserted, or else updated or deleted."""
        definition = self._spec.definition
        op = next(
            (op for op in ("insert", "update", "delete") if getattr(definition, op)), "insert"
        )
        return self.of_event(label, sample(self._spec, op.upper(), row))

    def _preview(self, label: str, event: Event, body: bytes) -> Preview:
        request = self._factory.build(self._spec, event, body)
        recorded = None
        if self._answer is not None:
            outcome = self._factory.answered(self._spec, body, self._answer)
            recorded = outcome.recorded if isinstance(outcome, Response) else None
        return Preview(label, request, recorded)


def sample(spec: Trigger, op: str, row: bytes | None, *, trace: bytes | None = None) -> Event:
    """An event that never happened, for this row."""
    return Event(
        id=SAMPLE_ID,
        table_id=0,
        schema_name=spec.table.schema_name,
        table_name=spec.table.name,
        op=op,
        created_at=SAMPLE_TIME,
        xid=0,
        old=row if op in {"UPDATE", "DELETE"} else None,
        new=row if op != "DELETE" else None,
        session=None,
        trace=trace,
        trigger_name=None,
        commit_lsn=ZERO,
        position=0,
    )


def past(view: EventView) -> Event:
    """A recorded event, to be previewed."""
    return Event(
        id=view.id,
        table_id=0,
        schema_name=view.schema_name,
        table_name=view.table_name,
        op=view.op,
        created_at=document.iso(view.created_at),
        xid=int(view.xid),
        old=_bytes(view.old),
        new=_bytes(view.new),
        session=_bytes(view.session),
        trace=_bytes(view.trace),
        trigger_name=view.trigger_name,
        commit_lsn=ZERO,
        position=0,
    )


def _bytes(text: str | None) -> bytes | None:
    return None if text is None else text.encode()


class _Named(dict[str, str]):
    """Variables by name; one that is not there stands for itself."""

    def __missing__(self, name: str) -> str:
        return f"{{{{{name}}}}}"
