"""The console in a real browser, at a real stream with real events."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support import databases
from support.api import Api, api_of
from support.browser import Screen, chromium
from support.live import Live, streaming
from support.streaming import ENVIRONMENT, free_port
from support.waiting import wait_until

from cdc_triggers.http.receiver import Reply

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from support.databases import Database
    from support.servers import Pool

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, status text, total numeric(10, 2));
CREATE TABLE payments (id int PRIMARY KEY, method text);
CREATE TABLE subscription_invoices (id int PRIMARY KEY);
"""
MANUAL = {"insert": {}, "update": {}, "delete": {}, "enable_manual": True}
SECRET = "correct horse battery staple"


def decide(body: dict[str, Any], seen: int) -> Reply:
    del seen
    return Reply(503 if body["trigger"]["name"] == "payments" else 200)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def live(server_pool: Pool) -> Iterator[Live]:
    database = databases.create(server_pool.get("18"))
    with streaming(database, TABLES, decide=decide) as found:
        retry = {"num_retries": 0}
        found.apply(
            found.trigger("orders", ordering="key", definition=MANUAL),
            found.trigger("payments", "payments", retry_conf=retry, ordering="none"),
            # a name that makes its row wider than the page
            found.trigger("invoices", "subscription_invoices"),
        )
        found.run(
            "INSERT INTO orders SELECT n, 'new', n * 1.5 FROM generate_series(1, 60) n",
            "UPDATE orders SET status = 'paid' WHERE id <= 30",
            "INSERT INTO payments SELECT n, 'card' FROM generate_series(1, 7) n",
        )
        wait_until(lambda: dead(found) == 7, what="all payments are dead")
        yield found
    database.drop()


def dead(live: Live) -> int:
    query = "SELECT count(*) FROM cdc_triggers.delivery WHERE status = 'dead'"
    return int(live.database.execute(query)[0][0])


@pytest.fixture(scope="module")
def screen(browser: Browser, live: Live) -> Iterator[Screen]:
    found = Screen(browser, api_of(live).base)
    yield found
    assert found.said == []


@pytest.fixture
def page(screen: Screen) -> Iterator[Page]:
    found = screen.page()
    yield found
    found.context.close()


def audited(live: Live) -> list[tuple[Any, ...]]:
    columns = "action, target, result, arguments::text, command"
    return live.database.execute(f"SELECT {columns} FROM cdc_triggers.audit ORDER BY id")


def test_every_page_is_shown_in_light_in_dark_and_on_a_phone_without_a_serious_fault(
    screen: Screen, page: Page
) -> None:
    page.goto("/console")
    triggers = page.get_by_role("region", name="Triggers by trouble")
    expect(triggers).to_contain_text("has dead", timeout=30_000)  # it is counted every 5 s
    expect(page.locator(".headline")).to_contain_text("Streaming")
    for name, path in {
        "overview": "/console",
        "triggers": "/console/triggers",
        "trigger": "/console/triggers/payments",
        "edit": "/console/triggers/orders/edit",
        "slot": "/console/slot",
    }.items():
        page.goto(path)
        screen.picture(page, name)
        assert screen.faults(page) == []


def test_an_address_that_is_none_is_answered_with_a_page(live: Live, browser: Browser) -> None:
    screen = Screen(browser, api_of(live).base)
    page = screen.page()
    for path in ("/console/nothing", "/console/triggers/nothing"):
        answer = page.goto(path)
        assert answer is not None
        assert answer.status == 404
        expect(page.get_by_role("alert")).to_be_visible()
    screen.picture(page, "missing")
    assert screen.faults(page) == []
    page.context.close()


def test_the_overview_changes_by_itself(live: Live, page: Page) -> None:
    page.goto("/console")
    delivered = page.locator(".tile", has_text="Events").locator("small")
    before = delivered.inner_text()
    live.run("UPDATE orders SET status = 'sent' WHERE id <= 5")
    expect(delivered).not_to_have_text(before)


