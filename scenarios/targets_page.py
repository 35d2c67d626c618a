"""`amtwin targets`: the plan's targets as a table, JSON lines or a page, assumptions printed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import typer
from rich.console import Console
from rich.table import Table

from scenarios.targets import FIGURES, Assumption, Plan, Result, Target, compute, load_plan

__all__ = ["page", "show_targets", "verdict"]

COMMAND: Final = "amtwin targets --write docs/powder-targets.md"


def verdict(result: Result, target: Target) -> str:
    """`met: 12 of 10` or `not met: 1.4 of 10`."""
    ratio = result.ratio(target.figure)
    return f"{'met' if ratio >= target.ratio else 'not met'}: {ratio:.2g} of {target.ratio:g}"


def _assumptions(plan: Plan) -> Iterator[tuple[str, Assumption]]:
    for group in (plan.prices, plan.quality):
        for name in type(group).model_fields:
            yield name, getattr(group, name)
    for case in plan.case:
        for name in ("price", "attended", "changeover", "feed", "remelt"):
            yield f"{case.name}: {name}", getattr(case, name)


def record(result: Result, plan: Plan) -> dict[str, Any]:
    """A case as a JSON object."""
    case = result.case
    return {
        "case": case.name, "machine": case.machine, "recipe": case.recipe, "why": case.why,
        "changes": {"baseline": case.baseline, "improved": case.improved},
        "figures": {name: {
            "unit": unit, "baseline": float(f"{result.baseline.figure(name):.6g}"),
            "improved": float(f"{result.improved.figure(name):.6g}"),
            "ratio": float(f"{result.ratio(name):.4g}")} for name, (_, unit, _) in FIGURES.items()},
        "hours": [result.baseline.hours, result.improved.hours],
        "held_hours": [result.baseline.held, result.improved.held],
        "most_productivity": float(f"{result.ceiling:.4g}"),
        "cost_shares": [dict(result.baseline.shares), dict(result.improved.shares)],
        "targets": {t.name: {"ratio": float(f"{result.ratio(t.figure):.4g}"), "target": t.ratio,
                             "met": result.ratio(t.figure) >= t.ratio} for t in plan.target},
    }


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rows(result: Result) -> Iterator[tuple[str, str, str, str]]:
    for name, (title, unit, counts) in FIGURES.items():
        told = f"{title}, {unit}" + (f" ({counts})" if counts else "")
        yield (told, f"{result.baseline.figure(name):.4g}", f"{result.improved.figure(name):.4g}",
               f"{result.ratio(name):.2f}")


def _changes(changes: dict[str, Any]) -> str:
    return ", ".join(f"`{path}` {value}" for path, value in changes.items()) or "as packaged"


def page(results: Sequence[Result], plan: Plan) -> str:
    """The comparison as a page of Markdown."""
    quality = plan.quality
    lines = [
        "# The plan's targets for powder, computed by the twin", "",
        f"Written by `{COMMAND}`. Each machine runs two recipes from loading to discharge: a "
        "baseline and an improved one. Time counts everything: preparation, pump-down, cooling, "
        "holds, discharge, and a changeover per job. Powder counts when it is discharged and not "
        f"on hold; the cut is {quality.low.value:g} to {quality.high.value:g} µm by mass, an ideal "
        "one; losses of sieving and blending are not in it.", "",
        "*Defect-less* is powder of the cut less hollow, satellite-bearing and irregular grains, "
        "taken as independent. *Low-hollow* is that of the size classes with at most "
        f"{quality.hollow.value:.0%} hollow grains.", "",
        "The twin's constants are defaults where no measurement sets them, and so are all prices: "
        "ratios say what the models and these assumptions give, not what a machine has shown.", "",
        "## Targets", "", _line(("case", *(t.name for t in plan.target), "most productivity")),
        _line(("---", *("---" for _ in plan.target), "---:"))]
    lines += [_line((r.case.name, *(verdict(r, t) for t in plan.target), f"{r.ceiling:.1f}"))
              for r in results]
    lines += ["", *(f"- {t.name}: {t.says}." for t in plan.target),
              "- Most productivity: the ratio if feedstock were all that costs and all of it came "
              "out in the cut. Below the target, no recipe can meet it against this baseline at "
              "these prices.",
              "- Build rate, productivity of parts, detection of defects and recipe development "
              "are targets too; this page is about powder and does not compute them.", ""]
    for result in results:
        case = result.case
        lines += [f"## {case.name}", "",
                  f"`{case.machine}`, recipe {case.recipe}. Improved by {case.why}.", "",
                  f"- baseline: {_changes(case.baseline)}",
                  f"- improved: {_changes(case.improved)}", "",
                  _line(("figure", "baseline", "improved", "ratio")),
                  _line(("---", "---:", "---:", "---:")), *map(_line, _rows(result)), "",
                  _line(("cost of a job, EUR", *result.baseline.shares, "sum")),
                  _line(("---", *("---:" for _ in range(len(result.baseline.shares) + 1))))]
        for kind, outcome in (("baseline", result.baseline), ("improved", result.improved)):
            lines.append(_line((f"{kind}, {outcome.hours:.1f} h, {outcome.held:.1f} h of it held",
                                *(f"{round(v)}" for v in outcome.shares.values()),
                                f"{outcome.cost:.0f}")))
        lines.append("")
    lines += ["## Assumptions", "", _line(("figure", "value", "unit", "source")),
              _line(("---", "---:", "---", "---"))]
    lines += [_line((name, f"{a.value:g}", a.unit, a.source)) for name, a in _assumptions(plan)]
    return "\n".join(lines) + "\n"


def _tables(results: Sequence[Result], plan: Plan) -> Iterator[Table]:
    for result in results:
        table = Table(title=result.case.name, title_justify="left")
        for head in ("figure", "baseline", "improved", "ratio"):
            table.add_column(head, justify="left" if head == "figure" else "right")
        for row in _rows(result):
            table.add_row(*row)
        for target in plan.target:
            met = result.ratio(target.figure) >= target.ratio
            table.add_row(target.name, "", "",
                          f"[{'green' if met else 'yellow'}]{verdict(result, target)}[/]")
        yield table
    table = Table(title="assumptions", title_justify="left")
    for head in ("figure", "value", "unit", "source"):
        table.add_column(head, justify="right" if head == "value" else "left")
    for name, a in _assumptions(plan):
        table.add_row(name, f"{a.value:g}", a.unit, a.source)
    yield table


def show_targets(baseline: Path | None, cases: Sequence[str], as_json: bool, file: Path | None
                 ) -> None:
    """Compute and print the targets, or write their page.

    Raises `TargetError`, OSError if the file cannot be written, and what building machines raises.
    """
    plan = load_plan(baseline)
    quiet = as_json or file is not None
    results = compute(plan, cases, progress=(lambda text: None) if quiet else
                      (lambda text: typer.echo(f"running {text} …", err=True)))
    if file is not None:
        file.write_text(page(results, plan), encoding="utf-8")
    elif as_json:
        for result in results:
            typer.echo(json.dumps(record(result, plan), ensure_ascii=False))
    else:
        console = Console(highlight=False)
        for table in _tables(results, plan):
            console.print(table)
