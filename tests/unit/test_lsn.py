from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cdc_triggers.core import lsn


def test_an_lsn_is_the_number_of_bytes_before_it() -> None:
    assert lsn.parse("16/B374D848") == (0x16 << 32) + 0xB374D848
    assert lsn.show(lsn.parse("16/B374D848")) == "16/B374D848"
    assert lsn.parse("0/0") == lsn.ZERO


@given(st.integers(0, 2**64 - 1))
def test_every_lsn_survives_being_written_and_read(number: int) -> None:
    assert lsn.parse(lsn.show(lsn.Lsn(number))) == number


@pytest.mark.parametrize(
    "text",
    ["", "16", "16/", "/16", "16/1/1", "x/1", "123456789/0", "+1/0", "1_0/0", " 1/0", "1/0\n"],
)
def test_what_is_not_an_lsn_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an LSN"):
        lsn.parse(text)
