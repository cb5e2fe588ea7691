"""Certificates on the way to a collector: real handshakes, over HTTP and over gRPC."""

from __future__ import annotations

import asyncio
import ssl
from typing import TYPE_CHECKING, Any, NamedTuple

import grpc
import pytest
import trustme
from support.collector import Collector, GrpcCollector, values
from support.waiting import wait_until

from cdc_triggers.core.lsn import Lsn
from cdc_triggers.telemetry.metrics import EVENTS, Family, Point
from cdc_triggers.telemetry.otel import OpenTelemetry, StreamNames
from cdc_triggers.testing import log_row, transaction

if TYPE_CHECKING:
    from pathlib import Path

    from support.collector import Collected

NAMES = StreamNames("slot", "shop", parenting=False)
SPANS_ONLY = {"OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
PREFIX = "OTEL_EXPORTER_OTLP"


class Facts:
    def __init__(self) -> None:
        self.said: list[tuple[str, dict[str, object]]] = []

    def fact(self, level: str, name: str, /, **keys: object) -> None:  # noqa: ARG002 - the port
        self.said.append((name, keys))

    def error(self) -> str:
        """What the last export failed of, once one has."""
        found = [keys["error"] for name, keys in list(self.said) if name == "telemetry.failing"]
        return str(found[-1]) if found else ""


class Papers(NamedTuple):
    """An authority, and a client that it vouches for, in files."""

    ca: trustme.CA
    authority: Path
    certificate: Path
    key: Path

    def trusting(self) -> dict[str, str]:
        return {f"{PREFIX}_CERTIFICATE": str(self.authority)}

    def showing(self, signal: str = "") -> dict[str, str]:
        return {
            f"{PREFIX}{signal}_CLIENT_CERTIFICATE": str(self.certificate),
            f"{PREFIX}{signal}_CLIENT_KEY": str(self.key),
        }


@pytest.fixture
def papers(tmp_path: Path) -> Papers:
    ca = trustme.CA()
    client = ca.issue_cert("client.example")
    found = Papers(ca, tmp_path / "ca.pem", tmp_path / "client.pem", tmp_path / "client.key")
    ca.cert_pem.write_to_path(str(found.authority))
    found.certificate.write_bytes(b"".join(blob.bytes() for blob in client.cert_chain_pems))
    client.private_key_pem.write_to_path(str(found.key))
    return found


def make(kind: str, papers: Papers, *, mutual: bool = False, host: str = "127.0.0.1") -> Any:
    """A collector by TLS; a mutual one wants to see a certificate."""
    server = papers.ca.issue_cert(host)
    chain = b"".join(blob.bytes() for blob in server.cert_chain_pems)
    if kind == "grpc":
        pairs = [(server.private_key_pem.bytes(), chain)]
        root = papers.ca.cert_pem.bytes() if mutual else None
        return GrpcCollector(grpc.ssl_server_credentials(pairs, root, mutual))
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    server.configure_cert(context)
    if mutual:
        papers.ca.configure_trust(context)
        context.verify_mode = ssl.CERT_REQUIRED
    return Collector(context)


@pytest.fixture(params=["http", "grpc"])
def kind(request: pytest.FixtureRequest) -> str:
    return str(request.param)


def put(otel: OpenTelemetry, number: int = 1) -> None:
    """A transaction of one event, received and confirmed: two spans."""
    assert otel.tracer is not None
    row = log_row(f"019a0000-0000-7000-8000-{number:012x}", xid=number, new=b"{}")
    for message in transaction(number * 100, [row], number):
        otel.tracer.received(message, 1_000.0)
    otel.tracer.confirmed(Lsn(number * 100 + 50), 1_001.0)


def failure(environ: dict[str, str]) -> str:
    """What is said when a batch goes nowhere."""
    facts = Facts()
    otel = OpenTelemetry(environ | SPANS_ONLY, NAMES, facts)
    put(otel)
    try:
        return wait_until(facts.error, 15, "it is said")
    finally:
        asyncio.run(otel.close())
        assert otel.exports[0].sent == 0


def test_all_signals_go_to_a_collector_that_its_own_authority_vouches_for(
    kind: str, papers: Papers
) -> None:
    async def send(otel: OpenTelemetry) -> None:
        otel.start_metrics(lambda: [Family(EVENTS, [Point((), 5)])])
        put(otel)
        otel.logs[0].fact("info", "stream.started", {"slot": "a"})
        await otel.close()

    with make(kind, papers) as collector:
        facts = Facts()
        environ = collector.environ(**papers.trusting(), OTEL_SERVICE_NAME="shop")
        asyncio.run(send(OpenTelemetry(environ, NAMES, facts)))
        arrived(collector)
    assert facts.said == []


def arrived(collector: Collected) -> None:
    assert len(collector.spans()) == 2
    [record] = collector.logs()
    assert record.body.string_value == "stream.started"
    assert collector.metrics()["cdc_triggers.events.received"].sum.data_points[0].as_int == 5
    resources = [
        values(resource.resource.attributes)
        for path, kind in (("traces", "spans"), ("metrics", "metrics"), ("logs", "logs"))
        for message in collector.messages(f"/v1/{path}")
        for resource in getattr(message, f"resource_{kind}")
    ]
    assert len(resources) >= 3
    assert all(each == resources[0] for each in resources)
    assert resources[0]["service.name"] == "shop"


@pytest.mark.parametrize("signal", ["", "_TRACES"])
def test_collector_that_asks_is_shown_the_certificate(
    kind: str, papers: Papers, signal: str
) -> None:
    with make(kind, papers, mutual=True) as collector:
        environ = collector.environ(**papers.trusting(), **papers.showing(signal))
        otel = OpenTelemetry(environ | SPANS_ONLY, NAMES, Facts())
        put(otel)
        asyncio.run(otel.close())
        assert len(collector.spans()) == 2


def test_certificate_and_key_may_be_in_one_file(kind: str, papers: Papers) -> None:
    both = papers.certificate.read_bytes() + papers.key.read_bytes()
    papers.certificate.write_bytes(both)
    shown = papers.showing()
    del shown[f"{PREFIX}_CLIENT_KEY"]
    with make(kind, papers, mutual=True) as collector:
        environ = collector.environ(**papers.trusting(), **shown)
        otel = OpenTelemetry(environ | SPANS_ONLY, NAMES, Facts())
        put(otel)
        asyncio.run(otel.close())
        assert len(collector.spans()) == 2


def test_collector_that_asks_and_is_shown_none_is_said_to_want_one(
    kind: str, papers: Papers
) -> None:
    with make(kind, papers, mutual=True) as collector:
        more = {**papers.trusting(), f"{PREFIX}_TIMEOUT": "2"}
        said = failure(collector.environ(**more))
    assert "TLS" in said
    assert "certificate" in said


def test_collector_that_is_not_trusted_is_said_with_the_variable_that_mends_it(
    kind: str, papers: Papers
) -> None:
    with make(kind, papers) as collector:
        said = failure(collector.environ())
    assert "not trusted" in said
    assert f"{PREFIX}_CERTIFICATE" in said


def test_certificate_of_another_host_is_not_trusted(kind: str, papers: Papers) -> None:
    with make(kind, papers, host="other.example") as collector:
        said = failure(collector.environ(**papers.trusting()))
    assert "not trusted" in said


def test_plain_collector_behind_https_is_said_to_speak_no_tls(kind: str) -> None:
    with GrpcCollector() if kind == "grpc" else Collector() as collector:
        environ = collector.environ()
        url = environ[f"{PREFIX}_ENDPOINT"].replace("http:", "https:")
        assert "TLS" in failure(environ | {f"{PREFIX}_ENDPOINT": url})


@pytest.mark.parametrize(
    ("variable", "text", "why"),
    [
        (f"{PREFIX}_CERTIFICATE", None, "No such file"),
        (f"{PREFIX}_CERTIFICATE", "not a certificate", "no certificate in PEM"),
        (f"{PREFIX}_TRACES_CLIENT_CERTIFICATE", None, "No such file"),
        (f"{PREFIX}_TRACES_CLIENT_CERTIFICATE", "nonsense", "no certificate with a key"),
        (f"{PREFIX}_CLIENT_KEY", None, "No such file"),
        (f"{PREFIX}_CLIENT_KEY", "other key", "not that of the certificate"),
    ],
)
def test_file_that_cannot_be_used_is_said_with_its_variable(
    kind: str, papers: Papers, variable: str, text: str | None, why: str
) -> None:
    file = papers.key.with_name("given.pem")
    if text == "other key":
        papers.ca.issue_cert("x.example").private_key_pem.write_to_path(str(file))
    elif text is not None:
        file.write_text(text)
    environ = {
        **papers.trusting(),
        **papers.showing(),
        f"{PREFIX}_ENDPOINT": "https://127.0.0.1:1",
        f"{PREFIX}_PROTOCOL": "grpc" if kind == "grpc" else "http/protobuf",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
        variable: str(file),
    }
    said = failure(environ)
    named = variable if "KEY" not in variable or text is None else str(file)
    assert named in said
    assert str(file) in said
    assert why in said


def test_file_that_is_mended_is_used_by_the_next_batch(kind: str, papers: Papers) -> None:
    good = papers.authority.read_bytes()
    trustme.CA().cert_pem.write_to_path(str(papers.authority))
    with make(kind, papers) as collector:
        facts = Facts()
        otel = OpenTelemetry(collector.environ(**papers.trusting()) | SPANS_ONLY, NAMES, facts)
        put(otel)
        assert "not trusted" in wait_until(facts.error, 15, "it is said")
        papers.authority.write_bytes(good)
        put(otel, 2)
        wait_until(collector.spans, 15, "spans")
        wait_until(lambda: facts.said[-1][0] == "telemetry.recovered", 15, "it is said")
        asyncio.run(otel.close())
