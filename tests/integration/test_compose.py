"""The example of the compose file, as far as it can be tried without containers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from ruamel.yaml import YAML

from cdc_triggers.core.finding import Level
from cdc_triggers.postgres.doctor import Wanted, examine

if TYPE_CHECKING:
    from support.databases import Database

COMPOSE = Path(__file__).parents[2] / "compose"


def test_every_file_that_the_compose_file_mounts_is_there() -> None:
    services = YAML(typ="safe").load(COMPOSE / "compose.yaml")["services"]
    volumes = [v for service in services.values() for v in service.get("volumes", ())]
    mounted = [v.split(":")[0] for v in volumes if v.startswith("./")]
    assert sorted(mounted) == ["./shop.sql", "./triggers.yaml"]
    assert all((COMPOSE / path).is_file() for path in mounted)


def test_example_schema_has_the_table_that_the_example_trigger_listens_to(
    database: Database,
) -> None:
    database.execute((COMPOSE / "shop.sql").read_text())
    (trigger,) = YAML(typ="safe").load(COMPOSE / "triggers.yaml")["triggers"]
    findings = examine(database.dsn, Wanted(slot=database.slot, tables=(trigger["table"],)))
    table = [finding for finding in findings if finding.what == f"table {trigger['table']}"]
    assert [finding.level for finding in table] == [Level.OK]