def test_without_a_script_a_trigger_is_paused_and_resumed_after_asking(
    live: Live, screen: Screen
) -> None:
    page = screen.page(java_script_enabled=False)
    page.goto("/console/triggers/orders")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Pause orders?")
    expect(page.locator(".command")).to_contain_text("cdc-triggers triggers pause orders")
    page.get_by_role("button", name="Pause it").click()
    expect(page.get_by_role("status")).to_contain_text("Trigger orders is paused.")
    with live.administration() as admin:
        assert admin.trigger("orders").paused
    page.get_by_role("button", name="Resume").click()
    expect(page.get_by_role("status")).to_contain_text("Trigger orders is resumed.")
    expect(page.get_by_role("status")).to_contain_text("$ cdc-triggers triggers resume orders")
    command = "cdc-triggers triggers {} orders"
    assert [(a, t, r, c) for a, t, r, _, c in audited(live)][-2:] == [
        ("trigger.pause", "orders", "done", command.format("pause")),
        ("trigger.resume", "orders", "done", command.format("resume")),
    ]
    page.goto("/console/audit")
    expect(page.get_by_role("region", name="Audit")).to_contain_text("trigger.pause")
    page.context.close()


def test_a_question_and_the_audit_are_shown_without_a_serious_fault(
    screen: Screen, page: Page
) -> None:
    page.goto("/console/triggers/orders")
    page.get_by_role("button", name="Pause").click()
    expect(page.get_by_role("link", name="Cancel")).to_be_focused()
    screen.picture(page, "confirm")
    assert screen.faults(page) == []
    page.goto("/console/audit")
    screen.picture(page, "audit")
    assert screen.faults(page) == []


def test_an_invocation_calls_the_endpoint_and_leaves_no_row_in_the_audit(
    live: Live, page: Page
) -> None:
    page.goto("/console/triggers/orders")
    page.get_by_label("Row, as JSON").fill('{"id": 4711, "total": 1.50}')
    page.get_by_role("button", name="Invoke").click()
    page.get_by_role("button", name="Invoke it").click()
    wait_until(
        lambda: any(b'"total": 1.50' in raw and b"4711" in raw for raw in live.endpoint.raw),
        what="the row arrives",
    )
    wait_until(lambda: audited(live)[-1][2] == "done")
    assert "4711" not in str(audited(live)[-1])


def test_an_edit_shows_what_apply_would_do_and_does_it(
    live: Live, screen: Screen, page: Page
) -> None:
    page.goto("/console/triggers/orders/edit")
    text = page.get_by_label("The trigger, as it stands in a trigger file")
    own = text.input_value()
    text.fill(own.replace("enable_manual: true", "enable_manual: perhaps") + "webhok: x\n")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("webhok")
    expect(page.get_by_role("alert")).to_contain_text("line ")
    screen.picture(page, "edit-problems")
    assert screen.faults(page) == []
    text.fill(own + "max_in_flight: 7\n")
    page.get_by_role("button", name="Preview").click()
    expect(page.locator("ins")).to_have_text("+ max_in_flight: 7")
    screen.picture(page, "edit-preview")
    assert screen.faults(page) == []
    page.get_by_role("button", name="Apply it").click()
    expect(page.get_by_role("status")).to_contain_text("Trigger orders is changed.")
    with live.administration() as admin:
        assert json.loads(admin.trigger("orders").definition)["max_in_flight"] == 7


def test_an_edit_of_what_somebody_else_has_changed_is_refused(live: Live, page: Page) -> None:
    page.goto("/console/triggers/orders/edit")
    api_of(live).call("PUT", "/api/triggers/beside", spec(live))
    text = page.get_by_label("The trigger, as it stands in a trigger file")
    text.fill(text.input_value() + "comment: late\n")
    page.get_by_role("button", name="Preview").click()
    expect(page.get_by_role("alert")).to_contain_text("somebody has changed")
    api_of(live).call("DELETE", "/api/triggers/beside")


