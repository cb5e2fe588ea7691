"""Is the hot path of this installation compiled, or does it run as Python?"""

from __future__ import annotations

import importlib.util
from importlib.machinery import EXTENSION_SUFFIXES


def compiled() -> bool:
    """True if it is: `CDC_TRIGGERS_COMPILE` was set when the wheel was built."""
    found = importlib.util.find_spec("cdc_triggers.core.engine")
    assert found is not None
    return (found.origin or "").endswith(tuple(EXTENSION_SUFFIXES))
