"""The console's parts that need neither a browser nor a database."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.app import trigger_file, trigger_text
from cdc_triggers.console.pages import charts, edit, login, measured, trouble, wording
from cdc_triggers.console.pages.charts import Line
from cdc_triggers.console.pages.form import Form
from cdc_triggers.console.pages.history import History, Point
from cdc_triggers.console.pages.measured import Counted, Figures, Measured
from cdc_triggers.console.pages.session import LIFE_S, Sessions
from cdc_triggers.core.meter import SECONDS, Histogram
from cdc_triggers.core.spec import Trigger
from cdc_triggers.core.views import OwedStatus, SlotStatus, StreamStatus

NOW = datetime(2026, 11, 24, 14, 22, 5, tzinfo=UTC)


def test_a_cookie_is_taken_until_it_is_over_and_by_any_process_with_the_same_secret() -> None:
    sessions, session = Sessions("secret"), Sessions("secret").begin(1000.0)
    cookie = sessions.write(session)
    assert Sessions("secret").read(cookie, 1001.0) == session
    assert sessions.read(cookie, 1000.0 + LIFE_S) is None
    assert Sessions("another").read(cookie, 1001.0) is None
    assert sessions.renewed(session, 1001.0) is None
    assert sessions.renewed(session, 1000.0 + LIFE_S * 0.6) is not None


@pytest.mark.parametrize("change", ["id", "expires", "signature", "nothing", "junk"])
def test_a_cookie_that_was_changed_is_none(change: str) -> None:
    sessions = Sessions("secret")
    name, expires, signature = sessions.write(sessions.begin(1000.0)).split(".")
    cookie = {
        "id": f"{name.swapcase()}.{expires}.{signature}",
        "expires": f"{name}.{int(expires) + 1}.{signature}",
        "signature": f"{name}.{expires}.{'0' * 64}",
        "nothing": "",
        "junk": "ä.1.\0",
    }[change]
    assert sessions.read(cookie, 1001.0) is None


def test_a_token_is_of_one_session_and_the_secret_is_compared_as_a_whole() -> None:
    sessions = Sessions("secret")
    one, other = sessions.begin(0.0), sessions.begin(0.0)
    assert sessions.is_token(one, sessions.token(one))
    assert not sessions.is_token(one, sessions.token(other))
    assert not sessions.is_token(one, "ä")
    assert sessions.may_sign_in("secret")
    assert not sessions.may_sign_in("secre")
    assert not sessions.may_sign_in("\ud800")
    assert not Sessions(None).may_sign_in("")


@pytest.mark.parametrize(
    "path",
    ["https://evil.test/", "//evil.test", "/console\\evil", "/api", "", "/consolex", "/console/\n"],
)
def test_signing_in_leads_to_no_other_place(path: str) -> None:
    assert login.target(path) == "/console"
    assert login.target("/console/events?trigger=a") == "/console/events?trigger=a"


def test_an_address_keeps_the_filters_that_are_not_changed() -> None:
    form = Form.parse("trigger=a+b&status=&before=7&token=x")
    assert form.address("/console/events", before=None) == "/console/events?trigger=a+b"
    assert form.address("/e", before="9") == "/e?trigger=a+b&before=9"


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (wording.age(0.0), "0s"),
        (wording.age(0.0421), "42ms"),
        (wording.age(0.0025), "2.5ms"),
        (wording.age(0.002), "2ms"),
        (wording.age(0.00001), "0.1ms"),
        (wording.age(1.26), "1.3s"),
        (wording.age(192), "3m\xa012s"),
        (wording.age(None), wording.NOTHING),
        (wording.size(512), "512\xa0B"),
        (wording.size(1536), "1.5\xa0KiB"),
        (wording.size(1 << 20), "1\xa0MiB"),
        (wording.number(12345), "12\u202f345"),
        (wording.number(0.033), "0.03"),
        (wording.count(10_001, 10_000), "10\u202f000+"),
        (wording.percent(0.99996), "99.9\xa0%"),
        (wording.percent(1.0), "100\xa0%"),
        (wording.ago(NOW - timedelta(seconds=90), NOW), "1m\xa030s ago"),
        (wording.ago(NOW + timedelta(seconds=20), NOW), "in 20s"),
        (wording.ago(NOW - timedelta(milliseconds=15), NOW), "just now"),
        (wording.pretty('{"a": 1.2300}'), '{\n  "a": 1.2300\n}'),
        (wording.pretty("no json"), "no json"),
    ],
)
def test_values_are_written_for_people(written: str, expected: str) -> None:
    assert written == expected


def test_history_is_bounded_and_keeps_gaps_and_order() -> None:
    history = History()
    for second in range(700):
        fine = {} if second == 650 else {("events", ""): float(second)}
        coarse = {("p99", "t"): float(second)} if second % 10 == 0 else None
        history.push(float(second), fine, coarse)
    points = history.fine("events")
    assert [p.at for p in points] == [float(n) for n in range(100, 700)]
    assert points[550] == Point(650.0, None)
    assert [p.value for p in history.coarse("p99", "t")][-2:] == [680.0, 690.0]
    assert {p.value for p in history.fine("of nothing")} == {None}
    shape = history.shape("p99", "t")
    assert (len(shape), shape[-1].value, shape[0].value) == (60, 690.0, None)
    assert history.shape("p99", "of nothing") == ()
    history.push(700.0, {}, {("p99", "t"): 1000.0})
    assert history.shape("p99", "t")[-1].value == 1000.0


def test_what_is_not_measured_yet_is_left_empty() -> None:
    history = History()
    history.push(1000.0, {("events", ""): 1.0}, None)
    points = history.fine("events")
    assert (len(points), points[0], points[-1]) == (60, Point(941.0, None), Point(1000.0, 1.0))


def test_a_value_that_stands_alone_is_drawn() -> None:
    points = [Point(1e9 + n, 1.0 if n == 2 else None) for n in range(5)]
    assert 'd="M300,0h0"' in str(charts.chart("l", [Line("n", points)]))
    assert 'd="M300,0h0"' in str(charts.spark(tuple(points), "l"))


@given(st.lists(st.none() | st.floats(0, 1e12), max_size=700), st.sampled_from(list(charts._UNITS)))
def test_a_chart_of_anything_is_whole_and_inside_its_frame(
    values: list[float | None], unit: str
) -> None:
    points = [Point(1e9 + n, value) for n, value in enumerate(values)]
    text = str(charts.chart("<l>", [Line("<n>", points, "c1", filled=True)], unit))
    assert "<n>" not in text
    assert "nan" not in text
    for path in re.findall(r' d="([^"]*)"', text):
        for x, y in re.findall(r"(-?[\d.e+-]+),(-?[\d.e+-]+)", path):
            assert 0 <= float(x) <= charts.WIDTH
            assert 0 <= float(y) <= charts.HEIGHT
    assert str(charts.spark(tuple(points), "<l>")).count("<svg") == 1


def test_quantiles_lie_in_their_bucket_and_counters_that_went_back_say_nothing() -> None:
    histogram = Histogram(SECONDS)
    before = Counted.of(0, 0, histogram)
    for _ in range(98):
        histogram.add(0.004)
    histogram.add(2.0)
    histogram.add(100_000.0)
    after = Counted.of(100, 50, histogram)
    found = measured.figures(before, after, SECONDS, 10.0)
    assert (found.delivered, found.failed) == (10.0, 5.0)
    assert 0.0025 < (found.median_s or 0) <= 0.005
    assert 1.0 <= (found.p99_s or 0) <= 2.5
    assert measured.figures(after, before, SECONDS, 10.0) == Figures()
    assert measured.total([after, after]).delivered == 200


SLOT = SlotStatus(*("s", "pgoutput", True, 1, "0/10", 0, 0, "reserved", None, None))
STREAM = StreamStatus(
    *(True, 0.1, 1, 0, NOW, "0/10", "0/10", "0/10", NOW, None, 0, 0, 0, False, None)
)


def seen(slot: SlotStatus | None, stream: StreamStatus | None, **owed: tuple[int, int]) -> Measured:
    kept = {
        n: OwedStatus(*(n, False, parked, dead, None, None)) for n, (parked, dead) in owed.items()
    }
    return Measured(0.0, "", slot, stream, 0.0, 0.0, kept, 0.0, {}, sampled=False)


def test_the_headline_names_what_stands_in_the_way_first() -> None:
    def word(found: Measured | None) -> str:
        state = trouble.headline(found, now=5.0)
        return f"{state.kind} {state.word}"

    lost, dead = SLOT._replace(wal_status="lost"), STREAM._replace(alive=False)
    assert word(None) == "idle measuring"
    assert word(seen(lost, dead, a=(1, 1))) == "bad slot lost"
    assert word(seen(None, STREAM)) == "bad slot missing"
    assert word(seen(SLOT, None)) == "bad no stream"
    assert trouble.headline(seen(SLOT, STREAM), now=60.0).word == "no answer"
    assert word(seen(SLOT, dead)) == "bad not streaming"
    assert word(seen(SLOT, STREAM._replace(recovering=True))) == "warning recovering"
    assert word(seen(SLOT, STREAM, a=(0, 3))) == "warning streaming"
    assert word(seen(SLOT, STREAM, a=(0, 0))) == "good streaming"
    order = [
        line.name for line in trouble.by_trouble(seen(SLOT, STREAM, a=(0, 0), b=(9, 0), c=(1, 1)))
    ]
    assert order == ["c", "b", "a"]


SPECS = (
    {"definition": {"insert": {}}, "webhook": "https://example.com/"},
    {"definition": {"update": {"columns": ["a", "b"], "payload": ["a"]}}, "webhook_from_env": "U"},
    {
        "table": {"schema": "a.b", "name": "c.d"},
        "definition": {"delete": {}, "enable_manual": True},
        "webhook": "{{URL}}/x",
        "headers": [{"name": "x-a", "value": "b: #c"}],
        "ordering": "total",
        "condition": "old.a == 'x'",
        "comment": "two\nlines",
        "retry_conf": {"num_retries": 3},
        "request_transform": {"version": 2, "body": {"action": "remove"}},
    },
)


@pytest.mark.parametrize("keys", SPECS, ids=range(len(SPECS)))
def test_the_text_of_a_trigger_is_read_back_as_the_same(keys: dict[str, object]) -> None:
    spec = Trigger.model_validate({"name": "t", "table": "orders", **keys})
    assert trigger_file.load_text(trigger_text.write(spec), "text") == spec


def test_problems_of_a_text_have_their_line() -> None:
    assert edit.problem("text:12: trigger 't': no: really") == edit.Problem(
        12, "trigger 't': no: really"
    )
    assert edit.problem("something else: 1") == edit.Problem(None, "something else: 1")
    kinds = [(line.kind, line.text) for line in edit.diff("a\nb\n", "a\nc\n")]
    assert kinds == [("", "  a"), ("del", "- b"), ("ins", "+ c")]


def test_what_the_pointer_reads_of_a_chart_is_json() -> None:
    text = str(charts.chart("l", [Line('"n"', [Point(1.0, 2.0), Point(2.0, None)])]))
    [data] = re.findall(r'data-chart="([^"]*)"', text)
    plain = data.replace("&#34;", '"').replace("&amp;", "&")
    assert json.loads(plain)["rows"] == [[1, "2/s"], [2, wording.NOTHING]]
