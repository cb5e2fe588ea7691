"""The settled LSN is exactly what a list of transactions says it is."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cdc_triggers.core.ledger import Ledger, TxnId
from cdc_triggers.core.lsn import Lsn

sizes = st.lists(st.integers(0, 3), max_size=12)


@settings(derandomize=True, deadline=None)
@given(sizes=sizes, data=st.data())
def test_settled_is_the_end_of_the_last_transaction_with_nothing_open_up_to_it(
    sizes: list[int], data: st.DataObject
) -> None:
    ledger = Ledger(Lsn(5))
    open_counts: list[int] = []
    for number, size in enumerate(sizes, 1):
        txn = ledger.begin(float(number))
        for _ in range(size):
            ledger.open(txn)
        ledger.commit(txn, Lsn(number * 10), number)
        open_counts.append(size)
        if data.draw(st.booleans(), label="settle now"):
            settle_some(ledger, open_counts, data)
        check(ledger, open_counts)
    while any(open_counts):
        settle_some(ledger, open_counts, data)
        check(ledger, open_counts)
    assert ledger.settled == ledger.received
    assert ledger.oldest_since is None


def settle_some(ledger: Ledger, open_counts: list[int], data: st.DataObject) -> None:
    choices = [index for index, count in enumerate(open_counts) if count]
    if choices:
        index = data.draw(st.sampled_from(choices), label="transaction")
        count = data.draw(st.integers(1, open_counts[index]), label="count")
        ledger.settle(TxnId(index + 1), count)
        open_counts[index] -= count


def check(ledger: Ledger, open_counts: list[int]) -> None:
    before = ledger.confirmed
    prefix = next((i for i, count in enumerate(open_counts) if count), len(open_counts))
    assert ledger.settled == (prefix * 10 or 5)
    assert ledger.unsettled == len(open_counts) - prefix
    assert before <= ledger.confirm() == ledger.confirmed <= ledger.settled <= ledger.received
    oldest = float(prefix + 1) if prefix < len(open_counts) else None
    assert ledger.oldest_since == oldest


@given(server=st.integers(0, 100), open_now=st.booleans())
def test_a_keepalive_settles_only_while_nothing_is_on_its_way(server: int, open_now: bool) -> None:  # noqa: FBT001 - drawn
    ledger = Ledger(Lsn(50))
    if open_now:
        ledger.begin(0.0)
    ledger.idle(Lsn(server))
    assert ledger.settled == (50 if open_now else max(50, server))
    assert ledger.settled <= ledger.received


def test_a_transaction_that_still_arrives_does_not_settle() -> None:
    ledger = Ledger()
    txn = ledger.begin(0.0)
    ledger.open(txn)
    ledger.settle(txn)
    assert (ledger.settled, ledger.unsettled) == (0, 1)
    ledger.commit(txn, Lsn(9), 77)
    assert (ledger.settled, ledger.settled_commit_us, ledger.unsettled) == (9, 77, 0)
