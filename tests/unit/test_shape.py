from __future__ import annotations

import pytest
from support.specs import trigger

from cdc_triggers.core.columns import Holds
from cdc_triggers.core.shape import WHOLE, Shape, shape_of

POINT = b'"0101000000000000000000F03F0000000000000040"'
LARGE = b"123456789012345678901234567890.10"


@pytest.mark.parametrize("value", [b"0", b"-1.50", LARGE, b"1e+300", b"9223372036854775807"])
def test_a_number_becomes_a_string_of_the_same_digits(value: bytes) -> None:
    shape = Shape(numbers=frozenset({"n"}))
    assert shape.image(b'{"n":%b,"m":%b}' % (value, value)) == (
        b'{"n":"%b","m":%b}' % (value, value)
    )


@pytest.mark.parametrize("value", [b"null", b'"NaN"', b'"Infinity"', b"[1,2]", b'{"a":1}'])
def test_what_is_no_number_stays_as_it_is(value: bytes) -> None:
    image = b'{"n":%b}' % value
    assert Shape(numbers=frozenset({"n"})).image(image) == image


def test_a_place_becomes_geojson_and_what_postgis_wrote_as_json_stays() -> None:
    shape = Shape(places=frozenset({"at"}))
    assert shape.image(b'{"at":%b}' % POINT) == b'{"at":{"type":"Point","coordinates":[1,2]}}'
    for image in (b'{"at":{"type":"Point"}}', b'{"at":null}', b'{"at":"not hex"}', b'{"at":""}'):
        assert shape.image(image) == image


def test_columns_that_are_not_sent_are_left_out_before_anything_else() -> None:
    shape = Shape(("n",), numbers=frozenset({"n", "m"}))
    assert shape.image(b'{"n":1,"m":2}') == b'{"n":"1"}'


def test_the_whole_shape_returns_the_very_bytes() -> None:
    image = b'{ "n" : 1 }'
    assert WHOLE.image(image) is image
    assert WHOLE.image(None) is None


def test_a_spec_says_which_shape_its_rows_have() -> None:
    holds = Holds(large=frozenset({"n"}), places=frozenset({"at"}))
    plain = trigger(definition={"insert": {"payload": ["id"]}})
    assert shape_of(plain, "INSERT", holds) == Shape(("id",), places=holds.places)
    asked = trigger(stringify_numeric_types=True)
    assert shape_of(asked, "DELETE", holds) == Shape("*", holds.large, holds.places)
    assert shape_of(asked, "MANUAL", holds) is WHOLE
