"""Triggers for tests: what matters is written, the rest is ordinary."""

from __future__ import annotations

from typing import Any

from cdc_triggers.core.spec import Trigger


def trigger(name: str = "t", table: str | dict[str, str] = "orders", **changes: Any) -> Trigger:
    """All three operations on `public.orders`, unless changed."""
    fields: dict[str, Any] = {
        "name": name,
        "table": table,
        "definition": {"insert": {}, "update": {}, "delete": {}},
        "webhook": "http://127.0.0.1:9/hook",
        **changes,
    }
    return Trigger.model_validate(fields)
