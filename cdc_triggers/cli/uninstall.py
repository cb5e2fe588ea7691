"""`cdc-triggers uninstall`: leave the database as it was."""

from __future__ import annotations

from cdc_triggers import settings
from cdc_triggers.cli import consent, output
from cdc_triggers.cli.options import DEFAULT_SLOT, Dsn, Plugin, Slot, Yes
from cdc_triggers.wiring import operating


def uninstall(*, yes: Yes = False, slot: Slot = DEFAULT_SLOT, dsn: Dsn = None) -> None:
    """Remove capture triggers, schema, publication, slot, and what is parked or dead."""
    with operating.open_installer(settings.dsn(dsn), slot, Plugin.PGOUTPUT.value) as installer:
        consent.require(
            "Remove cdc-triggers from this database, with all parked and dead deliveries?", yes=yes
        )
        installer.uninstall()
    output.say("cdc-triggers is removed from this database")
