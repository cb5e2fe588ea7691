"""Sending dead letters again: those that were picked at once, all of a cause at a pace."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final, NamedTuple

from cdc_triggers.app import redelivery
from cdc_triggers.app.admin import parse_since
from cdc_triggers.console import redelivering
from cdc_triggers.console.pages import commands
from cdc_triggers.console.pages.action import Action, Done, Question, invalid
from cdc_triggers.console.pages.form import whole
from cdc_triggers.console.pages.wording import age, number
from cdc_triggers.core.dead import DeadWanted
from cdc_triggers.core.views import AuditIntent
from cdc_triggers.errors import TooSlowError

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime

    from cdc_triggers.console.pages.site import Visit
    from cdc_triggers.core.views import AuditLine
    from cdc_triggers.postgres.dead_letters import DeadLetters

RATE: Final = 50
_MOST_RATE: Final = 10_000
_MOST_PICKED: Final = 100
_SHOWN: Final = 5


class JobLine(NamedTuple):
    """A redelivery as a page shows it.

    Attributes:
        kind, word: its state, as a badge.
        stoppable: it runs, and nobody has stopped it yet.
    """

    line: AuditLine
    trigger: str
    cause: str
    rate: str
    done: int
    total: int
    kind: str
    word: str
    note: str
    stoppable: bool


def jobs(visit: Visit) -> list[JobLine]:
    """Redeliveries that run, in whatever process, and the last ones that do not any more."""
    with visit.backend.dead_letters() as letters, visit.backend.audit() as audit:
        running = letters.running()
        lines = {line.id: line for line in audit.lines(_SHOWN, action=redelivering.ACTION)}
        if any(line.result == "begun" and line.id not in running for line in lines.values()):
            running |= letters.running()  # it may have begun just now
        for number in running.keys() - lines.keys():
            if (line := audit.line(number)) is not None:
                lines[number] = line
    return [_job(lines[number], running) for number in sorted(lines, reverse=True)]


def _job(line: AuditLine, running: Collection[int]) -> JobLine:
    asked = json.loads(line.arguments)
    done, total = redelivering.read(line.detail)
    note = line.detail.partition(": ")[2]
    if line.result == "done":
        kind, word = "good", "done"
    elif line.result == "failed":
        kind, word = ("busy", "stopping") if line.id in running else ("warning", "ended early")
    elif line.id in running:
        kind, word = "busy", "running"
    else:
        kind, word = "bad", "cut off"
        note = "its process ended: what was not put back is dead as before; begin it again"
    return JobLine(
        line=line,
        trigger=line.target,
        cause=str(asked.get("cause", "")),
        rate=str(asked.get("rate", "")),
        done=done,
        total=total or int(asked.get("total") or 0),
        kind=kind,
        word=word,
        note=note,
        stoppable=word == "running",
    )


def _wanted(visit: Visit, died_by: datetime) -> DeadWanted:
    form = visit.form
    if not form.get("trigger"):
        raise invalid("choose a trigger")
    since = parse_since(form.get("since"), visit.now) if form.get("since") else None
    return DeadWanted(form.get("trigger"), form.get("cause") or None, since, died_by)


def _count(letters: DeadLetters, wanted: DeadWanted) -> int | None:
    """How many would be put back; None: counting them takes too long."""
    try:
        return redelivery.count(letters, wanted)
    except TooSlowError:
        return None


def _many(total: int | None) -> str:
    return "very many" if total is None else number(total)


def _rate(visit: Visit) -> int:
    text = visit.form.get("rate") or str(RATE)
    if not (text.isascii() and text.isdigit() and 0 < int(text) <= _MOST_RATE):
        raise invalid(f"the rate is a whole number of deliveries a second, 1 to {_MOST_RATE}")
    return int(text)


def begin(visit: Visit) -> Done:
    """Begin to put back all that fit."""
    rate = _rate(visit)
    with visit.backend.admin() as admin:
        admin.trigger(visit.form.get("trigger"))
    with visit.backend.dead_letters() as letters:
        wanted = _wanted(visit, letters.now())
        total = _count(letters, wanted)
    if total == 0:
        raise invalid("no dead delivery fits: nothing was begun")
    asked = {"cause": wanted.cause or "", "rate": rate, "since": visit.form.get("since")}
    intent = AuditIntent(
        visit.session.short_id,
        visit.browser.address,
        visit.browser.user_agent,
        redelivering.ACTION,
        wanted.trigger,
        json.dumps({**asked, "total": total}, ensure_ascii=True).replace("\\u0000", ""),
        begin_command(visit),
    )
    visit.site.redeliveries.begin(intent, wanted, total or 0, rate)
    return Done(
        f"Begun: {_many(total)} dead deliveries of {wanted.trigger} go back at {rate} a second. "
        "It goes on when this page is left.",
        "/console/dead",
    )


def ask_begin(visit: Visit) -> Question:
    """How many, and how long it takes."""
    rate = _rate(visit)
    with visit.backend.admin() as admin:
        admin.trigger(visit.form.get("trigger"))
    back = visit.form.address("/console/dead", rate=None, since=None)
    with visit.backend.dead_letters() as letters:
        wanted = _wanted(visit, letters.now())
        total = _count(letters, wanted)
    many = _many(total)
    facts = [("trigger", wanted.trigger), ("cause", wanted.cause or "any")]
    if visit.form.get("since"):
        facts.append(("written since", visit.form.get("since")))
    facts += [("would be sent again", many), ("at", f"{rate} a second")]
    if total:
        facts.append(("takes", f"about {age(max(1, total / rate))}"))
    return Question(
        f"Send {many} dead deliveries again?",
        "Under the same ids, with tries from 0. It goes on when the page is left. It can be "
        "stopped, and it stops when this process ends: what was not put back then stays dead.",
        "Send them again",
        back,
        tuple(facts),
    )


def begin_command(visit: Visit) -> str:
    """The command that does the same."""
    form = visit.form
    cause, since = form.get("cause") or None, form.get("since")
    return command_of(form.get("trigger"), cause, since, form.get("rate") or RATE)


def command_of(trigger: str, cause: str | None, since: str, rate: int | str) -> str:
    """`events redeliver` for all that fit."""
    options = {"trigger": trigger, "status": "dead", "since": since, "cause": cause or ""}
    return commands.line("events", "redeliver", **options, rate=str(rate))


def picked(visit: Visit) -> Done:
    """Put those back that were picked, at once."""
    with visit.backend.admin() as admin:
        result = admin.redeliver(_ids(visit), visit.form.get("trigger") or None, dry_run=False)
    return Done(_sent(result.redelivered, result.already_parked), _back(visit))


def ask_picked(visit: Visit) -> Question:
    """How many of the picked."""
    ids = _ids(visit)
    with visit.backend.admin() as admin:
        result = admin.redeliver(ids, visit.form.get("trigger") or None, dry_run=True)
    facts = [("picked", number(len(ids))), ("would be sent again", number(result.redelivered))]
    if result.already_parked:
        facts.append(("parked already, left alone", number(result.already_parked)))
    return Question(
        f"Send {number(result.redelivered)} of {number(len(ids))} picked again?",
        "Under the same ids, with tries from 0.",
        "Send them again",
        _back(visit),
        tuple(facts),
    )


def _ids(visit: Visit) -> list[str]:
    ids = visit.form.all("id")
    if not ids:
        raise invalid("nothing was picked: tick the boxes of those to send again")
    if len(ids) > _MOST_PICKED:
        raise invalid(f"{_MOST_PICKED} may be picked at most: send all of a cause instead")
    return ids


def _back(visit: Visit) -> str:
    return visit.form.address("/console/dead", id=None)


def _sent(count: int, parked: int) -> str:
    text = f"{number(count)} {'delivery' if count == 1 else 'deliveries'} will be sent again."
    return f"{text} {number(parked)} parked already." if parked else text


def picked_command(visit: Visit) -> str:
    """The command that does the same."""
    return commands.line("events", "redeliver", *_ids(visit), trigger=visit.form.get("trigger"))


def stop_command(visit: Visit) -> str:
    """The command that does the same."""
    return commands.line("events", "stop", visit.path["id"])


def stop(visit: Visit) -> Done:
    """Stop one, in whatever process it runs."""
    number = whole(visit.path["id"])
    if number is None:
        raise invalid(f"{visit.path['id']} is not the number of a redelivery")
    if visit.site.redeliveries.stop(number):
        return Done("Stopped: what was not put back stays dead.", "/console/dead")
    return Done("It stops after the step that it is at.", "/console/dead")


ACTIONS = {
    "/dead/redeliver": Action(
        "dead.begin", begin, begin_command, lambda visit: visit.form.get("trigger"), ask_begin
    ),
    "/dead/picked": Action(
        "dead.redeliver",
        picked,
        picked_command,
        lambda visit: visit.form.get("trigger"),
        ask_picked,
    ),
    "/dead/jobs/{id}/stop": Action(
        "dead.stop", stop, stop_command, lambda visit: f"redelivery {visit.path['id']}"
    ),
}
