"""Metrics of a running stream, as Prometheus scrapes them and as a collector gets them."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import urllib.parse
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ruamel.yaml import YAML
from support.collector import Collector, values
from support.live import Live, streaming
from support.servers import MissingError, missing
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    import pytest
    from support.databases import Database

TABLES = "CREATE TABLE orders (id int PRIMARY KEY, v text)"
COMPOSE = Path(__file__).parents[2] / "compose"


def metrics(live: Live, accept: str = "*/*") -> tuple[str, dict[str, float]]:
    """The text's kind, and its samples."""
    url = live.stream.readyz.replace("/readyz", "/metrics")
    request = urllib.request.Request(url, headers={"accept": accept})
    with urllib.request.urlopen(request, timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    samples = (line.partition(" # ")[0].rpartition(" ") for line in lines if line[0] != "#")
    return answer.headers["content-type"], {name: float(value) for name, _, value in samples}


def wait_for(live: Live, **expected: float) -> dict[str, float]:
    """The samples, once these have these values."""

    def found() -> dict[str, float]:
        samples = metrics(live)[1]
        hits = {name: samples.get(f"cdc_triggers_{name}") for name in expected}
        return samples if hits == expected else {}

    return wait_until(found, 30, f"{expected}")


def test_what_happens_to_events_is_counted(database: Database) -> None:
    def decide(body: dict[str, Any], before: int) -> Reply:
        new = body["event"]["data"]["new"]
        return Reply(500 if new["id"] == 3 or (new["id"] == 2 and not before) else 200)

    retries = {"num_retries": 1, "interval_sec": 0, "jitter": False}
    with streaming(database, TABLES, decide=decide, retry_conf=retries, ordering="none") as live:
        name = '{trigger="watched"}'
        wait_for(live, **{f"deliveries_dead_total{name}": 0.0})  # an increase from nothing is none
        live.run(*(f"INSERT INTO orders VALUES ({n}, 'a')" for n in (1, 2, 3)))
        live.bodies()
        wait_for(live, **{f"dead{name}": 1.0, f"deliveries_dead_total{name}": 1.0})
        kind, samples = metrics(live, "application/openmetrics-text; version=1.0.0")
        assert kind.startswith("application/openmetrics-text")
        expected = {
            f"deliveries_delivered_total{name}": 2,
            f"deliveries_retried_total{name}": 2,
            'attempts_total{trigger="watched",outcome="2xx"}': 2,
            'attempts_total{trigger="watched",outcome="5xx"}': 3,
            'deliveries_parked_total{trigger="watched",reason="failed"}': 2,
            "events_received_total": 3,
            "slot_active": 1,
            "stream_leader": 1,
            "stream_takeovers_total": 0,
            'slot_wal_status{status="reserved"}': 1,
            f"attempts_in_flight{name}": 0,
            f"endpoint_failing{name}": 1,
            f"event_latency_delivered_seconds_count{name}": 2,
            f"attempt_duration_seconds_count{name}": 5,
        }
        got = {key: samples.get(f"cdc_triggers_{key}") for key in expected}
        assert got == expected
        assert samples["cdc_triggers_slot_lag_bytes"] >= 0
        assert samples["cdc_triggers_process_memory_bytes"] > 1e6
        log = live.stream.log
        assert log.count("endpoint.failing") == 1
        assert "telemetry" not in log


def test_the_same_metrics_go_over_otlp(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    with Collector() as collector:
        for key, value in collector.environ().items():
            monkeypatch.setenv(key, value)
        with streaming(database, TABLES) as live:
            live.run("INSERT INTO orders VALUES (1, 'a')")
            live.bodies()
            name = "cdc_triggers.event.latency.delivered"

            def exported() -> Any:
                found = collector.metrics().get(name)
                return found if found is not None and found.histogram.data_points else None

            metric = wait_until(exported, what=name)
            [point] = metric.histogram.data_points
            assert (point.count, values(point.attributes)) == (1, {"trigger": "watched"})
            [exemplar] = point.exemplars
            wait_until(collector.spans, what="spans")
            collector.wait_spans("process watched")
            traces = {(span.trace_id, span.span_id) for span in collector.spans()}
            assert (exemplar.trace_id.hex(), exemplar.span_id.hex()) in traces
            assert metric.unit == "s"
            started = wait_until(
                lambda: [r for r in collector.logs() if r.body.string_value == "stream.started"],
                what="log records",
            )
            assert values(started[0].attributes)["slot"] == database.slot


@contextmanager
def prometheus(folder: Path, target: str) -> Iterator[str]:
    """Debian's, with our rules, scraping a stream; yields its address."""
    program = shutil.which("prometheus")
    if program is None:
        raise missing(MissingError("no prometheus: install Debian's package prometheus"))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    config = {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": [str(COMPOSE / "alerts.yaml")],
        "scrape_configs": [{"job_name": "cdc-triggers", "static_configs": [{"targets": [target]}]}],
    }
    file = folder / "prometheus.yaml"
    with file.open("w") as stream:
        YAML(typ="safe").dump(config, stream)
    process = subprocess.Popen(
        [
            program,
            f"--config.file={file}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={address}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        yield f"http://{address}"
    finally:
        process.kill()
        process.wait(10)


def ask(address: str, path: str, **parameters: str) -> Any:
    url = f"{address}/api/v1/{path}?{urllib.parse.urlencode(parameters)}"
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def test_prometheus_scrapes_a_stream_and_can_evaluate_every_rule_and_panel(
    database: Database, tmp_path: Path
) -> None:
    with streaming(database, TABLES) as live:
        live.run("INSERT INTO orders VALUES (1, 'a')")
        live.bodies()
        target = urllib.parse.urlsplit(live.stream.readyz).netloc
        with prometheus(tmp_path, target) as address:
            query = 'cdc_triggers_deliveries_delivered_total{trigger="watched"}'

            def delivered() -> list[str]:
                data = ask(address, "query", query=query) or {"result": []}
                return [found["value"][1] for found in data["result"]]

            wait_until(lambda: delivered() == ["1"], 30, "a scrape")
            for expression in expressions():
                assert ask(address, "query", query=expression) is not None, expression
            rules = [r for g in ask(address, "rules")["groups"] for r in g["rules"]]
            assert len(rules) >= 8
            assert {rule["health"] for rule in rules} <= {"ok", "unknown"}


def expressions() -> list[str]:
    """What the dashboard asks for, with Grafana's variables filled in."""
    board = json.loads((COMPOSE / "grafana" / "cdc-triggers.json").read_text())
    found = [target["expr"] for panel in board["panels"] for target in panel.get("targets", ())]
    filled = {"$__rate_interval": "1m", "$trigger": ".*"}
    for name, value in filled.items():
        found = [each.replace(name, value) for each in found]
    return found