def spec(live: Live) -> dict[str, Any]:
    return {"table": "orders", "webhook": live.endpoint.url, "definition": MANUAL}


def test_colours_are_chosen_and_kept_and_the_keyboard_leads_everywhere(page: Page) -> None:
    page.goto("/console/slot")
    page.keyboard.press("Tab")
    expect(page.get_by_role("link", name="Skip to content")).to_be_focused()
    page.get_by_role("button", name="Colours: dark").press("Enter")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    expect(page).to_have_url(page.url.partition("/console")[0] + "/console/slot")
    page.goto("/console")
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_a_chart_says_what_it_shows_where_the_pointer_is(page: Page) -> None:
    page.goto("/console")
    expect(page.get_by_role("img", name="Events a second")).to_be_visible()
    page.locator(".plot").first.hover()
    expect(page.locator(".tip").first).to_contain_text("delivered")


@contextmanager
def console(database: Database, secret: str) -> Iterator[str]:
    """`cdc-triggers console` with a secret, as a process of its own."""
    port = free_port()
    line = [sys.executable, "-m", "cdc_triggers", "console", "--listen", f"127.0.0.1:{port}"]
    environ = {**ENVIRONMENT, "CDC_TRIGGERS_ADMIN_SECRET": secret}
    with subprocess.Popen(
        [*line, "--dsn", database.dsn, "--slot", database.slot], env=environ
    ) as process:
        base = f"http://127.0.0.1:{port}"
        try:
            wait_until(lambda: answers(base), what="the console answers")
            yield base
            process.terminate()
            assert process.wait(10) == 0
        finally:
            process.kill()


def answers(base: str) -> bool:
    try:
        return bool(urllib.request.urlopen(f"{base}/livez", timeout=2).status == 200)
    except OSError:
        return False


def test_the_console_alone_asks_for_the_secret_and_shows_what_a_stream_elsewhere_does(
    browser: Browser, live: Live
) -> None:
    with console(live.database, SECRET) as base:
        screen = Screen(browser, base)
        page = screen.page()
        page.goto("/console/triggers/payments")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        screen.picture(page, "login")
        assert screen.faults(page) == []
        page.get_by_label("Admin secret").fill("wrong")
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("alert")).to_contain_text("not the admin secret")
        page.get_by_label("Admin secret").fill(SECRET)
        page.get_by_role("button", name="Sign in").click()
        expect(page.get_by_role("heading", level=1)).to_contain_text("payments")
        [cookie] = page.context.cookies()
        assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
        assert SECRET not in str(cookie)
        assert SECRET not in page.content()
        page.goto("/console")
        expect(page.locator(".headline")).to_contain_text("Streaming")
        page.get_by_role("button", name="Sign out").click()
        page.goto("/console")
        expect(page.get_by_role("heading", level=1)).to_have_text("Sign in")
        page.context.close()


def test_a_page_from_elsewhere_and_a_form_without_the_token_change_nothing(live: Live) -> None:
    api = Api(api_of(live).base)
    path = "/console/triggers/orders/pause"
    kind = "application/x-www-form-urlencoded"
    body = b"confirmed=yes"
    for headers in ({}, {"origin": "https://evil.test"}, {"sec-fetch-site": "cross-site"}):
        request = urllib.request.Request(
            api.base + path, body, {"content-type": kind, **headers}, method="POST"
        )
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, timeout=10)
        assert refused.value.code == 403
    with live.administration() as admin:
        assert not admin.trigger("orders").paused


def test_pages_load_nothing_from_elsewhere_and_are_quick(live: Live) -> None:
    base = api_of(live).base
    for path in ("/console", "/console/triggers", "/console/slot", "/console/audit"):
        began = time.monotonic()
        with urllib.request.urlopen(base + path, timeout=10) as answer:
            text = answer.read().decode()
            policy = answer.headers["content-security-policy"]
        assert time.monotonic() - began < 1.0, path
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert " style=" not in text
        assert "http://" not in text.replace(live.endpoint.url, "")
