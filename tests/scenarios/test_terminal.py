"""Summaries on a terminal: what somebody has to type again is never cut."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from scenarios.terminal import show

TEXT = """# Heat: finished

- rods: 4 of 4

## Lots

| id | store | kg | status |
|-|---|---:|-|
| ATOMIZER-01-lot-0003 | Ti64 15-53 [a] | 1,234.500 | released |
| **total** | | 1,234.500 | |

`amtwin lot ID` tells more.
"""


@pytest.mark.parametrize("width", [30, 50, 80])
def test_no_cell_is_cut(width: int) -> None:
    out = io.StringIO()
    show(Console(file=out, width=width), TEXT)
    told = out.getvalue()
    for word in ("ATOMIZER-01-lot-0003", "Ti64", "15-53", "[a]", "1,234.500", "released", "total",
                 "rods: 4 of 4", "amtwin lot ID"):
        assert word in told
    assert "…" not in told
    assert "|" not in told
