"""Where powder came from and where it went: lots, charges, rods and parts as a graph.

Nodes are lots and items; an edge from A to B says that an operation took A and made B, with the
mass that it took of A. An operation's inputs are shared among its outputs by their masses.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import networkx as nx

from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation

__all__ = ["Genealogy"]


class Genealogy:
    """The graph of some operations; `networkx` holds it, as ``graph``."""

    def __init__(self, operations: Iterable[Operation]) -> None:
        self.graph: Any = nx.DiGraph()
        self.things: dict[str, PowderLot | Item] = {}
        """The newest state of everything that an operation made."""
        self.made: dict[str, list[Operation]] = {}
        """The operations that made something, oldest first."""
        self.used: dict[str, list[Operation]] = {}
        """The operations that took of something, oldest first."""
        for operation in sorted(operations, key=lambda op: op.time):
            self._add(operation)

    def _add(self, operation: Operation) -> None:
        graph = self.graph
        inputs = {draw.id: draw for draw in operation.inputs}
        made = [out for out in operation.outputs if out.id not in inputs]
        for out in operation.outputs:
            self.things[out.id] = out
            if out.id not in inputs:
                self.made.setdefault(out.id, []).append(operation)
        # What comes out under its own id went in and stayed itself: no more was taken of it.
        stays = {out.id: out.mass for out in operation.outputs if out.id in inputs}
        whole = sum(out.mass for out in made)
        for draw in operation.inputs:
            self.used.setdefault(draw.id, []).append(operation)
            taken = max(draw.mass - stays.get(draw.id, 0.0), 0.0)
            graph.add_node(draw.id)
            for out in made:
                share = taken * out.mass / whole if whole else 0.0
                known = graph.get_edge_data(draw.id, out.id, {"mass": 0.0})
                graph.add_edge(draw.id, out.id, mass=known["mass"] + share,
                               operation=operation.name, machine=operation.machine,
                               time=operation.time)
        for out in made:
            graph.add_node(out.id)
        # A lot knows its parents even where the operation that divided it was not recorded.
        for out in operation.outputs:
            if isinstance(out, PowderLot):
                for parent in out.parents:
                    if parent not in inputs and parent != out.id and \
                            not graph.has_edge(parent, out.id):
                        graph.add_edge(parent, out.id, mass=out.mass, operation="", machine="",
                                       time=out.made_at)

    def __contains__(self, identity: str) -> bool:
        return identity in self.graph

    def ids(self) -> list[str]:
        """All ids, in the order in which they were first told of."""
        return list(self.graph)

    def parents(self, identity: str) -> dict[str, float]:
        """What something was made from: kg taken of each for it."""
        return {parent: float(self.graph[parent][identity]["mass"])
                for parent in self.graph.predecessors(identity)}

    def children(self, identity: str) -> dict[str, float]:
        """What was made from something: kg taken of it for each."""
        return {child: float(self.graph[identity][child]["mass"])
                for child in self.graph.successors(identity)}

    def ancestors(self, identity: str) -> set[str]:
        """Everything that something came of; `KeyError` for an unknown id."""
        self._known(identity)
        found: set[str] = nx.ancestors(self.graph, identity)
        return found

    def descendants(self, identity: str) -> set[str]:
        """Everything that came of something; `KeyError` for an unknown id."""
        self._known(identity)
        found: set[str] = nx.descendants(self.graph, identity)
        return found

    def _known(self, identity: str) -> None:
        if identity not in self.graph:
            raise KeyError(identity)

    def contributions(self, identity: str) -> dict[str, float]:
        """Share by mass that each ancestor has in something, and each origin to 1 in all.

        An operation mixes: each of its outputs holds its inputs in proportion to what was taken.
        `KeyError` for an unknown id.
        """
        self._known(identity)
        within = self.graph.subgraph({identity, *self.ancestors(identity)})
        share: dict[str, float] = {identity: 1.0}
        # From the thing back to its origins; every child comes before its parents.
        for node in reversed(self._ordered(within)):
            mine = share.get(node, 0.0)
            above = {p: float(within[p][node]["mass"]) for p in within.predecessors(node)}
            whole = sum(above.values())
            for parent, mass in above.items():
                part = mass / whole if whole else 1.0 / len(above)
                share[parent] = share.get(parent, 0.0) + mine * part
        share.pop(identity)
        return share

    @staticmethod
    def _ordered(graph: Any) -> list[str]:
        # Powder that went round in a store under one id may close a ring: break it by time.
        if nx.is_directed_acyclic_graph(graph):
            return list(nx.topological_sort(graph))
        first = {node: min((d["time"] for _, _, d in graph.in_edges(node, data=True)), default=-1.0)
                 for node in graph}
        return sorted(graph, key=lambda node: first[node])

    def origins(self, identity: str) -> dict[str, float]:
        """Shares of what nothing recorded came before: charges, rods, bought lots."""
        found = self.contributions(identity)
        return {name: share for name, share in found.items()
                if not list(self.graph.predecessors(name))}

    def describe(self, identity: str) -> Mapping[str, Any]:
        """What is known of a node, for a tree or picture: kind, alloy, mass (kg)."""
        thing = self.things.get(identity)
        if isinstance(thing, PowderLot):
            return {"kind": "powder", "alloy": thing.alloy, "mass": thing.mass,
                    "status": thing.status, "cycle": thing.cycle, "origin": thing.origin}
        if isinstance(thing, Item):
            return {"kind": thing.kind, "alloy": thing.alloy, "mass": thing.mass}
        mass = sum(draw.mass for draw in self._drawn(identity))
        return {"kind": "supplied", "alloy": "", **self.supplied(identity), "mass": mass}

    def _drawn(self, identity: str) -> list[Draw]:
        return [draw for op in self.used.get(identity, ()) for draw in op.inputs
                if draw.id == identity]

    def supplied(self, identity: str) -> Mapping[str, Any]:
        """What those who took of something tell of it, the last word first: it came from outside.

        Kind, alloy and more; nothing if nobody tells.
        """
        told = [draw.about for draw in self._drawn(identity) if draw.about]
        return told[-1] if told else {}
