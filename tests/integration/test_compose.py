"""The example of the compose file, as far as it can be tried without containers."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import tomllib
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs, urlsplit

import pytest
from ruamel.yaml import YAML
from support.servers import MissingError, missing

from cdc_triggers.core.finding import Level
from cdc_triggers.postgres.doctor import Wanted, examine
from cdc_triggers.telemetry.metrics import METRICS, Kind

if TYPE_CHECKING:
    from support.databases import Database

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "compose"


def test_every_file_that_the_compose_file_mounts_is_there() -> None:
    services = YAML(typ="safe").load(COMPOSE / "compose.yaml")["services"]
    volumes = [v for service in services.values() for v in service.get("volumes", ())]
    given = set(COMPOSE.rglob("*.*")) - {COMPOSE / "compose.yaml", COMPOSE / "README.md"}
    mounted = [v.split(":")[0] for v in volumes if v.startswith("./")]
    assert {"./shop.sql", "./triggers.yaml", "./alerts.yaml"} <= set(mounted)
    assert {COMPOSE / path for path in mounted} == given


def test_every_service_that_is_named_by_another_is_there_and_listens_there() -> None:
    services = YAML(typ="safe").load(COMPOSE / "compose.yaml")["services"]
    named = {name for service in services.values() for name in service.get("depends_on", ())}
    text = "".join(file.read_text() for file in COMPOSE.rglob("*.yaml"))
    hosts = re.findall(r"(?:@|//|endpoint: |targets: \[\")([a-z]+):(\d+)", text)
    assert named | {host for host, _ in hosts} <= set(services)
    assert set(hosts) >= {("collector", "4318"), ("tempo", "4317"), ("prometheus", "9090")}


def services() -> dict[str, Any]:
    found: dict[str, Any] = YAML(typ="safe").load(COMPOSE / "compose.yaml")["services"]
    return found


def test_who_waits_for_a_healthy_service_waits_for_one_that_says_whether_it_is() -> None:
    found = services()
    for name, service in found.items():
        for other, how in service.get("depends_on", {}).items():
            condition = how["condition"]
            assert condition in {"service_started", "service_healthy"}
            assert "healthcheck" in found[other] or condition == "service_started", (name, other)
    # what can say so is waited for where it matters
    assert {name: how["condition"] for name, how in found["stream"]["depends_on"].items()} == {
        "postgres": "service_healthy",
        "receiver": "service_healthy",
        "collector": "service_started",
    }


def test_images_are_pinned_and_ports_are_open_on_this_machine_only() -> None:
    for service in services().values():
        _, _, tag = service["image"].rpartition(":")
        assert re.match(r"v?\d+\.\d+", tag)
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", ()))
    built = services()["stream"]["build"]["dockerfile_inline"]
    images = re.findall(r"^FROM (\S+)", built, re.MULTILINE)
    assert images
    assert all(re.match(r"python:\d+\.\d+\.\d+-", image) for image in images)


def test_the_image_is_built_of_all_that_the_wheel_is_made_of() -> None:
    built = services()["stream"]["build"]["dockerfile_inline"]
    lines = re.findall(r"^COPY (?!--)(.+) \S+$", built, re.MULTILINE)
    copied = {name for line in lines for name in line.split()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    needed = set(project["tool"]["hatch"]["build"]["targets"]["sdist"]["include"])
    assert needed - {"CHANGELOG.md"} <= copied | {"pyproject.toml"}
    assert all((ROOT / name).exists() for name in copied)


class Ready(BaseHTTPRequestHandler):
    status = 200

    def do_GET(self) -> None:
        self.send_response(self.status if self.path == "/readyz" else 404)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


class Standby(Ready):
    status = 503


@pytest.mark.parametrize(("handler", "healthy"), [(Ready, True), (Standby, False)])
def test_health_checks_in_python_tell_a_running_service_from_none(
    handler: type[Ready], *, healthy: bool
) -> None:
    def check(name: str, port: int) -> bool:
        kind, _, *code = services()[name]["healthcheck"]["test"]
        assert kind == "CMD"
        own = re.findall(r"\d{4}", code[1])
        # it asks the port that the service is told to take
        assert f"{own[0]}" in " ".join(services()[name]["command"])
        command = [sys.executable, *(part.replace(own[0], str(port)) for part in code)]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        assert check("stream", server.server_port) is healthy
        assert check("receiver", server.server_port)
    finally:
        server.shutdown()
        server.server_close()
    assert not check("stream", server.server_port)
    assert not check("receiver", server.server_port)


def test_link_of_the_console_leads_to_the_trace_in_grafana() -> None:
    url = services()["stream"]["environment"]["CDC_TRIGGERS_TRACE_URL"]
    assert "{trace_id}" in url
    query = parse_qs(urlsplit(url.replace("{trace_id}", "0af7")).query)
    [(_, pane)] = json.loads(query["panes"][0]).items()
    sources = YAML(typ="safe").load(COMPOSE / "grafana" / "datasources.yaml")["datasources"]
    assert pane["datasource"] in {source["uid"] for source in sources}
    assert pane["queries"][0]["query"] == "0af7"


def test_every_metric_of_the_rules_and_of_the_dashboard_is_one_that_there_is() -> None:
    exposed: set[str] = set()
    for metric in METRICS:
        ends = ("_bucket", "_sum", "_count") if metric.kind is Kind.HISTOGRAM else ("",)
        exposed.update(metric.exposed + end for end in ends)
    for file in (COMPOSE / "alerts.yaml", COMPOSE / "grafana" / "cdc-triggers.json"):
        used = set(re.findall(r"cdc_triggers_[a-z0-9_]+", file.read_text()))
        assert used
        assert used <= exposed, file


def test_every_alert_is_described_and_says_how_grave_it_is() -> None:
    (group,) = YAML(typ="safe").load(COMPOSE / "alerts.yaml")["groups"]
    text = (COMPOSE.parent / "docs" / "howto" / "alerts.md").read_text()
    described = re.findall(r"^\| `(\w+)` \|", text, flags=re.MULTILINE)
    assert described == [rule["alert"] for rule in group["rules"]]
    for rule in group["rules"]:
        assert rule["labels"]["severity"] in {"critical", "warning", "info"}
        assert set(rule["annotations"]) == {"summary", "description"}


def test_promtool_accepts_rules_and_configuration() -> None:
    promtool = shutil.which("promtool")
    if promtool is None:
        raise missing(MissingError("no promtool: install Debian's package prometheus"))
    for kind, file in (("rules", "alerts.yaml"), ("config", "prometheus.yaml")):
        done = subprocess.run(
            [promtool, "check", kind, COMPOSE / file], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_panels_of_the_dashboard_do_not_overlap_and_ask_the_provisioned_source() -> None:
    board = json.loads((COMPOSE / "grafana" / "cdc-triggers.json").read_text())
    taken: set[tuple[int, int]] = set()
    for panel in board["panels"]:
        place = panel["gridPos"]
        columns = range(place["x"], place["x"] + place["w"])
        cells = {(x, y) for x in columns for y in range(place["y"], place["y"] + place["h"])}
        assert not cells & taken, panel["title"]
        assert place["x"] + place["w"] <= 24
        taken |= cells
    assert len({panel["id"] for panel in board["panels"]}) == len(board["panels"])
    sources = YAML(typ="safe").load(COMPOSE / "grafana" / "datasources.yaml")["datasources"]
    uids = {source["uid"] for source in sources}
    asked = {p["datasource"]["uid"] for p in board["panels"] if "datasource" in p}
    assert asked <= uids
    for source in sources:
        for jump in source["jsonData"].get("exemplarTraceIdDestinations", ()):
            assert jump["datasourceUid"] in uids


def test_example_schema_has_the_table_that_the_example_trigger_listens_to(
    database: Database,
) -> None:
    database.execute((COMPOSE / "shop.sql").read_text())
    (trigger,) = YAML(typ="safe").load(COMPOSE / "triggers.yaml")["triggers"]
    findings = examine(database.dsn, Wanted(slot=database.slot, tables=(trigger["table"],)))
    table = [finding for finding in findings if finding.what == f"table {trigger['table']}"]
    assert [finding.level for finding in table] == [Level.OK]
