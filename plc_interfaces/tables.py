"""Signal tables of machines that are known by their signals' paths only."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from twin.signals import Component, Signal, SignalTable

__all__ = ["table_of"]


def table_of(signals: Iterable[Signal]) -> SignalTable:
    """A signal table of loose signals, in an order that keeps components together."""
    root: dict[str, Any] = {}
    for signal in signals:
        *names, last = signal.path.split(".")
        node = root
        for name in names:
            node = node.setdefault(name, {})
        node[last] = signal

    def build(node: dict[str, Any]) -> Component:
        own = {n: replace(s, attribute=n) for n, s in node.items() if isinstance(s, Signal)}
        component: Component = type("Component", (Component,), own)()
        for name, child in node.items():
            if not isinstance(child, Signal):
                component.add(name, build(child))
        return component

    return SignalTable(build(root))
