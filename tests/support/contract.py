"""Rows of Hasura's contract for event triggers: what is written, and what the webhook gets."""

from __future__ import annotations

import json
from typing import NamedTuple

TYPES = """
CREATE EXTENSION hstore; CREATE EXTENSION citext; CREATE EXTENSION ltree;
CREATE TYPE mood AS ENUM ('ok', 'so so');
CREATE DOMAIN ids AS bigint; CREATE DOMAIN more_ids AS ids CHECK (value > 0);
CREATE DOMAIN label AS text CHECK (value <> '');
CREATE TYPE pair AS (x bigint, y text); CREATE TYPE nest AS (p pair, ps pair[])"""
POSTGIS = "CREATE EXTENSION postgis; CREATE DOMAIN spot AS geography(Point)"


class Value(NamedTuple):
    """A value of a type as it is sent, and as it is with stringify_numeric_types if not so."""

    type: str
    literal: str
    json: str
    text: str | None = None


DIGITS = "1234567890123456789012345678901234567890.0123456789"
POINT = '"coordinates":[1.5,2]'
CRS = '"crs":{"type":"name","properties":{"name":"EPSG:4326"}}'

# fmt: off
VALUES = [
    # numbers stay numbers, with every digit; three kinds can be had as text
    Value("smallint", "5", "5"),
    Value("integer", "-2147483648", "-2147483648"),
    Value("bigint", "9223372036854775807", "9223372036854775807", '"9223372036854775807"'),
    Value("bigserial", "7", "7", '"7"'),
    Value("numeric", DIGITS, DIGITS, f'"{DIGITS}"'),
    Value("numeric(9,2)", "-1.1", "-1.10", '"-1.10"'),
    Value("numeric", "'NaN'", '"NaN"'),
    Value("double precision", "0.1", "0.1", '"0.1"'),
    Value("double precision", "1e300", "1e+300", '"1e+300"'),
    Value("double precision", "'-Infinity'", '"-Infinity"'),
    Value("real", "1.5", "1.5"),
    Value("bigint", "NULL", "null"),
    Value("ids", "1", "1", '"1"'),
    Value("more_ids", "2", "2", '"2"'),
    # what has structure is nested, its numbers as they are
    Value("json", """'{"a": {"b": [1.10, null]}}'""", '{"a": {"b": [1.10, null]}}'),
    Value("json", "'1.10'", "1.10"),
    Value("jsonb", """'{"b":1.50,"a":"x"}'""", '{"a": "x", "b": 1.50}'),
    Value("jsonb", "'null'", "null"),
    Value("bigint[]", "'{1,NULL,3}'", "[1,null,3]"),
    Value("text[]", """'{{a,"b c"},{NULL,"null"}}'""", '[["a","b c"],[null,"null"]]'),
    Value("mood[]", "'{ok,so so}'", '["ok","so so"]'),
    Value("jsonb[]", """ARRAY['{"a":1}'::jsonb]""", '[{"a": 1}]'),
    Value("pair", "(1, 'y')", '{"x":1,"y":"y"}'),
    Value("nest", "((1, 'y'), ARRAY[(2, NULL)::pair])",
          '{"p":{"x":1,"y":"y"},"ps":[{"x":2,"y":null}]}'),
    Value("hstore", """'a=>1, "b c"=>NULL'""", '{"a": "1", "b c": null}'),
    # everything else is text
    Value("mood", "'so so'", '"so so"'),
    Value("label", "'a \"b\"'", r'"a \"b\""'),
    Value("text", "'grün 😀'", '"grün 😀"'),
    Value("text", "NULL", "null"),
    Value("char(4)", "'ab'", '"ab  "'),
    Value("citext", "'MiXed'", '"MiXed"'),
    Value("ltree", "'top.science'", '"top.science"'),
    Value("uuid", "'00000000-0000-0000-0000-00000000000A'",
          '"00000000-0000-0000-0000-00000000000a"'),
    Value("bytea", r"'\xff00'", r'"\\xff00"'),
    Value("interval", "'1 day 02:03'", '"1 day 02:03:00"'),
    Value("boolean", "true", "true"),
    Value("date", "'2026-11-24'", '"2026-11-24"'),
    Value("timestamp", "'2026-11-24 10:11:12.5'", '"2026-11-24T10:11:12.5"'),
    Value("timestamptz", "'2026-11-24 10:11:12+02'", '"2026-11-24T08:11:12+00:00"'),
    Value("time", "'10:11'", '"10:11:00"'),
    Value("int8range", "'[1,5)'", '"[1,5)"'),
    Value("numrange", "'(1.10,]'", '"(1.10,)"'),
    Value("int4multirange", "'{[1,3),[5,7)}'", '"{[1,3),[5,7)}"'),
    Value("xml", "'<a>1</a>'", '"<a>1</a>"'),
    Value("point", "'(1,2)'", '"(1,2)"'),
    Value("inet", "'10.0.0.1/8'", '"10.0.0.1/8"'),
    Value("bit(3)", "B'101'", '"101"'),
    Value("tsvector", "'a:1 b'", "\"'a':1 'b'\""),
]
# PostGIS is GeoJSON
PLACES = [
    Value("geometry", "'POINT(1.5 2)'", f'{{"type":"Point",{POINT}}}'),
    Value("geometry(Point,4326)", "'SRID=4326;POINT(1.5 2)'", f'{{"type":"Point",{CRS},{POINT}}}'),
    Value("geography", "'POINT(1.5 2)'", f'{{"type":"Point",{CRS},{POINT}}}'),
    Value("geography(LineString)", "'LINESTRING(1 2,3 4)'",
          f'{{"type":"LineString",{CRS},"coordinates":[[1,2],[3,4]]}}'),
    Value("spot", "'POINT(1.5 2)'", f'{{"type":"Point",{CRS},{POINT}}}'),
    Value("geography", "NULL", "null"),
]
# fmt: on
SHAPES = [
    "POINT(0.1 -2e-7)",
    "POINT Z (1 2 3)",
    "POINT M (1 2 3)",
    "POINT ZM (1 2 3 4)",
    "POINT EMPTY",
    "LINESTRING(0 0,1 1)",
    "POLYGON((0 0,0 9,9 9,0 0),(1 2,1 3,2 3,1 2))",
    "POLYGON EMPTY",
    "MULTIPOINT(0 0,1 1)",
    "MULTILINESTRING((0 0,1 1),(2 2,3 3))",
    "MULTIPOLYGON(((0 0,0 1,1 1,0 0)),((5 5,5 6,6 6,5 5)))",
    "GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))",
    "SRID=4326;MULTIPOINT(0 0,1 1)",
    "SRID=4326;GEOMETRYCOLLECTION(POINT(1 2))",
]  # fmt: skip

