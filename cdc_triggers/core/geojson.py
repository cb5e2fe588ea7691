"""GeoJSON of what PostGIS writes in hexadecimal: its `geography` has no cast to json.

The input is EWKB (PostGIS, "Extended WKB"): a byte for the byte order, the type with flags for Z, M
and SRID, then counts and coordinates. The output has the form of PostGIS's own `geometry` to json.
"""

from __future__ import annotations

import math
import re
import struct
from binascii import unhexlify

import orjson

_Z, _M, _SRID = 0x80000000, 0x40000000, 0x20000000
_FLAGS = _Z | _M | _SRID
_POINT, _LINE, _POLYGON, _COLLECTION = 1, 2, 3, 7
_MULTI = 3
"""A collection of points, lines or polygons alone has the number of its parts and three."""
_NAMES = {
    _POINT: b"Point",
    _LINE: b"LineString",
    _POLYGON: b"Polygon",
    4: b"MultiPoint",
    5: b"MultiLineString",
    6: b"MultiPolygon",
    _COLLECTION: b"GeometryCollection",
}
_DEPTH = 32
_WHOLE = re.compile(rb"\.0(?=[,\]])")


def of_hex(text: bytes) -> bytes | None:
    """The GeoJSON object of an EWKB value in hexadecimal; None if it is none, or a curve."""
    try:
        reader = _Reader(unhexlify(text))
        made = reader.geometry(_DEPTH)
    except (ValueError, struct.error):
        return None
    return made if reader.at_end else None


class _Reader:
    """Reads one value from its bytes.

    Every method raises ValueError or struct.error if the bytes are not what they should be.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._place = 0

    @property
    def at_end(self) -> bool:
        return self._place == len(self._data)

    def geometry(self, depth: int) -> bytes:
        """The next geometry as a GeoJSON object."""
        order, kind, dimensions, srid = self._head()
        name = _NAMES[kind]
        crs = b""
        if srid and depth == _DEPTH:
            crs = b'"crs":{"type":"name","properties":{"name":"EPSG:%d"}},' % srid
        if kind == _COLLECTION:
            parts = self._parts(order, depth)
            return b'{"type":"%b",%b"geometries":[%b]}' % (name, crs, parts)
        coordinates = self._coordinates(order, kind, dimensions)
        return b'{"type":"%b",%b"coordinates":%b}' % (name, crs, coordinates)

    def _head(self) -> tuple[str, int, tuple[int, int], int]:
        """Byte order, kind, dimensions stored and shown, SRID."""
        order = "<" if self._take("=B")[0] == 1 else ">"
        (flags,) = self._take(f"{order}I")
        kind = flags & ~_FLAGS
        if kind not in _NAMES:
            raise ValueError(f"a geometry of kind {kind}")
        srid = self._take(f"{order}I")[0] if flags & _SRID else 0
        shown = 3 if flags & _Z else 2
        return order, kind, (shown + bool(flags & _M), shown), srid

    def _parts(self, order: str, depth: int) -> bytes:
        if not depth:
            raise ValueError("nested too deeply")
        (count,) = self._take(f"{order}I")
        return b",".join(self.geometry(depth - 1) for _ in range(count))

    def _coordinates(self, order: str, kind: int, dimensions: tuple[int, int]) -> bytes:
        if kind == _POINT:
            return self._points(order, 1, dimensions) or b"[]"
        (count,) = self._take(f"{order}I")
        if kind == _LINE:
            return b"[%b]" % self._points(order, count, dimensions)
        if kind == _POLYGON:
            return b"[%b]" % b",".join(
                self._coordinates(order, _LINE, dimensions) for _ in range(count)
            )
        parts = []
        for _ in range(count):
            inner, part, sizes, _srid = self._head()
            if part != kind - _MULTI:
                raise ValueError(f"a geometry of kind {part} in one of kind {kind}")
            parts.append(self._coordinates(inner, part, sizes))
        return b"[%b]" % b",".join(parts)

    def _points(self, order: str, count: int, dimensions: tuple[int, int]) -> bytes:
        """Positions without brackets around all; an empty point is one of NaN."""
        stored, shown = dimensions
        if count * stored * 8 > len(self._data) - self._place:
            raise ValueError("more points than bytes")
        values = self._take(f"{order}{count * stored}d")
        if count == 1 and all(math.isnan(value) for value in values):
            return b""
        if not all(map(math.isfinite, values)):
            raise ValueError("a coordinate that JSON has no number for")
        parts = (values[part::stored] for part in range(shown))
        return _WHOLE.sub(b"", orjson.dumps(list(zip(*parts, strict=True))))[1:-1]

    def _take(self, form: str) -> tuple[int, ...]:
        found = struct.unpack_from(form, self._data, self._place)
        self._place += struct.calcsize(form)
        return found
