"""A request carries its trace in the headers that OTEL_PROPAGATORS asks for."""

from __future__ import annotations

from cdc_triggers.core.trace import TraceContext
from cdc_triggers.http.httptools_sender import TRACE_HEADERS
from cdc_triggers.telemetry.propagation import PROPAGATORS, propagators

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
WRITER = TraceContext(TRACE, PARENT, sampled=True, state="shop=1")


def headers(names: str, context: TraceContext = WRITER) -> dict[str, str]:
    made = propagators({"OTEL_PROPAGATORS": names})
    return dict(header for make in made for header in make(context))


def test_propagators_write_their_headers() -> None:
    w3c = {"traceparent": f"00-{TRACE}-{PARENT}-01", "tracestate": "shop=1"}
    single = {"b3": f"{TRACE}-{PARENT}-1"}
    multiple = {"x-b3-traceid": TRACE, "x-b3-spanid": PARENT, "x-b3-sampled": "1"}
    assert headers("") == headers("tracecontext,baggage") == w3c
    assert headers("b3") == single
    assert headers("b3multi, tracecontext") == multiple | w3c
    assert headers("none") == {}


def test_propagators_of_older_systems_write_their_headers() -> None:
    lower = TRACE[16:]
    ot = {"ot-tracer-traceid": lower, "ot-tracer-spanid": PARENT, "ot-tracer-sampled": "true"}
    amazon = f"Root=1-{TRACE[:8]}-{TRACE[8:]};Parent={PARENT};Sampled="
    unsampled = WRITER._replace(sampled=False)
    assert headers("jaeger") == {"uber-trace-id": f"{TRACE}:{PARENT}:0:01"}
    assert headers("jaeger", unsampled) == {"uber-trace-id": f"{TRACE}:{PARENT}:0:00"}
    assert headers("xray") == {"x-amzn-trace-id": f"{amazon}1"}
    assert headers("xray", unsampled) == {"x-amzn-trace-id": f"{amazon}0"}
    assert headers("ottrace") == ot
    assert headers("ottrace", unsampled) == ot | {"ot-tracer-sampled": "false"}
    assert headers("ottrace", WRITER._replace(trace_id=f"{TRACE[:16]}{'0' * 16}")) == {}


def test_sender_knows_the_headers_of_every_propagator_as_those_of_one_request() -> None:
    made = {name for make in PROPAGATORS.values() for name, _ in make(WRITER)}
    assert made == TRACE_HEADERS
