"""A request's JSON, read so that what is only passed on keeps its digits."""

from __future__ import annotations

import json
from typing import Any

import orjson

from cdc_triggers.console.answers import bad_request

_EXACT_DIGITS = 18
"""Integers up to this length fit into 64 bits; longer ones are passed on as text."""


def loads(body: bytes) -> Any:
    """The value; numbers that would lose digits are fragments of JSON.

    Raises:
        ApiError: it is not JSON.
    """
    try:
        text = body.decode("utf-8")
        return json.loads(
            text, parse_float=orjson.Fragment, parse_int=_integer, parse_constant=_refuse
        )
    except (ValueError, RecursionError) as error:
        raise bad_request("invalid-json", f"the body is not JSON: {error}") from error


def dumps(value: object, path: str) -> str:
    """A part of it as JSON text again.

    Raises:
        ApiError: it is nested too deeply, or holds half of a surrogate pair.
    """
    try:
        return orjson.dumps(value).decode()
    except TypeError as error:
        text = f"this JSON cannot be passed on: {error}"
        raise bad_request("parse-failed", text, path) from error


def _integer(text: str) -> int | orjson.Fragment:
    return int(text) if len(text) <= _EXACT_DIGITS else orjson.Fragment(text)


def _refuse(name: str) -> None:
    """Refuse NaN and Infinity, which Python reads and JSON does not know.

    Raises:
        ValueError: always.
    """
    raise ValueError(f"{name} is not JSON")
