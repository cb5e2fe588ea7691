from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from cdc_triggers.app.trigger_file import LoadedTriggers, environment_problems, load

if TYPE_CHECKING:
    from pathlib import Path

TRIGGER = """\
version: 1
triggers:
  - name: order_changed
    table: orders
    insert: {columns: "*"}
    webhook: "{{SHOP_URL}}/orders"
    headers: [{name: X-Secret, value_from_env: SHOP_SECRET}]
"""
FROM_ENV = TRIGGER.replace('webhook: "{{SHOP_URL}}/orders"', "webhook_from_env: SHOP_URL")


def loaded(folder: Path, text: str) -> LoadedTriggers:
    path = folder / "triggers.yaml"
    path.write_text(text, encoding="utf-8")
    return load([path])


def test_unset_variables_are_told_with_the_trigger_that_needs_them(tmp_path: Path) -> None:
    (problem,) = environment_problems(loaded(tmp_path, TRIGGER), {"SHOP_URL": "https://x"})
    assert problem.startswith(f"{tmp_path}/triggers.yaml:3: trigger 'order_changed': ")
    assert "variable SHOP_SECRET is not set; set it here and where the stream runs" in problem


@pytest.mark.parametrize("text", [TRIGGER, FROM_ENV])
def test_a_variable_that_makes_the_webhook_no_url_is_told_but_not_shown(
    tmp_path: Path, text: str
) -> None:
    environ = {"SHOP_URL": "shop.internal", "SHOP_SECRET": ""}
    (problem,) = environment_problems(loaded(tmp_path, text), environ)
    assert "starts with neither http:// nor https://" in problem
    assert "shop.internal" not in problem


@pytest.mark.parametrize("text", [TRIGGER, FROM_ENV])
def test_a_complete_environment_has_no_problems(tmp_path: Path, text: str) -> None:
    environ = {"SHOP_URL": "https://shop.internal", "SHOP_SECRET": "s"}
    assert environment_problems(loaded(tmp_path, text), environ) == []
