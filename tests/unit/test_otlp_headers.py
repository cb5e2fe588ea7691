"""Headers for a collector: they arrive, or are refused at the start."""

from __future__ import annotations

from urllib.parse import quote

import pytest
from support.collector import Collector, GrpcCollector

from cdc_triggers.errors import UsageError
from cdc_triggers.telemetry.exporters import Exporters
from cdc_triggers.telemetry.otlp import Kind, Template

NAME = "OTEL_EXPORTER_OTLP_HEADERS"
SPAN = Template("process", Kind.CONSUMER, ()).span(b"t" * 16, b"s" * 8, b"", 1, 2, own=b"")


@pytest.mark.parametrize("protocol", ["http/protobuf", "http/json", "grpc"])
@pytest.mark.parametrize(
    "headers",
    ["key=s3cret%0A", "key=s3%0Dcret", "key=s3cret%7F", "key=s3cr%C3%A9t", "k%20y=s3cret"],
)
def test_header_that_cannot_be_sent_is_refused_at_the_start_and_not_shown(
    protocol: str, headers: str
) -> None:
    with pytest.raises(UsageError) as caught:
        Exporters({NAME: headers, "OTEL_EXPORTER_OTLP_PROTOCOL": protocol}, {}).logs("otlp")
    said = f"{caught.value} {caught.value.hint}"
    assert NAME in said
    assert "s3" not in said


@pytest.mark.parametrize("make", [Collector, GrpcCollector])
def test_every_header_that_is_not_refused_arrives(make: type[Collector | GrpcCollector]) -> None:
    printable = "".join(map(chr, range(0x20, 0x7F)))
    written = f"a.b_c-1=x{quote(printable)}x,empty=,spaces=%20inner%20one%20"
    with make() as collector:
        Exporters(collector.environ(**{NAME: written}), {}).spans("otlp", None).export([SPAN])
        [(_, found, _)] = collector.requests
    assert found["a.b_c-1"] == f"x{printable}x"
    assert (found["empty"], found["spaces"]) == ("", "inner one")


def test_what_a_body_is_written_in_is_said_once_whatever_the_variable_says() -> None:
    written = "content-type=text/plain,Content-Encoding=br,content-length=1,transfer-encoding=x,a=b"
    with Collector() as collector:
        more = {NAME: written, "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip"}
        Exporters(collector.environ(**more), {}).spans("otlp", None).export([SPAN])
        [(_, found, _)] = collector.requests
    assert (found["content-type"], found["content-encoding"]) == ("application/x-protobuf", "gzip")
    assert found["a"] == "b"
