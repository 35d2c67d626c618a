"""`amtwin validate`: the machines' physics against published figures, as tables, JSON or a page."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from twin.physics.checks import CHECKS, Check, Found

__all__ = ["MACHINES", "Row", "compare", "page", "validate_processes"]

COMMAND: Final = "amtwin validate --write docs/process-validation.md"
MACHINES: Final = tuple(dict.fromkeys(check.machine for check in CHECKS))
"""Machines that have check values."""

_MEANING: Final = (
    "A *verification* compares with a figure that follows from the same formula, or that a "
    "constant of the model was set with: it shows that the formula is computed right, not that it "
    "is right. A *validation* compares with a figure that somebody measured and that set no "
    "constant of the model. A *miss* deviates by more than is allowed for the figure; its size is "
    "known and tested, so that it can neither grow nor vanish unseen."
)
SUMMED_UP: Final[Mapping[str, str]] = {
    "pbf-eb": "Of tracks, how the depth grows with the power is right; the width with "
              "the power and the depth with the speed are not, and beam and preheat of these "
              "tracks had to be assumed. No measured rate of smoke or of aluminium lost is "
              "compared: of smoke only directions are known.",
    "ded-powder": "Heights follow feed and speed, slow beads come out too high. Widths and the "
                  "area of the pool do not follow the power: too narrow at low, too wide at high "
                  "power, as the closed forms of the melt pool have it.",
    "ded-wire-laser": "Little is tested: all measured figures are of one source, of which one "
                      "point set the stick-out. The current goes with the root of the feed and the "
                      "published feed can be melted; beads under wide spots come out too narrow.",
    "ded-arc": "Solid wire is right within the charts' scatter. Cored wire melts faster than a "
               "solid wire's model says, by up to 17 % at high current. A faster travel narrows "
               "beads more than the model has it.",
    "binder-jet": "Evaporation is right. How drops soak in and join to lines rests on simple "
                  "capillaries: two measured powers are not met, both of other drops or powders.",
    "sinter-furnace": "The end of sintering is fitted, its beginning is wrong: below 1300 °C the "
                      "one activation energy is far above the measured ones, and two branches do "
                      "worse. The shrinkage of another laboratory is met only with a green "
                      "density that it does not tell.",
    "prep": "Few measured figures are to be had, and none tells both rod and power: middles of "
            "measured size bands are met to 6 % with a rod that was assumed; that the band "
            "narrows at lower speed is not, as the spread does not depend on speed. No measured "
            "figure for tungsten, tantalum or a nickel alloy is compared.",
    "gas-atomizer": "Medians that set the nozzles' constants are met by construction; others of "
                    "316L agree to 3 %. The size follows the gas-to-metal ratio too weakly, most "
                    "of all over wide ranges, and powder of 15 to 45 µm flows better than "
                    "measured.",
    "recycling-line": "Exposure of powder and oxygen at one rate of ageing are right; after a "
                      "blend the measured powder ages faster. Separation recovers more than was "
                      "found with millimetre grains, and nothing measured on powder is known.",
    "spheroidizer": "Shares that become round are right where plasma and feed could be assumed "
                    "within their usual range. How much smaller strongly heated steel gets is not: "
                    "a half to a fifth of the published shrinkage, as molten particles do not "
                    "break up in the model; that a strong flame makes far more fines is right.",
    "powder": "Oxygen over uses is right as long as powder ages at one rate. After a blend the "
              "measured powder ages faster than the model's, which is 9 and 13 % low then.",
}
"""By machine, what its misses come to."""
_HEADS: Final = ("quantity", "published", "ours", "deviation", "verdict", "source", "remark")
_WIDE = 140
"""Columns of a terminal that holds the whole table."""


class Row:
    """One check and what came of it."""

    def __init__(self, check: Check, found: Found) -> None:
        self.check, self.found = check, found
        self.known = check.as_known(found)
        """Whether the outcome is the one that is told of the check."""

    @property
    def verdict(self) -> str:
        """`ok`, `miss`, or `not as known` where something has changed."""
        if not self.known:
            return "not as known"
        return "ok" if self.found.hit else "miss"

    @property
    def deviation(self) -> str:
        """The deviation as text; empty where a bound is kept."""
        check, off = self.check, self.found.deviation
        if check.bound and self.found.hit:
            return ""
        if check.absolute:
            return f"{off:+.2g} {check.unit}".removesuffix(" 1")
        return f"{100 * off if abs(off) >= 5e-4 else 0.0:+.1f} %".replace("+0.0", "0.0")

    def cells(self) -> tuple[str, ...]:
        """Texts of a line of a table, below `quantity`, `published` and so on."""
        check = self.check
        sign = {"at least": "≥ ", "at most": "≤ "}.get(check.bound, "")
        around = f" ± {check.uncertainty:.2g}" if check.uncertainty else ""
        unit = "" if check.unit == "1" else f" {check.unit}"
        return (check.quantity, f"{sign}{_figure(check.published)}{around}{unit}",
                f"{_figure(self.found.value)}{unit}", self.deviation, self.verdict,
                str(check.source), check.why)

    def record(self) -> dict[str, Any]:
        """Everything as a JSON object; `allowed` and `deviation` in `unit` where absolute."""
        check, found = self.check, self.found
        return {
            "machine": check.machine, "quantity": check.quantity, "kind": check.kind,
            "source": check.source.author, "year": check.source.year, "where": check.source.where,
            "published": check.published, "uncertainty": check.uncertainty, "unit": check.unit,
            "bound": check.bound or None, "computed": float(f"{found.value:.6g}"),
            "deviation": float(f"{found.deviation:.4g}"), "absolute": check.absolute,
            "allowed": check.allowed, "known_miss": check.miss, "verdict": self.verdict,
            "why": check.why,
        }


def _figure(value: float) -> str:
    return f"{value:.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def compare(machines: Sequence[str] = MACHINES) -> list[Row]:
    """Every check of these machines, computed now."""
    return [Row(check, check.find()) for check in CHECKS if check.machine in machines]


def _of(rows: Sequence[Row], machine: str, kind: str) -> list[Row]:
    return [row for row in rows if (row.check.machine, row.check.kind) == (machine, kind)]


def _counts(rows: Sequence[Row], machine: str) -> Mapping[str, tuple[int, int]]:
    """How many checks and misses of each kind."""
    found = {kind: _of(rows, machine, kind) for kind in ("verification", "validation")}
    return {kind: (len(some), sum(row.verdict != "ok" for row in some))
            for kind, some in found.items()}


def _tables(rows: Sequence[Row], width: int) -> Iterator[Table]:
    """A table per machine; a narrow one leaves sources and remarks to the page."""
    heads = _HEADS if width >= _WIDE else _HEADS[:5]
    for machine in dict.fromkeys(row.check.machine for row in rows):
        table = Table(title=machine, title_justify="left", show_lines=False)
        table.add_column("kind")
        for head in heads:
            right = head in ("published", "ours", "deviation")
            table.add_column(head, justify="right" if right else "left", overflow="fold")
        for row in rows:
            if row.check.machine == machine:
                colour = {"ok": "green", "miss": "yellow"}.get(row.verdict, "red")
                cells = list(row.cells())
                cells[4] = f"[{colour}]{cells[4]}[/]"
                # Remarks of what agrees are on the page; here they would drown the figures.
                cells[6] = "" if row.verdict == "ok" else cells[6]
                table.add_row(row.check.kind, *cells[: len(heads)])
        yield table


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def page(rows: Sequence[Row]) -> str:
    """The comparison as a page of Markdown."""
    machines = list(dict.fromkeys(row.check.machine for row in rows))
    lines = [
        "# The machines' physics against published figures", "",
        f"Written by `{COMMAND}`. Melt pools of the laser machine have a page of their own: "
        "[melt pools against measurements](meltpool-validation.md).", "", _MEANING, "",
        "Where a source does not tell what a model needs, the remark says what is assumed; a bound "
        "(≥, ≤) is kept or not and has no deviation.", "", "## Summary", "",
        _line(("machine", "verifications", "of them missed", "validations", "of them missed")),
        _line(("---", *("---:",) * 4)),
    ]
    for machine in machines:
        counts = _counts(rows, machine)
        lines.append(_line((machine, *(
            str(n) for kind in ("verification", "validation") for n in counts[kind]))))
    lines += ["", "## Misses"]
    for machine in machines:
        lines += ["", f"**{machine}.** {SUMMED_UP[machine]}", ""]
        for row in rows:
            if row.check.machine == machine and row.verdict != "ok":
                quantity, published, ours, off, *_ = row.cells()
                lines.append(f"- {row.check.kind}: {quantity}: {published} published, {ours} ours, "
                             f"{off}")
    for machine in machines:
        for kind in ("verification", "validation"):
            some = _of(rows, machine, kind)
            if some:
                lines += ["", f"## {machine}: {kind}s", "", _line(_HEADS),
                          _line(("---", "---:", "---:", "---:", "---", "---", "---")),
                          *(_line(row.cells()) for row in some)]
    return "\n".join(lines).replace("\n\n\n", "\n\n") + "\n"


def validate_processes(machines: Sequence[str], as_json: bool, file: Path | None) -> bool:
    """Print the comparison, or write its page; whether every outcome is the one that is known.

    OSError if the file cannot be written.
    """
    rows = compare(machines)
    if file is not None:
        file.write_text(page(rows), encoding="utf-8")
    elif as_json:
        for row in rows:
            typer.echo(json.dumps(row.record(), ensure_ascii=False))
    else:
        console = Console(highlight=False)
        for table in _tables(rows, console.width):
            console.print(table)
        console.print(
            f"{len(rows)} figures, {sum(row.verdict == 'ok' for row in rows)} agree, "
            f"{sum(row.verdict == 'miss' for row in rows)} known misses")
    for row in rows:
        if not row.known:
            typer.echo(f"amtwin: {row.check.machine}, {row.check.quantity}: {row.verdict}, "
                       f"{row.deviation}", err=True)
    return all(row.known for row in rows)
