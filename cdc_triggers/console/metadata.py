"""`POST /v1/metadata`: the calls of Hasura's that are about event triggers, with its answers.

What changes triggers is an edit, so that a bulk of those is one apply: all of it or nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console import edits, json_body
from cdc_triggers.console.answers import Answer, ApiError, bad_request, json_answer, translate
from cdc_triggers.console.arguments import Arguments, Context
from cdc_triggers.console.metadata_calls import CALLS
from cdc_triggers.errors import CdcTriggersError, NotFoundError, TriggerFileError, UsageError

if TYPE_CHECKING:
    from cdc_triggers.console.edits import Edit
    from cdc_triggers.console.resource import Desk, Incoming

BULKS = frozenset({"bulk", "bulk_keep_going", "bulk_atomic"})
BULK_LIMIT = 1_000
ROLE = "x-hasura-role"


class Query(NamedTuple):
    """One call, read.

    Attributes:
        path: where its arguments stand.
        arguments: None: it is a bulk of `below`.
        version: the state that it is meant for.
    """

    type: str
    path: str
    arguments: Arguments | None
    below: tuple[Query, ...] = ()
    version: int | None = None

    @property
    def changes(self) -> bool:
        """True if it changes anything."""
        if self.arguments is None:
            return any(each.changes for each in self.below)
        return self.arguments.changes

    @property
    def edit(self) -> Edit | None:
        """What it does to the triggers."""
        return None if self.arguments is None else self.arguments.edit


class MetadataMethod:
    """Answers the POST."""

    async def __call__(self, desk: Desk, incoming: Incoming) -> tuple[str, Answer]:
        """See `resource.Method`.

        Raises:
            ApiError: in Hasura's shape, with the path of the call that failed.
        """
        role = incoming.headers.get(ROLE, "admin")
        if role != "admin":
            raise bad_request("access-denied", "restricted access : admin only", "$.args")
        context = Context(desk.backend, desk.source, incoming.headers)
        query = await desk.reading.run(lambda: parse(context, json_body.loads(incoming.body), "$"))
        lane = desk.changing if query.changes else desk.reading
        answer = await lane.run(lambda: json_answer(run(context, query)))
        return query.type if query.changes else "", answer


def parse(context: Context, given: object, path: str) -> Query:
    """Read a call, and with a bulk all calls in it.

    Raises:
        ApiError: something is wrong with one of them; none of them was carried out.
    """
    if not isinstance(given, dict):
        raise bad_request("parse-failed", "a call is an object with type and args", path)
    name, version = given.get("type"), given.get("resource_version")
    if not isinstance(name, str):
        raise bad_request("parse-failed", "the key 'type' was not present", path)
    if version is not None and (isinstance(version, bool) or not isinstance(version, int)):
        raise bad_request("parse-failed", "resource_version is a number", path)
    below = f"{path}.args"
    if name in BULKS:
        return Query(name, below, None, _bulk(context, given.get("args"), below), version)
    kind = CALLS.get(name)
    if kind is None:
        text = f"unknown metadata command {name!r}; there are: {', '.join((*CALLS, *BULKS))}"
        raise bad_request("parse-failed", text, path)
    if "args" not in given and not kind.may_lack:
        raise bad_request("parse-failed", "the key 'args' was not present", path)
    arguments = kind.parse(context, given.get("args"), below, given.get("version"))
    return Query(name, below, arguments, (), version)


def _bulk(context: Context, given: object, path: str) -> tuple[Query, ...]:
    if not isinstance(given, list):
        raise bad_request("parse-failed", "the args of a bulk are a list of calls", path)
    if len(given) > BULK_LIMIT:
        raise bad_request("parse-failed", f"a bulk has {BULK_LIMIT} calls at most", path)
    found = tuple(parse(context, each, f"{path}[{place}]") for place, each in enumerate(given))
    for place, each in enumerate(found):
        if each.arguments is None:
            raise bad_request("not-supported", "a bulk in a bulk", f"{path}[{place}]")
    return found


def run(context: Context, query: Query) -> object:
    """Carry a call out.

    Raises:
        ApiError: it was refused, or failed.
    """
    if query.arguments is not None:
        return _one(context, query)
    if query.type == "bulk_atomic":
        return _atomic(context, query)
    if query.type == "bulk_keep_going":
        return [_kept_going(context, each) for each in query.below]
    return _in_order(context, query)


def _one(context: Context, query: Query) -> object:
    assert query.arguments is not None
    if query.arguments.edit is not None:
        _amend(context, query, [query.arguments.edit])
    try:
        return query.arguments.run(context)
    except CdcTriggersError as error:
        raise hasura_error(error, query.path) from error


def _kept_going(context: Context, query: Query) -> object:
    try:
        return _one(context, query)
    except ApiError as error:
        return error.document()


def _atomic(context: Context, query: Query) -> object:
    """All in one apply."""
    wanted = []
    for place, each in enumerate(query.below):
        assert each.arguments is not None
        if each.arguments.edit is None:
            text = f"{each.type} cannot be undone: bulk_atomic takes only what changes triggers"
            raise bad_request("not-supported", text, f"{query.path}[{place}]")
        wanted.append(each.arguments.edit)
    _amend(context, query, wanted)
    return [each.arguments.run(context) for each in query.below if each.arguments is not None]


def _in_order(context: Context, query: Query) -> list[object]:
    """One after the other; neighbours that change triggers are one apply."""
    results: list[object] = []
    for changing, group in groupby(query.below, lambda each: each.edit is not None):
        calls = list(group)
        if changing:
            _amend(context, query, [each.edit for each in calls if each.edit is not None])
            results += [each.arguments.run(context) for each in calls if each.arguments]
        else:
            results += [_one(context, each) for each in calls]
    return results


def _amend(context: Context, query: Query, wanted: list[Edit]) -> None:
    try:
        edits.run(context.backend, wanted, query.version)
    except CdcTriggersError as error:
        raise hasura_error(error, query.path) from error


def hasura_error(error: CdcTriggersError, path: str) -> ApiError:
    """An error of this package as Hasura says such things: 400, or 500 for the database's."""
    if isinstance(error, NotFoundError):
        return bad_request("not-exists", translate(error).message, path)
    if isinstance(error, (UsageError, TriggerFileError)):
        return bad_request("validation-failed", translate(error).message, path)
    status = HTTPStatus.INTERNAL_SERVER_ERROR
    return ApiError(status, "postgres-error", translate(error).message, path=path)
