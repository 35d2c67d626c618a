"""The genealogy of a powder lot as a picture, from the melt to the part."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import networkx as nx

from scenarios.pictures import new_figure, save_figure
from twin.powder.genealogy import Genealogy

__all__ = ["draw_genealogy"]

COLOURS = {"powder": "#cfe3f5", "part": "#f8cfc0", "green part": "#f8cfc0", "supplied": "#e8e8e8",
           "charge": "#fdf0c4", "rod": "#fdf0c4"}
OTHER = "#f2f2f2"
MOST = 36
"""Boxes in one picture: what gave most to a thing, and what became of it, the nearest first."""
LEAST = 0.03
"""Share of what a box was made of below which a reduced picture has no arrow."""


def _chosen(genealogy: Genealogy, identity: str) -> tuple[Any, int]:
    """The graph around a thing, and how many lots and items there are in all.

    Where they are too many, what lies between is left out and the arrows lead past it, so that a
    part of a works is still seen to come of a melt.
    """
    share = genealogy.contributions(identity)
    after = nx.single_source_shortest_path_length(genealogy.graph, identity)
    graph = genealogy.graph.subgraph({identity, *share, *after}).copy()
    total = len(graph)
    if total <= MOST:
        return graph, total
    for node in [n for n in graph if n != identity]:
        if graph.in_degree(node) == graph.out_degree(node) == 1:
            _pass_by(graph, node)  # A step of working up: one lot in, one lot out.
    back = nx.single_source_shortest_path_length(graph.reverse(copy=False), identity)
    order = sorted(graph, key=lambda n: (-round(share.get(n, 0.0), 9),
                                         back.get(n, after.get(n, 0)), n))
    origins = [n for n in order if n in share and not graph.in_degree(n)][:MOST // 4]
    between = [n for n in order if n in share and n not in origins][:MOST // 2 - len(origins)]
    before = [*origins, *between]
    later = [n for n in order if n not in share and n != identity][:MOST - len(before) - 1]
    for node in sorted(set(graph) - {identity, *before, *later},
                       key=lambda n: (graph.in_degree(n) * graph.out_degree(n), n)):
        _pass_by(graph, node)
    whole = {node: sum(m for _, _, m in graph.in_edges(node, data="mass")) for node in graph}
    graph.remove_edges_from([(one, other) for one, other, mass in graph.edges(data="mass")
                             if mass < LEAST * whole[other]])
    graph.remove_nodes_from([node for node in list(nx.isolates(graph)) if node != identity])
    return graph, total


def _pass_by(graph: Any, node: str) -> None:
    """Take a node out; what went into it goes on in proportion to what came out of it."""
    ins, outs = list(graph.in_edges(node, data=True)), list(graph.out_edges(node, data=True))
    whole = sum(data["mass"] for _, _, data in ins)
    graph.remove_node(node)
    for one, _, into in ins:
        for _, other, out in outs:
            if one == other or not whole > 0.0:
                continue
            words = f"{into['operation']}, {out['operation']}".strip(", ").split(", ")
            known = graph.get_edge_data(one, other, {"mass": 0.0, "operation": ""})
            graph.add_edge(one, other, mass=known["mass"] + into["mass"] / whole * out["mass"],
                           operation=known["operation"] or ", ".join([*dict.fromkeys(words)][-3:]))


def _layers(graph: Any) -> dict[str, int]:
    """Column of each node: the longest way from an origin, rings opened."""
    order: Any = nx.condensation(graph)
    depth: dict[int, int] = {}
    for node in nx.topological_sort(order):
        depth[node] = max((depth[p] + 1 for p in order.predecessors(node)), default=0)
    return {name: depth[group] for name, group in order.graph["mapping"].items()}


def _rows(graph: Any, column: dict[str, int]) -> dict[str, tuple[float, float]]:
    """Places: columns from left to right, in each the order of the neighbours' mean height."""
    place: dict[str, tuple[float, float]] = {}
    for number in range(max(column.values()) + 1):
        mine = sorted(node for node in graph if column[node] == number)

        def height(node: str) -> tuple[float, str]:
            above = [place[p][1] for p in graph.predecessors(node) if p in place]
            return -sum(above) / len(above) if above else 0.0, node

        mine.sort(key=height)
        for row, node in enumerate(mine):
            place[node] = (float(number), (len(mine) - 1) / 2.0 - row)
    return place


def draw_genealogy(genealogy: Genealogy, identity: str, file: Path) -> None:
    """Draw what something came of and what became of it; `PictureError` if it cannot be written.

    Boxes are lots and items with their masses, arrows what was taken of one for another; the
    wider, the more.
    """
    graph, total = _chosen(genealogy, identity)
    place = _rows(graph, _layers(graph))
    columns = max(x for x, _ in place.values()) + 1
    rows = max(abs(y) for _, y in place.values()) * 2 + 1
    wide = 2.6 if columns <= 8 else 1.8
    figure = new_figure(max(wide * columns + 0.6, 5.0), max(0.75 * rows + 0.8, 3.0))
    axes = figure.subplots()
    axes.set_axis_off()
    axes.set_xlim(-0.6, columns - 0.4)
    axes.set_ylim(-rows / 2 - 0.3, rows / 2 + 0.3)
    most = max((d["mass"] for _, _, d in graph.edges(data=True)), default=0.0) or 1.0
    for start, end, data in graph.edges(data=True):
        axes.annotate("", place[end], place[start], arrowprops={
            "arrowstyle": "-|>", "color": "#707070", "shrinkA": 34.0 if wide > 2 else 26.0,
            "shrinkB": 38.0 if wide > 2 else 30.0,
            "linewidth": 0.6 + 2.4 * (data["mass"] / most) ** 0.5})
        if place[end][0] - place[start][0] > 1.0 and len(graph) < total:
            continue  # Its words would lie on what it leads past.
        middle = [0.5 * (a + b) for a, b in zip(place[start], place[end], strict=True)]
        axes.text(middle[0], middle[1] + 0.08, f"{data['operation']}\n{data['mass']:.3g} kg",
                  ha="center", va="bottom", fontsize=5.5, color="#505050")
    for node, (x, y) in place.items():
        about = genealogy.describe(node)
        text = f"{node}\n{about['kind']} {about['alloy']}\n{about['mass']:.3g} kg"
        axes.text(x, y, text, ha="center", va="center", fontsize=6.5, bbox={
            "boxstyle": "round,pad=0.35", "facecolor": COLOURS.get(about["kind"], OTHER),
            "edgecolor": "#c03020" if node == identity else "#505050",
            "linewidth": 1.8 if node == identity else 0.7})
    which = f"; the {len(graph)} of {total} that matter most" if len(graph) < total else ""
    axes.set_title(f"{identity}: from left to right what it came of and what became of it{which}",
                   fontsize=8)
    save_figure(figure, file)
