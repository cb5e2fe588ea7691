"""PostGIS's EWKB as GeoJSON. The values are what PostGIS 3.3 wrote for the text beside them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core.geojson import of_hex

WGS = {"type": "name", "properties": {"name": "EPSG:4326"}}


def made(text: str) -> Any:
    found = of_hex(text.encode())
    assert found is not None
    return json.loads(found)


def test_a_point_has_the_form_of_postgis_with_its_reference_system() -> None:
    assert of_hex(b"0101000020E6100000000000000000F03F0000000000000040") == (
        b'{"type":"Point","crs":{"type":"name","properties":{"name":"EPSG:4326"}},'
        b'"coordinates":[1,2]}'
    )


KINDS: list[tuple[str, dict[str, Any]]] = [
    (
        "01010000C0000000000000F03F000000000000004000000000000008400000000000001040",
        {"type": "Point", "coordinates": [1, 2, 3]},
    ),
    (
        "0102000020E610000002000000000000000000F03F000000000000004000000000000008400000000000001040",
        {"type": "LineString", "crs": WGS, "coordinates": [[1, 2], [3, 4]]},
    ),
    (
        (
            "01030000000100000004000000000000000000000000000000000000000000000000000000000000000000F03F"
            "000000000000F03F000000000000F03F00000000000000000000000000000000"
        ),
        {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]},
    ),
    (
        (
            "0104000000020000000101000000000000000000F03F00000000000000400101000000000000000000084000"
            "00000000001040"
        ),
        {"type": "MultiPoint", "coordinates": [[1, 2], [3, 4]]},
    ),
    (
        (
            "010500000001000000010200000002000000000000000000F03F0000000000000040000000000000084000000"
            "00000001040"
        ),
        {"type": "MultiLineString", "coordinates": [[[1, 2], [3, 4]]]},
    ),
    (
        (
            "01060000000100000001030000000100000004000000000000000000000000000000000000000000000000000"
            "000000000000000F03F000000000000F03F000000000000F03F00000000000000000000000000000000"
        ),
        {"type": "MultiPolygon", "coordinates": [[[[0, 0], [0, 1], [1, 1], [0, 0]]]]},
    ),
    (
        (
            "0107000020E6100000020000000101000000000000000000F03F0000000000000040010200000002000000000"
            "000000000F03F000000000000004000000000000008400000000000001040"
        ),
        {
            "type": "GeometryCollection",
            "crs": WGS,
            "geometries": [
                {"type": "Point", "coordinates": [1, 2]},
                {"type": "LineString", "coordinates": [[1, 2], [3, 4]]},
            ],
        },
    ),
    ("0101000000000000000000F87F000000000000F87F", {"type": "Point", "coordinates": []}),
    ("010300000000000000", {"type": "Polygon", "coordinates": []}),
]


@pytest.mark.parametrize(("text", "expected"), KINDS, ids=[str(e["type"]) for _, e in KINDS])
def test_every_kind_of_geometry_is_read(text: str, expected: dict[str, Any]) -> None:
    assert made(text) == expected


def test_a_number_keeps_all_its_digits() -> None:
    assert made("000000000140009C5F582BB70C3FF0000000000000") == {
        "type": "Point",
        "coordinates": [2.0763537300434845, 1],
    }


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"not hex",
        b"01",
        b"0101000020E6100000000000000000F03F00000000000000",
        b"0101000020E6100000000000000000F03F000000000000004000",
        b"0108000000030000000000000000000000000000000000000000000000000000",
        b"0102000000FFFFFFFF",
        b"0107000000FFFFFFFF",
        b"010100000000000000000000000000000000F07F",
        b"010700000001000000" * 40 + b"010100000000000000000000000000000000000000",
    ],
)
def test_what_is_none_of_them_is_left_alone(text: bytes) -> None:
    assert of_hex(text) is None


@given(st.binary(max_size=80).map(lambda tail: b"\x01" + tail) | st.binary(max_size=40))
def test_whatever_the_bytes_are_the_result_is_json_or_nothing(data: bytes) -> None:
    found = of_hex(data.hex().encode())
    assert found is None or json.loads(found)["type"]
