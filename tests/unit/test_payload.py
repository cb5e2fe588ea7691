from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import pytest

from cdc_triggers.core import payload
from cdc_triggers.core.event import Event
from cdc_triggers.core.lsn import Lsn
from cdc_triggers.core.shape import Shape

if TYPE_CHECKING:
    from cdc_triggers.core.spec import Columns

ID = "01939d3e-0000-7000-8000-000000000001"
TRACE = (
    b'{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736",'
    b'"span_id":"00f067aa0ba902b7","sampling_state":"1"}'
)

DEEP = b"[" * 1_000 + b"]" * 1_000
"""As deep as the decoder goes: whoever makes a text of it runs out of stack."""


def event(**changes: Any) -> Event:
    made = Event(
        id=ID,
        table_id=1,
        schema_name="public",
        table_name="orders",
        op="UPDATE",
        created_at="2026-11-24T05:40:00.120000Z",
        xid=1,
        old=b'{"id":1,"total":1.10}',
        new=b'{"id":1,"total":1.20}',
        session=None,
        trace=None,
        trigger_name=None,
        commit_lsn=Lsn(1),
        position=0,
    )
    return made._replace(**changes)


def parsed(made: Event, columns: Columns = "*") -> Any:
    return json.loads(payload.body(made, "order_changed", 2, 5, Shape(columns)))


def test_the_body_is_the_contracts_and_nothing_else() -> None:
    made = event(session=b'{"x-hasura-role":"admin"}', trace=TRACE)
    assert parsed(made) == {
        "id": ID,
        "created_at": "2026-11-24T05:40:00.120000Z",
        "table": {"schema": "public", "name": "orders"},
        "trigger": {"name": "order_changed"},
        "delivery_info": {"current_retry": 2, "max_retries": 5},
        "event": {
            "op": "UPDATE",
            "session_variables": {"x-hasura-role": "admin"},
            "trace_context": json.loads(TRACE),
            "data": {"old": {"id": 1, "total": 1.1}, "new": {"id": 1, "total": 1.2}},
        },
    }


def test_rows_pass_through_as_the_bytes_that_they_are() -> None:
    row = b'{"n":1.10,"big":123456789012345678901234567890,"e":1e400,"grun":"gr\xc3\xbcn"}'
    assert row in payload.body(event(new=row), "t", 0, 0)


def test_a_missing_row_is_null() -> None:
    assert parsed(event(old=None))["event"]["data"]["old"] is None
    assert parsed(event(new=None))["event"]["data"]["new"] is None


def test_payload_narrows_old_and_new_and_keeps_the_digits() -> None:
    made = payload.body(event(), "t", 0, 0, Shape(("total",)))
    assert b'"data":{"old":{"total":1.10},"new":{"total":1.20}}' in made
    assert parsed(event(old=None), ("id",))["event"]["data"] == {"old": None, "new": {"id": 1}}


def test_names_with_any_characters_are_escaped() -> None:
    made = parsed(event(schema_name='a"b', table_name="ü\\\n"))
    assert made["table"] == {"schema": 'a"b', "name": "ü\\\n"}


@pytest.mark.parametrize(
    "session",
    [
        None,
        b"",
        b"nonsense",
        b"[]",
        b"3",
        b"null",
        b'"x"',
        b'{"x-hasura-a":',
        b"\xff",
        b"[" * 9999,
        b'{"x-hasura-a":' + b"[" * 500 + b"]" * 500 + b"}",
    ],
)
def test_a_session_that_is_no_object_is_null(session: bytes | None) -> None:
    assert parsed(event(session=session))["event"]["session_variables"] is None


def test_only_x_hasura_keys_are_kept_in_lower_case_with_text_values() -> None:
    session = (
        b'{"X-Hasura-Role":"admin","x-hasura-user-id":42,"secret":"s","x-other":"o",'
        b'"x-hasura-flag":true,"x-hasura-none":null,"x-hasura-list":["a",1]}'
    )
    assert parsed(event(session=session))["event"]["session_variables"] == {
        "x-hasura-role": "admin",
        "x-hasura-user-id": "42",
        "x-hasura-flag": "true",
        "x-hasura-none": "null",
        "x-hasura-list": '["a",1]',
    }


