"""Changes of what is applied: create, replace and delete triggers, all of a call or none of it."""

from __future__ import annotations

from http import HTTPStatus
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console.answers import ApiError, bad_request

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from cdc_triggers.core.plan import Plan
    from cdc_triggers.core.spec import Trigger
    from cdc_triggers.postgres.amending import Amended, State
    from cdc_triggers.wiring.serving import Backend

Triggers = dict[str, "Trigger"]


class Edit(NamedTuple):
    """One change.

    Attributes:
        path: where it stands in the request.
        change: changes the triggers in place; raises ApiError if that makes no sense.
        names: of the triggers that it writes.
    """

    path: str
    change: Callable[[State, Triggers], None]
    names: frozenset[str] = frozenset()


def create(spec: Trigger, path: str, *, replace: bool) -> Edit:
    """A new trigger; with `replace` one that is there already, on the same table."""

    def change(state: State, triggers: Triggers) -> None:
        known = triggers.get(spec.name)
        if not replace and known is not None:
            raise bad_request(
                "already-exists", f'Event trigger with name "{spec.name}" already exists', path
            )
        if replace:
            _check_replaced(spec, known, state.tables, path)
        triggers[spec.name] = spec

    return Edit(path, change, frozenset({spec.name}))


def put(spec: Trigger, path: str) -> Edit:
    """The trigger of that name, whether it is there or not; a replaced one keeps its table."""

    def change(state: State, triggers: Triggers) -> None:
        if (known := triggers.get(spec.name)) is not None:
            _check_replaced(spec, known, state.tables, path)
        triggers[spec.name] = spec

    return Edit(path, change, frozenset({spec.name}))


def delete(name: str, path: str) -> Edit:
    """No trigger of that name any more; what it has not delivered is archived."""

    def change(state: State, triggers: Triggers) -> None:
        del state
        if name not in triggers:
            raise missing(name, path)
        del triggers[name]

    return Edit(path, change)


def replace_all(specs: Sequence[Trigger], path: str) -> Edit:
    """These triggers and no others."""

    def change(state: State, triggers: Triggers) -> None:
        del state
        triggers.clear()
        triggers.update((spec.name, spec) for spec in specs)

    return Edit(path, change, frozenset(spec.name for spec in specs))


def run(backend: Backend, edits: Sequence[Edit], version: int | None = None) -> Plan:
    """Make all changes in one apply.

    Args:
        backend: where.
        edits: in their order.
        version: the state that they are meant for; None: any.

    Raises:
        ApiError: one of them makes no sense, or the database does not have what they name;
            nothing was changed.
    """

    def edit(state: State) -> tuple[Trigger, ...]:
        if version is not None and version != state.version:
            raise ApiError(
                HTTPStatus.CONFLICT,
                "conflict",
                f"metadata resource version referenced ({version}) "
                f"did not match current version ({state.version})",
            )
        triggers = dict(state.triggers)
        for each in edits:
            each.change(state, triggers)
        return tuple(triggers.values())

    with backend.amender() as amender:
        amended = amender.amend(edit)
    if amended.plan.problems:
        raise _refusal(amended, edits)
    return amended.plan


def missing(name: str, path: str) -> ApiError:
    """There is no such trigger, in Hasura's words."""
    return bad_request("not-exists", f'event trigger "{name}" does not exist', path)


def _check_replaced(
    spec: Trigger, known: Trigger | None, tables: Mapping[str, str], path: str
) -> None:
    """Only the definition may change.

    Raises:
        ApiError: there is nothing to replace, or it is on another table.
    """
    if known is None:
        raise missing(spec.name, path)
    if str(spec.table) not in {str(known.table), tables.get(spec.name)}:
        raise bad_request("not-supported", "cannot replace table or schema for trigger", path)


def _refusal(amended: Amended, edits: Sequence[Edit]) -> ApiError:
    """Why the database does not take it; the first edit that writes a trigger is its place."""
    written = {name: each.path for each in edits for name in each.names}
    lacking = [lack for lack in amended.lacking if lack.trigger in written]
    code = "not-exists" if lacking else "invalid-configuration"
    path = written[lacking[0].trigger] if lacking else edits[0].path
    problems = amended.plan.problems
    internal = [{"path": path, "error": text} for text in problems] if len(problems) > 1 else None
    return bad_request(code, "; ".join(problems), path, internal)
