"""Something that is done from a page: asked about where it is dangerous, audited, then done."""

from __future__ import annotations

import json
from http import HTTPStatus
from types import MappingProxyType
from typing import TYPE_CHECKING, NamedTuple

from cdc_triggers.console.answers import ApiError
from cdc_triggers.console.pages.form import Form
from cdc_triggers.console.pages.view import Guarded, Page, redirect, shell
from cdc_triggers.core.views import AuditIntent
from cdc_triggers.errors import CdcTriggersError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from starlette.requests import Request
    from starlette.types import Send

    from cdc_triggers.console.answers import Answer
    from cdc_triggers.console.pages.site import Site, Visit

_VALUE_LIMIT = 500
_NOT_KEPT = "(not kept)"


class Done(NamedTuple):
    """What came of it.

    Attributes:
        text: said on the next page and in the audit.
        to: the address of that page.
    """

    text: str
    to: str


class Question(NamedTuple):
    """What is asked before.

    Attributes:
        title: the question.
        text: what will happen.
        yes: what the button says.
        back: where "Cancel" leads.
        facts: names and values that help to decide: how many, since when.
        template, more: another page to ask on, and what fills it.
    """

    title: str
    text: str
    yes: str
    back: str
    facts: tuple[tuple[str, str], ...] = ()
    template: str = "confirm.html"
    more: Mapping[str, object] = MappingProxyType({})


class Action(NamedTuple):
    """Something that can be done.

    Attributes:
        name: for the audit: `trigger.pause`.
        run: blocking; does it. Raises ApiError or CdcTriggersError if it cannot be done.
        command: the command line that does the same.
        target: on what, for the audit.
        ask: blocking; None: it is not dangerous.
        secret: fields whose values are not for the audit, such as rows.
    """

    name: str
    run: Callable[[Visit], Done]
    command: Callable[[Visit], str]
    target: Callable[[Visit], str] = lambda visit: next(iter(visit.path.values()), "")
    ask: Callable[[Visit], Question | None] | None = None
    secret: frozenset[str] = frozenset()


class Doing(Guarded):
    """Carries an action out on POST."""

    methods = ("POST",)

    def __init__(self, site: Site, action: Action) -> None:
        super().__init__(site)
        self._action = action

    async def answer(self, visit: Visit, request: Request, send: Send) -> Answer | None:
        """See `Guarded`."""
        del request, send
        if self._action.ask is not None and not visit.form.get("confirmed"):
            asked = await self.site.reading.run(lambda: self._question(visit))
            if asked is not None:
                return asked
        return await self.site.changing.run(lambda: self._done(visit))

    def _question(self, visit: Visit) -> Answer | None:
        question = self._action.ask(visit) if self._action.ask else None
        if question is None:
            return None
        page = Page(question.title, "", question.template, lambda _: {})
        command = self._action.command(visit)
        asked = {"question": question, "command_line": command}
        return self.html(question.template, {**shell(visit, page), **asked, **question.more})

    def _done(self, visit: Visit) -> Answer:
        """Nothing is done that is not noted before."""
        with visit.backend.audit() as audit:
            number = audit.begin(self._intent(visit))
            try:
                done = self._action.run(visit)
            except (ApiError, CdcTriggersError) as error:
                audit.end(number, "failed", error.message)
                raise
            except BaseException:
                audit.end(number, "failed", "unexpected: see the log")
                raise
            audit.end(number, "done", done.text)
        self.site.telemetry.fact("info", "console.changed", action=self._action.name, audit=number)
        path, _, query = done.to.partition("?")
        return redirect(Form.parse(query).address(path, done=str(number)))

    def _intent(self, visit: Visit) -> AuditIntent:
        """Without what is secret, in the fields as well as in the command line."""
        kept = tuple(
            (key, _NOT_KEPT if key in self._action.secret else value[:_VALUE_LIMIT])
            for key, value in visit.form.asked
        )
        told = visit._replace(form=Form(kept))
        return AuditIntent(
            visit.session.short_id,
            visit.browser.address,
            visit.browser.user_agent,
            self._action.name,
            self._action.target(visit),
            json.dumps(dict(kept)).replace("\\u0000", ""),
            self._action.command(told).replace("\0", ""),
        )


def invalid(text: str) -> ApiError:
    """A form that makes no sense."""
    return ApiError(HTTPStatus.BAD_REQUEST, "validation-failed", text)
