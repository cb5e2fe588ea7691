"""Arguments of the calls of Hasura's metadata API: how they are read, and what is wrong."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, PrivateAttr, ValidationError

from cdc_triggers.console.answers import bad_request, problems_error

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.console.edits import Edit
    from cdc_triggers.wiring.serving import Backend

SUCCESS = {"message": "success"}

_PASSED_ON = frozenset({"payload", "body"})
"""Arguments that may be null; of all others null is as good as nothing."""


class Context(NamedTuple):
    """Where a call is carried out, for whom.

    Attributes:
        source: what this database is called.
        headers: of the request.
    """

    backend: Backend
    source: str
    headers: Mapping[str, str]


class Arguments(BaseModel):
    """Arguments of a call. Keys that it does not know are ignored, as Hasura does.

    Attributes:
        changes: it changes something, if only an event.
        may_lack: there may be none.
    """

    model_config = ConfigDict(strict=True, extra="ignore")

    changes: ClassVar[bool] = False
    may_lack: ClassVar[bool] = False

    source: str | None = None

    _path: str = PrivateAttr(default="$.args")
    _edit: Edit | None = PrivateAttr(default=None)

    @classmethod
    def parse(cls, context: Context, given: object, path: str, version: object) -> Self:
        """Read them.

        Raises:
            ApiError: with everything that is wrong.
        """
        found = cls._validated(given, path)
        found._path = path  # noqa: SLF001 - pydantic's way to keep what is no argument
        _check_source(context, found.source, path)
        found.prepare(context, given, version)
        return found

    @classmethod
    def _validated(cls, given: object, path: str) -> Self:
        if given is None and cls.may_lack:
            given = {}
        if not isinstance(given, dict):
            raise bad_request("parse-failed", "args is an object", path)
        kept = {k: v for k, v in given.items() if v is not None or k in _PASSED_ON}
        try:
            return cls.model_validate(kept)
        except ValidationError as invalid:
            raise problems_error("parse-failed", list(_problems(invalid, path))) from None

    @property
    def edit(self) -> Edit | None:
        """What it does to the triggers; None: it leaves them alone."""
        return self._edit

    def prepare(self, context: Context, given: object, version: object) -> None:
        """Read further what the model cannot say."""

    def run(self, context: Context) -> object:
        """The answer; an edit has been made before."""
        del context
        return SUCCESS


def _check_source(context: Context, source: str | None, path: str) -> None:
    if source is not None and source != context.source:
        text = f'source with name "{source}" does not exist'
        raise bad_request("not-exists", text, f"{path}.source")


def _problems(invalid: ValidationError, path: str) -> list[tuple[str, str]]:
    found = []
    for error in invalid.errors(include_url=False):
        steps = "".join(
            f"[{step}]" if isinstance(step, int) else f".{step}" for step in error["loc"]
        )
        if error["type"] == "missing":
            found.append((path, f"the key '{error['loc'][-1]}' was not present"))
        else:
            found.append((path + steps, f"{steps[1:]}: {error['msg']}"))
    return found
