"""What clients ask for and cannot have is refused before it comes near the machine."""

from __future__ import annotations

import math
from typing import Any

import pytest

from emulators.acts import checked
from emulators.works.tree import trees
from plc_interfaces.host import Act, ActKind
from twin.signals import Component, Refused, SignalTable

ORDER = "Orders.AddOrder"


@pytest.fixture(scope="module")
def table() -> SignalTable:
    plant, controller = trees()
    return SignalTable(plant, controller, Component())


@pytest.mark.parametrize("wrong", [math.nan, math.inf, -math.inf])
def test_no_act_that_a_journal_cannot_hold(table: SignalTable, wrong: float) -> None:
    with pytest.raises(Refused, match="due takes a finite number, not") as order:
        checked(Act(ActKind.CALL, ORDER, ["bracket", 1, wrong]), table, False)
    with pytest.raises(Refused, match="finite number") as shelf:
        checked(Act(ActKind.SHELVE, "Alarms.OrderLate", wrong), table, False)
    assert order.value.code == shelf.value.code == "range"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["bracket", 1], "takes 3 arguments"),
        (["bracket", "x", 10.0], "quantity takes int"),
        (["bracket", True, 10.0], "quantity takes int"),
        (["bracket" * 100, 1, 10.0], "product takes at most 256 bytes"),
        (["brack\x00et", 1, 10.0], "product takes printable text"),
    ],
)
def test_arguments_of_another_kind(
    table: SignalTable, arguments: list[Any], named: str
) -> None:
    with pytest.raises(Refused, match=named):
        checked(Act(ActKind.CALL, ORDER, arguments), table, False)