def test_of_our_own_session_setting_every_key_is_kept() -> None:
    session = b'{"cdc_triggers":{"User-Id":7,"x-hasura-role":"admin","tags":["a"]}}'
    assert parsed(event(session=session))["event"]["session_variables"] == {
        "user-id": "7",
        "x-hasura-role": "admin",
        "tags": '["a"]',
    }


@pytest.mark.parametrize("text", ["12345678901234567890123", "1.10", '{"a":[0.10,null]}'])
def test_a_session_variable_that_is_no_text_is_its_json_digit_by_digit(text: str) -> None:
    for session in (f'{{"x-hasura-a":{text}}}', f'{{"cdc_triggers":{{"x-hasura-a":{text}}}}}'):
        made = event(session=session.encode())
        assert parsed(made)["event"]["session_variables"] == {"x-hasura-a": text}


@pytest.mark.parametrize("own", [b"nonsense", b"[]", b'"x"', b'{"a":1', b"null", b"1}"])
def test_our_own_session_setting_that_is_no_object_is_null(own: bytes) -> None:
    made = event(session=b'{"cdc_triggers":' + own + b"}")
    assert parsed(made)["event"]["session_variables"] is None


@pytest.mark.parametrize(("flags", "state"), [("01", "1"), ("00", "0"), ("03", "1")])
def test_a_traceparent_becomes_a_trace_context_and_a_header(flags: str, state: str) -> None:
    ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
    made = event(trace=f"00-{ids}-{flags}".encode())
    assert parsed(made)["event"]["trace_context"] == {
        "trace_id": ids[:32],
        "span_id": ids[33:],
        "sampling_state": state,
    }
    assert payload.trace_headers(made) == (("traceparent", f"00-{ids}-0{state}"),)
    later = event(trace=f"01-{ids}-{flags}-more".encode())
    assert payload.trace_headers(later) == payload.trace_headers(made)


@pytest.mark.parametrize(
    "trace",
    [
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        b"ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        b"00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        b"00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
    ],
)
def test_a_traceparent_that_w3c_does_not_allow_is_absent(trace: bytes) -> None:
    assert parsed(event(trace=trace))["event"]["trace_context"] is None
    assert payload.trace_headers(event(trace=trace)) == ()


@pytest.mark.parametrize("trace", [None, b"", b"nonsense", b"[]", b"\xff", b'{"a":1}}'])
def test_a_trace_that_is_no_object_is_null_and_gives_no_header(trace: bytes | None) -> None:
    made = event(trace=trace)
    assert parsed(made)["event"]["trace_context"] is None
    assert payload.trace_headers(made) == ()


@pytest.mark.parametrize(
    ("state", "flags"),
    [('"1"', "01"), ("1", "01"), ('"0"', "00"), ("null", "00"), (DEEP.decode(), "00")],
)
def test_a_trace_context_becomes_a_traceparent(state: str, flags: str) -> None:
    trace = TRACE.replace(b'"1"', state.encode())
    expected = f"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-{flags}"
    assert payload.trace_headers(event(trace=trace)) == (("traceparent", expected),)


@pytest.mark.parametrize(
    "trace",
    [
        b"{}",
        b'{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736"}',
        b'{"trace_id":1,"span_id":2}',
        b'{"trace_id":"xbf92f3577b34da6a3ce929d0e0e4736","span_id":"00f067aa0ba902b7"}',
        b'{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736\\n","span_id":"00f067aa0ba902b7"}',
        b'{"trace_id":"00000000000000000000000000000000","span_id":"00f067aa0ba902b7"}',
        b'{"trace_id":%b,"span_id":"00f067aa0ba902b7"}' % DEEP,
        b'{"trace_id":"4bf92f3577b34da6a3ce929d0e0e4736","span_id":%b}' % DEEP,
    ],
)
def test_a_malformed_trace_context_gives_no_header(trace: bytes) -> None:
    assert payload.trace_headers(event(trace=trace)) == ()