TRACE_ID, SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
PARENT = f"00-{TRACE_ID}-{SPAN_ID}"
CONTEXT = {"trace_id": TRACE_ID, "span_id": SPAN_ID, "sampling_state": "1"}
HASURA = json.dumps(CONTEXT)


class Session(NamedTuple):
    """Settings of the writer's transaction, and what the webhook is told of them."""

    settings: dict[str, str]
    session: dict[str, str] | None = None
    trace: dict[str, str] | None = None
    header: str | None = None


ROLE = '{"X-Hasura-Role":"admin","x-hasura-user-id":7,"secret":"not passed on"}'
SESSIONS = {
    "nothing is set": Session({}),
    "hasura.user": Session(
        {'hasura."user"': ROLE}, {"x-hasura-role": "admin", "x-hasura-user-id": "7"}
    ),
    "hasura.user is no JSON": Session({'hasura."user"': "{not json"}),
    "hasura.user was reset": Session({'hasura."user"': ""}),
    "every key of our own": Session(
        {"cdc_triggers.session": '{"User":7,"tags":["a"]}'}, {"user": "7", "tags": '["a"]'}
    ),
    "our own wins": Session(
        {'hasura."user"': ROLE, "cdc_triggers.session": '{"a":"b"}'}, {"a": "b"}
    ),
    "our own was reset": Session(
        {'hasura."user"': '{"x-hasura-a":"b"}', "cdc_triggers.session": ""}, {"x-hasura-a": "b"}
    ),
    "our own is no JSON": Session({"cdc_triggers.session": "{not json"}),
    "our own breaks out": Session({"cdc_triggers.session": '1},"x-hasura-role":{"a":1'}),
    "our own is deep": Session({"cdc_triggers.session": "[" * 5000}),
    "hasura.tracecontext": Session(
        {"hasura.tracecontext": HASURA}, trace=CONTEXT, header=f"{PARENT}-01"
    ),
    "hasura.tracecontext is no JSON": Session({"hasura.tracecontext": "{"}),
    "traceparent": Session(
        {"cdc_triggers.traceparent": f"{PARENT}-01"}, trace=CONTEXT, header=f"{PARENT}-01"
    ),
    "traceparent, not sampled": Session(
        {"cdc_triggers.traceparent": f"{PARENT}-00", "hasura.tracecontext": HASURA},
        trace={**CONTEXT, "sampling_state": "0"},
        header=f"{PARENT}-00",
    ),
    "traceparent is none": Session({"cdc_triggers.traceparent": "00-x-y-01"}),
    "traceparent was reset": Session(
        {"cdc_triggers.traceparent": "", "hasura.tracecontext": HASURA},
        trace=CONTEXT,
        header=f"{PARENT}-01",
    ),
}

DELIVERED = [200, 201, 204, 299]
FAILED = [301, 302, 304, 400, 401, 404, 410, 429, 500, 503]

RETRY_AFTER = {
    "30": (30, 33),
    "1800": (1800, 1980),
    # whatever is no positive whole number of seconds counts for nothing: retry_conf's 600 do
    **dict.fromkeys(["0", "-5", "1.5", "soon", "", "Tue, 24 Nov 2026 10:00:00 GMT"], (600, 660)),
}

ANSWERS: list[tuple[int, str | None]] = [
    *((status, None) for status in (*DELIVERED, *FAILED)),
    *((429, value) for value in RETRY_AFTER),
    (200, "30"),
]
"""Status and Retry-After."""

TABLES = """
CREATE TABLE writes (id int PRIMARY KEY);
CREATE TABLE parts (id int PRIMARY KEY) PARTITION BY RANGE (id);
CREATE TABLE part PARTITION OF parts DEFAULT;
CREATE TABLE answers (id int PRIMARY KEY, status int, retry_after text);
CREATE TABLE images (id int, j json, x xml, p point);
CREATE TABLE moves (id bigint PRIMARY KEY, price numeric, gone bigint)"""
