"""What cannot be exported is lost alone."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdc_triggers.telemetry.otlp_export import OtlpExporter
from cdc_triggers.telemetry.record_queue import ExportError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Taken:
    def __init__(self) -> None:
        self.bodies: list[bytes] = []

    def send(self, body: bytes, _timeout_s: float) -> bytes:
        self.bodies.append(body)
        return b""

    def close(self) -> None:
        pass


def encode(records: Sequence[str]) -> bytes:
    return "".join(records).encode("ascii")


def test_a_batch_that_cannot_be_encoded_is_lost_and_the_next_is_sent() -> None:
    taken = Taken()
    exporter = OtlpExporter(encode, taken, 1.0)
    with pytest.raises(ExportError, match="not encoded: UnicodeEncodeError"):
        exporter.export(["é"])
    exporter.export(["e"])
    assert taken.bodies == [b"e"]
