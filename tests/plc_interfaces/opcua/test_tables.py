"""Tables and orders made out of what others send."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plc_interfaces.opcua.jobs import Order, read_orders
from plc_interfaces.tables import table_of
from twin.signals import Kind, Signal
from twin.units import unit

names = st.from_regex(r"[A-Z][A-Za-z0-9]{0,8}", fullmatch=True)
components = st.lists(names, min_size=0, max_size=3)


def signal(path: str) -> Signal:
    return Signal(Kind.MEASURED, float, unit("mbar"), 0.0, 10.0, 0.0, "pressure", path=path)


@given(st.lists(st.tuples(components, names), min_size=1, max_size=20))
def test_a_table_has_the_signals_it_is_made_of(parts: list[tuple[list[str], str]]) -> None:
    folders = {".".join(c[:i]) for c, _ in parts for i in range(1, len(c) + 1)}
    paths = {".".join([*c, leaf]) for c, leaf in parts} - folders
    table = table_of(signal(path) for path in sorted(paths))
    assert set(table) == paths
    for path in paths:
        assert table[path].path == path
        assert table[path].unit is unit("mbar")


@given(
    st.lists(
        st.builds(
            Order, st.text(max_size=10), st.text(max_size=10), st.integers(1, 6), st.integers(0, 3)
        )
    )
)
def test_orders_are_read_as_they_were_written(orders: list[Order]) -> None:
    text = json.dumps(
        [
            {"id": o.id, "program": o.program, "state": o.state, "substate": o.substate}
            for o in orders
        ]
    )
    assert read_orders(text) == orders


def test_no_orders() -> None:
    assert read_orders("") == []


@pytest.mark.parametrize("text", ["{", "5", '["A"]', '[{"id": "A"}]', '{"id": "A"}'])
def test_orders_of_another_shape_are_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"Job.Orders must be a JSON list"):
        read_orders(text)
