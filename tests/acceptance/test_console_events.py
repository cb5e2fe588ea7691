"""Events, one event, dead letters and the playground in a real browser, at a real stream."""

from __future__ import annotations

import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

import pytest
from playwright.sync_api import expect
from support import databases
from support.api import api_of
from support.bank import PAYMENTS, SECRET, TABLES, TRACE, TRACES, Bank, dead, newest, prepared
from support.browser import Screen, chromium
from support.live import Live, streaming
from support.streaming import ENVIRONMENT, command, free_port
from support.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page
    from support.servers import Pool


@pytest.fixture(scope="module")
def bank() -> Bank:
    return Bank()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture(scope="module")
def live(server_pool: Pool, bank: Bank) -> Iterator[Live]:
    database = databases.create(server_pool.get("18"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BANK_KEY", SECRET)
        patch.setenv("CDC_TRIGGERS_TRACE_URL", TRACES)
        with streaming(database, TABLES, decide=bank) as found:
            yield prepared(found)
    database.drop()


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


def rows(page: Page) -> Any:
    return page.locator("tr[data-event]")


def test_events_are_found_by_every_filter_and_paged_through_without_a_gap(
    live: Live, screen: Screen, page: Page
) -> None:
    page.goto("/console/events")
    expect(rows(page)).to_have_count(50)
    screen.picture(page, "events")
    seen = []
    for _ in range(10):
        seen += [row.get_attribute("data-event") for row in rows(page).all()]
        older = page.get_by_role("link", name="Older")
        if not older.count():
            break
        older.click()
    assert seen == sorted(set(seen), reverse=True)
    assert len(seen) == 60 + 4 + PAYMENTS

    def found(**asked: str) -> int:
        page.goto(f"/console/events?{urllib.parse.urlencode({**asked, 'live': 'off'})}")
        count = int(rows(page).count())
        while (on := page.get_by_role("link", name="Go on")).count():  # a busy machine
            on.click()
            count += int(rows(page).count())
        return count

    assert found(op="UPDATE") == 4
    assert found(table="public.orders", op="UPDATE", key="7") == 1
    assert found(text="SENT") == 1
    assert found(text='"12345678901234567.89"') == 0
    assert found(trigger="copies", op="UPDATE") == 4
    assert found(status="dead", key="4") == 1
    assert found(status="delivered", key="4") == 1
    assert found(status="parked") == 0
    assert found(since="1h", until="30m") == 0
    assert found(since="1h", op="UPDATE", trigger="orders", status="delivered") == 4
    assert found(since="yesterday") == 0
    expect(page.get_by_role("alert")).to_contain_text("From: 'yesterday' is not a time")
    page.goto("/console/events?op=UPDATE&live=off")
    assert screen.faults(page) == []
    page.goto("/console/events")
    expect(page.get_by_role("status")).to_have_text("Live")
    page.goto("/console/events?since=yesterday")
    expect(page.get_by_label("From")).to_have_value("yesterday")
    expect(page.get_by_role("status")).to_have_count(0)  # nothing will come of it


def test_the_list_is_live_until_it_is_held_still(live: Live, page: Page) -> None:
    page.goto("/console/events?table=public.orders")
    live.run("INSERT INTO orders VALUES (1001, 'live', 1, NULL)")
    expect(rows(page).first).to_contain_text("1001")
    page.get_by_role("link", name="Hold still").click()
    expect(page.locator("main")).not_to_have_attribute("data-live", "x")
    assert page.locator("main[data-live]").count() == 0
    page.get_by_role("link", name="Resume").click()
    expect(page.locator("main[data-live]")).to_have_count(1)


def test_an_event_shows_what_changed_every_attempt_and_no_secret(
    live: Live, screen: Screen, page: Page
) -> None:
    sent = newest(live, "op = 'UPDATE' AND new ->> 'id' = '7'")
    page.goto(f"/console/events/{sent}")
    changed = page.locator("tr.changed")
    expect(changed).to_have_count(2)
    expect(changed.nth(1)).to_contain_text("12345678901234567.89")
    expect(page.get_by_role("link", name=TRACE)).to_have_attribute(
        "href", f"https://traces.example/trace/{TRACE}"
    )
    page.get_by_label("Body of the request of attempt 1").first.wait_for()
    screen.picture(page, "event")
    assert screen.faults(page) == []
    refused = newest(live, "table_name = 'payments'")
    page.goto(f"/console/events/{refused}")
    expect(page.locator(".timeline > li")).to_have_count(2)
    expect(page.get_by_role("region", name="Deliveries")).to_contain_text("dead")
    page.locator("summary", has_text="As curl").first.click()
    shown = page.get_by_label("curl command of attempt 2").inner_text()
    assert "--header 'x-bank-key: '\"${BANK_KEY}\"" in shown
    assert "--header 'authorization: '\"${AUTHORIZATION}\"" in shown
    assert SECRET not in page.content()
    assert "written-in-clear" not in page.content()
    screen.picture(page, "event-dead")
    assert screen.faults(page) == []


def test_a_delivered_event_is_sent_again_after_asking(live: Live, page: Page) -> None:
    event_id = newest(live, "op = 'INSERT' AND new ->> 'id' = '5' AND table_name = 'orders'")
    before = live.endpoint.ids[event_id, "orders"]
    page.goto(f"/console/events/{event_id}")
    page.get_by_role("button", name="Redeliver to orders").click()
    expect(page.locator(".question")).to_contain_text("would be sent again")
    expect(page.locator(".command")).to_contain_text(
        f"cdc-triggers events redeliver {event_id} --trigger orders"
    )
    page.get_by_role("button", name="Send it again").click()
    expect(page.get_by_role("status").first).to_contain_text("1 delivery will be sent again.")
    wait_until(lambda: live.endpoint.ids[event_id, "orders"] == before + 1, what="it arrives")


def test_the_playground_shows_errors_at_their_place_and_what_would_be_sent(
    live: Live, screen: Screen, page: Page
) -> None:
    page.goto("/console/playground?trigger=payments")
    page.get_by_label("Condition").fill("new.id > 1 &&\n  new.methd == 'card'")
    page.get_by_role("button", name="Try it").click()
    alert = page.locator("#wrong-condition")
    expect(alert).to_contain_text("methd")
    expect(alert.locator(".caret")).to_contain_text("new.methd == 'card'")
    page.get_by_label("Condition").fill("new.id >")
    page.get_by_label("Request transform").fill(
        "version: 2\nbody:\n  action: transform\n  template: |\n    {\n"
        '      "id": {{$body.idd.x}},\n      "bad": {{$bodi}}\n    }\n'
    )
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#wrong-request_transform .caret")).to_contain_text('"bad": {{$bodi}}')
    expect(page.locator("#wrong-condition .caret")).to_contain_text("^")
    screen.picture(page, "playground-mistakes")
    assert screen.faults(page) == []
    page.get_by_label("Condition").fill("new.id > 0")
    page.get_by_label("Request transform").fill(
        "version: 2\nmethod: PUT\nbody:\n  action: transform\n  template: |\n    {\n"
        '      "n": {{$body.event.data.new.nothing}}\n    }\n'
    )
    page.get_by_role("button", name="Try it").click()
    expect(page.locator(".tried")).to_have_count(5)
    expect(page.locator(".tried").first).to_contain_text("line 2, column")
    expect(page.locator(".tried .caret").first).to_contain_text("nothing")
    page.get_by_label("Request transform").fill(
        "version: 2\nmethod: PUT\nbody:\n  action: transform\n  template: |\n    {\n"
        '      "n": {{$body.event.data.new.id}}\n    }\n'
    )
    page.get_by_role("button", name="Try it").click()
    first = page.locator(".tried").first
    expect(first).to_contain_text("PUT")
    expect(first).to_contain_text("{{BANK_KEY}}")
    expect(first.get_by_label("Body")).to_contain_text('"n": 130')
    expect(first).to_contain_text("condition: true")
    assert "written-in-clear" not in page.content()


def test_the_playground_shows_what_would_be_recorded_of_an_answer(
    live: Live, screen: Screen, page: Page
) -> None:
    page.goto("/console/playground?trigger=payments")
    page.get_by_label("Response transform").fill(
        "version: 2\nbody:\n  action: remove\n  template: x\n"
    )
    page.get_by_label("Answer: status").fill("99")
    page.get_by_role("button", name="Try it").click()
    expect(page.locator("#wrong-response_transform")).to_contain_text("template means nothing")
    expect(page.locator("#wrong-answer")).to_contain_text("100 to 599")
    page.get_by_label("Answer: status").fill("202")
    page.get_by_label("Answer: body").fill('{"ticket": 12345678901234567890}')
    answered = "version: 2\nbody:\n  action: transform\n  template: |\n    {\n"
    page.get_by_label("Response transform").fill(answered + '      "t": {{$body.tickets}}\n    }\n')
    page.get_by_role("button", name="Try it").click()
    first = page.locator(".tried").first
    expect(first.locator(".caret")).to_contain_text("$body.tickets")
    expect(first.get_by_label("Recorded body")).to_contain_text('"ticket"')
    page.get_by_label("Response transform").fill(
        answered + '      "t": {{$body.ticket}}, "of": {{$request.body.id}}, '
        '"s": {{$response.status}}\n    }\n'
    )
    page.get_by_role("button", name="Try it").click()
    kept = first.get_by_label("Recorded body")
    expect(kept).to_contain_text('"t": 12345678901234567890')
    expect(kept).to_contain_text('"s": 202')
    expect(page.locator(".command").first).to_contain_text("--answer FILE --status 202")
    screen.picture(page, "playground")
    assert screen.faults(page) == []


def test_dead_letters_are_grouped_picked_and_sent_again_without_a_script(
    live: Live, bank: Bank, screen: Screen
) -> None:
    page = screen.page(java_script_enabled=False)
    page.goto("/console/dead")
    causes = page.get_by_role("region", name="Dead letters by cause")
    expect(causes.get_by_role("row", name="HTTP 503")).to_contain_text("65")
    screen.picture(page, "dead")
    seeing = screen.page()
    seeing.goto("/console/dead")
    assert screen.faults(seeing) == []
    died = seeing.get_by_role("region", name="Dead letters by cause")
    expect(died.get_by_role("row", name="HTTP 422")).to_contain_text("65")
    causes.get_by_role("link", name="HTTP 422").click()
    boxes = page.get_by_role("checkbox")
    expect(boxes).to_have_count(50)
    bank.up = True
    boxes.nth(0).check()
    boxes.nth(1).check()
    page.get_by_role("button", name="Redeliver the picked").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Send 2 of 2 picked again?")
    page.get_by_role("button", name="Send them again").click()
    expect(page.get_by_role("status")).to_contain_text("2 deliveries will be sent again.")
    wait_until(lambda: dead(live) == PAYMENTS - 2, what="two are delivered")
    expect(died.get_by_role("row", name="HTTP 422")).to_contain_text("63")
    seeing.context.close()
    page.context.close()


def test_all_of_a_cause_are_sent_again_at_a_pace_and_what_is_stopped_stays_dead(
    live: Live, bank: Bank, screen: Screen, page: Page
) -> None:
    bank.up = True
    page.goto("/console/dead?trigger=payments&cause=HTTP%20503")
    screen.picture(page, "dead-cause")
    page.get_by_role("link", name="Older").click()
    expect(page.get_by_role("checkbox", name="Pick")).to_have_count(15)
    assert screen.faults(page) == []
    page.get_by_label("A second").fill("5")
    page.get_by_role("button", name="Count, then ask").click()
    expect(page.locator(".question")).to_contain_text("65")
    expect(page.locator(".command")).to_contain_text(
        "cdc-triggers events redeliver --trigger payments --status dead --cause 'HTTP 503' --rate 5"
    )
    page.get_by_role("button", name="Send them again").click()
    job = page.locator(".jobs > li").first
    expect(job).to_contain_text("running")
    expect(job.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
    screen.picture(page, "dead-running")
    page.get_by_role("button", name="Stop the redelivery of payments").click()
    expect(job).to_contain_text("ended early")
    expect(job).to_contain_text("the others stay dead")
    left = dead(live)
    assert PAYMENTS - 2 - 65 < left < PAYMENTS - 2
    bank.up = False


def reachable(port: int) -> bool:
    with closing(socket.socket()) as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


@contextmanager
def console_beside(live: Live) -> Iterator[str]:
    """`cdc-triggers console` as a second process on the same database, killed at the end."""
    port = free_port()
    dsn = ("--dsn", live.database.dsn, "--slot", live.database.slot)
    line = command("console", "--listen", f"127.0.0.1:{port}", *dsn)
    with subprocess.Popen(line, env=ENVIRONMENT) as beside:
        try:
            wait_until(lambda: reachable(port), what="the console answers")
            yield f"http://127.0.0.1:{port}"
        finally:
            beside.kill()


def begin_redelivery(page: Page, cause: str, rate: int) -> None:
    page.goto(f"/console/dead?trigger=payments&cause={urllib.parse.quote(cause)}")
    page.get_by_label("A second").fill(str(rate))
    page.get_by_role("button", name="Count, then ask").click()
    page.get_by_role("button", name="Send them again").click()


def test_a_redelivery_is_seen_and_stopped_by_any_process_and_one_whose_process_died_is_cut_off(
    live: Live, bank: Bank, browser: Browser
) -> None:
    bank.up = True
    page = Screen(browser, api_of(live).base).page()
    with console_beside(live) as base:
        beside = Screen(browser, base).page()
        begin_redelivery(beside, "HTTP 422", 2)
        there = beside.locator(".jobs > li").first
        expect(there).to_contain_text("running")
        page.goto("/console/dead")
        here = page.locator(".jobs > li").first
        expect(here).to_contain_text("running")
        expect(here.get_by_role("progressbar")).not_to_have_attribute("aria-valuenow", "0")
        begin_redelivery(page, "HTTP 422", 1)
        expect(page.get_by_role("alert")).to_contain_text("runs already")
        page.goto("/console/dead")
        page.get_by_role("button", name="Stop the redelivery of payments").click()
        expect(page.get_by_role("status").first).to_contain_text("Stopped")
        expect(here).to_contain_text("Stopped by hand: the others stay dead")
        expect(there).to_contain_text("ended early")
        left = dead(live)
        assert left > 0
        begin_redelivery(beside, "HTTP 422", 1)
        expect(there).to_contain_text("running")
        beside.context.close()
    page.goto("/console/dead")
    expect(here).to_contain_text("cut off")
    expect(here).to_contain_text("dead as before")
    assert here.get_by_role("button").count() == 0
    assert dead(live) in range(left - 15, left)
    page.context.close()
    bank.up = False


def test_odd_addresses_are_answered_and_pages_are_quick(live: Live) -> None:
    base = api_of(live).base
    for path, status in {
        "/console/events?before=x": 200,
        "/console/events?text=%00": 200,
        "/console/events?table=%00": 200,
        "/console/events?trigger=%00": 200,
        "/console/dead?trigger=%00": 400,
        "/console/events?key=%22%5C": 200,
        "/console/events/nothing": 400,
        "/console/events/01a20d7f-6102-7cb9-95ff-22efb6dfc928": 404,
        "/console/dead?trigger=none": 200,
        "/console/dead?trigger=payments&after=x": 400,
        "/console/playground?trigger=none": 404,
        "/console/playground": 200,
        "/console/dead": 200,
        "/console/events": 200,
    }.items():
        began = time.monotonic()
        try:
            with urllib.request.urlopen(base + path, timeout=10) as answer:
                found, text = answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            found, text = error.code, ""
        assert found == status, path
        assert time.monotonic() - began < 1.5, path
        assert " style=" not in text
