"""Is an event traced? Decided before anything is made for it."""

from __future__ import annotations

import zlib
from typing import TYPE_CHECKING

from cdc_triggers.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from cdc_triggers.core.trace import TraceContext

ROOTS = ("always_on", "always_off", "traceidratio")
PARENT = "parentbased_"
DEFAULT = "parentbased_always_on"

_TRACE_BITS, _EVENT_DIGITS = 64, 12
_EVENT_BITS = 64
_MASK = (1 << _EVENT_BITS) - 1


class Sampler:
    """One of the samplers that the specification names.

    An event's writer counts as its parent, also where spans are only linked to the writer's: so a
    sampled trace goes on to the receiver. Without a writer's trace a ratio is one of events, by
    their ids: every stream and every attempt decides the same.

    Attributes:
        all: every event without a writer's trace is sampled.
    """

    def __init__(self, name: str, ratio: float) -> None:
        self.name = name
        self._by_parent = name.startswith(PARENT)
        self._root = name.removeprefix(PARENT)
        self.all = self._root == "always_on"
        self._trace_bound = int(ratio * (1 << _TRACE_BITS))
        self._event_bound = int(ratio * (1 << _EVENT_BITS))

    def __call__(self, event_id: str, writer: TraceContext | None) -> bool:
        """True if the event is traced."""
        if writer is not None and self._by_parent:
            return writer.sampled
        if self._root != "traceidratio":
            return self._root == "always_on"
        if writer is not None:
            return int(writer.trace_id[16:], 16) < self._trace_bound
        return _mixed(event_id) < self._event_bound


def _mixed(event_id: str) -> int:
    """64 bits that look random; ids themselves are counted (mix of Steele, Lea and Flood, 2014)."""
    try:
        number = int(event_id[-_EVENT_DIGITS:], 16)
    except ValueError:
        number = zlib.crc32(event_id.encode())
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _MASK
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _MASK
    return number ^ number >> 31


def sampler(environ: Mapping[str, str]) -> Sampler:
    """The sampler of OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.

    Raises:
        UsageError: there is none of this name, or the ratio is not between 0 and 1.
    """
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower() or DEFAULT
    if name.removeprefix(PARENT) not in ROOTS:
        known = ", ".join((*ROOTS, *(PARENT + root for root in ROOTS)))
        raise UsageError(f"OTEL_TRACES_SAMPLER is {name!r}", hint=f"set it to one of: {known}")
    text = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    ratio = 1.0
    if text and name.endswith("ratio"):
        try:
            ratio = float(text)
        except ValueError:
            ratio = -1.0
        if not 0 <= ratio <= 1:
            raise UsageError(
                f"OTEL_TRACES_SAMPLER_ARG is {text!r}", hint="set it to a number from 0 to 1"
            )
    return Sampler(name, ratio)
