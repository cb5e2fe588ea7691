"""What `transform test` does. Apart from its options, because it is slow to load."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, NamedTuple

import typer

from cdc_triggers import settings
from cdc_triggers.app import document
from cdc_triggers.app.preview import Previewer, past
from cdc_triggers.cli import output
from cdc_triggers.cli.asked import Asked, spec_of
from cdc_triggers.core.attempt import Failure, Response
from cdc_triggers.core.columns import Holds
from cdc_triggers.errors import UsageError
from cdc_triggers.wiring import operating

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    from cdc_triggers.app.preview import Preview
    from cdc_triggers.core.attempt import Request
    from cdc_triggers.core.spec import Trigger


SAMPLE_ROWS = 3


class Source(NamedTuple):
    """What to try it on: exactly one of `body`, `event` and `sample`."""

    body: Path | None
    event: str | None
    sample: bool


def show(
    asked: Asked, source: Source, env: Sequence[str], answer: Response | None, *, as_json: bool
) -> None:
    """Print what would be sent.

    Raises:
        UsageError: the options make no sense together.
        NotFoundError: there is no such trigger or event.
        typer.Exit: with 1, if a template failed.
    """
    if [source.body is not None, source.event is not None, source.sample].count(True) != 1:
        raise UsageError(
            "nothing, or more than one thing, to try the transform on",
            hint="give a file with a body (- is stdin), or --event ID, or --sample",
        )
    environment = dict(map(_assignment, env))
    spec = spec_of(asked)
    if spec.request_transform is None and (answer is None or spec.response_transform is None):
        output.say(f"note: trigger {spec.name} has no transform: this is what it sends as it is")
    holds: Holds[str] = Holds()
    if source.body is None:
        holds = operating.holds(settings.dsn(asked.dsn), spec.table)
    previewer = Previewer(spec, environment, answer, holds)
    previews = list(_previews(previewer, spec, asked, source))
    if as_json:
        documents = [_document(preview) for preview in previews]
        output.print_json(documents if source.sample else documents[0])
    else:
        for place, preview in enumerate(previews):
            typer.echo("\n" if place else "", nl=False)
            _print(preview)
    if any(_failed(preview) for preview in previews):
        raise typer.Exit(1)


def answer(path: Path, status: int) -> Response:
    """An endpoint's answer, from a file."""
    return Response(status, (), _read(path))


def _previews(
    previewer: Previewer, spec: Trigger, asked: Asked, source: Source
) -> Iterator[Preview]:
    if source.body is not None:
        label = "the body from stdin" if str(source.body) == "-" else str(source.body)
        yield previewer.of_body(label, _read(source.body))
    elif source.event is not None:
        with operating.open_admin(settings.dsn(asked.dsn)) as admin:
            event = past(admin.event(source.event).event)
        if (event.schema_name, event.table_name) != (spec.table.schema_name, spec.table.name):
            output.say(f"note: the event is of table {event.schema_name}.{event.table_name}")
        yield previewer.of_event(f"event {event.id}", event)
    else:
        rows = operating.sample_rows(settings.dsn(asked.dsn), spec.table, SAMPLE_ROWS)
        if not rows:
            output.say(f"table {spec.table} has no rows: insert one, or give a file with a body")
        for number, row in enumerate(rows, start=1):
            yield previewer.of_row(f"row {number} of {spec.table}", row)


def _assignment(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise UsageError(f"--env {name!r} has no value", hint="write --env SHOP_URL=https://x")
    return name, value


def _read(path: Path) -> bytes:
    if str(path) == "-":
        return sys.stdin.buffer.read()
    try:
        return path.read_bytes()
    except OSError as error:
        raise UsageError(
            f"{path}: cannot be read ({error.strerror})", hint="name a file, or - for stdin"
        ) from error


def _failed(preview: Preview) -> bool:
    recorded = preview.recorded
    return isinstance(preview.request, Failure) or (recorded is not None and bool(recorded.error))


def _document(preview: Preview) -> dict[str, object]:
    told: dict[str, object] = {"of": preview.label}
    if isinstance(preview.request, Failure):
        told["error"] = preview.request.message
    else:
        told |= _request(preview.request)
    if (recorded := preview.recorded) is not None:
        told["recorded"] = {"body": document.body(recorded.body), "error": recorded.error}
    return told


def _request(request: Request) -> dict[str, object]:
    return {
        "method": request.method,
        "url": request.url,
        "headers": [{"name": name, "value": value} for name, value in request.headers],
        "body": document.body(request.body),
    }


def _print(preview: Preview) -> None:
    output.say(f"{preview.label}:")
    if isinstance(preview.request, Failure):
        output.say(f"error: {preview.request.message}")
    else:
        request = preview.request
        typer.echo(f"{request.method} {output.show(request.url)}")
        for name, value in request.headers:
            typer.echo(f"{name}: {output.show(value)}")
        typer.echo()
        typer.echo(_pretty(request.body))
    if (recorded := preview.recorded) is not None:
        output.say("recorded of the answer:")
        if recorded.error:
            output.say(f"error: {recorded.error}")
        typer.echo(_pretty(recorded.body))


def _pretty(body: bytes) -> str:
    return output.pretty_json(body.decode("utf-8", "replace")) if body else "(no body)"
