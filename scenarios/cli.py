"""The `amtwin` command."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from scenarios import meltpool
from scenarios.options import (
    DONE,
    FAILED,
    AsJson,
    AsObject,
    Machines,
    Page,
    Seed,
    Unit,
    refuse,
)
from scenarios.run_command import resumed_works, run

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Emulate metal additive manufacturing machines with real OPC UA and Modbus TCP ports.",
)

app.add_typer(meltpool.app, name="meltpool")


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


@app.command()
def machines() -> None:
    """List the machines that can be emulated."""
    from emulators.catalog import MACHINES

    for name, entry in MACHINES.items():
        typer.echo(f"{name:<16} {entry.title}")


@app.command()
def recipes(
    name: Annotated[str, typer.Argument(help="a recipe's name or file")] = "",
    machine: Annotated[
        str, typer.Option(help="machine type; its recipes only (default for a file: pbf-lb)")
    ] = "",
) -> None:
    """List the ready-made recipes, or every field of one with unit, range and source."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table

    from emulators.catalog import MACHINES
    from emulators.recipes import RecipeError, load_recipe, recipe_names

    if machine and machine not in MACHINES:
        refuse(f"no machine {machine!r}; there are: {', '.join(MACHINES)}")
    if not name:
        for each in [machine] if machine else MACHINES:
            typer.echo(f"{each:<16} {', '.join(recipe_names(each))}")
        return
    having = [each for each in MACHINES if name in recipe_names(each)]
    if len(having) > 1 and not machine:
        typer.echo(f"{name} for {having[0]}; with --machine also for {', '.join(having[1:])}",
                   err=True)
    try:
        rows = load_recipe(name, machine or (having or ["pbf-lb"])[0]).describe()
    except RecipeError as error:
        refuse(error)
    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("field", no_wrap=True, min_width=max(len(row.field) for row in rows))
    for title in ("value", "range", "meaning", "source"):
        table.add_column(title, overflow="fold")
    for row in rows:
        unit = "" if row.unit == "1" else row.unit
        table.add_row(row.field, f"{row.value} {unit}".rstrip(), row.range, row.doc, row.source)
    Console().print(table)


@app.command()
def signals(
    machine: str,
    form: Annotated[Format, typer.Option("--format", help="how to print the list")] = Format.TABLE,
    allocate: Annotated[
        bool, typer.Option(help="append rows for new signals to the register table")
    ] = False,
    external: Annotated[
        bool, typer.Option(help="roles as under external control (the client is the PLC)")
    ] = False,
    name: Annotated[
        str, typer.Option(help="what the machine is called, as node ids say; default: as a run "
                          "calls it")
    ] = "",
) -> None:
    """List every signal: path, kind, type, unit, range, node id, registers."""
    from emulators.catalog import MACHINES, SettingsError, signal_trees
    from emulators.publication import Simulation
    from plc_interfaces.allocation import allocate as append
    from plc_interfaces.mapping import render, signal_list
    from plc_interfaces.registers import RegisterMap, load_table
    from twin.signals import Component, SignalTable

    try:
        plant, controller = signal_trees(machine)
    except SettingsError as error:
        refuse(error)
    emulation = Component()
    emulation.add("Simulation", Simulation())
    table = SignalTable(plant, controller, emulation)
    if allocate:
        try:
            present = load_table(machine)
        except FileNotFoundError:
            present = RegisterMap([])
        grown, rows = append(table, present)
        path = grown.save(machine)
        typer.echo(f"{len(rows)} rows appended to {path}", err=True)
    usual = MACHINES[machine].name if machine in MACHINES else plant.name
    listed = signal_list(name or usual, table, load_table(machine), external)
    typer.echo(render(listed, form.value), nl=False)


app.command()(run)


@app.command()
def replay(
    run_folder: Annotated[Path, typer.Argument(help="run folder")],
    as_json: AsObject = False,
) -> None:
    """Run a recorded run again from seed and journal, and compare trace hashes."""
    from rich.progress import Progress

    from emulators.catalog import SettingsError
    from emulators.journal import JournalError
    from emulators.recipes import RecipeError
    from emulators.record import RecordError
    from emulators.runs import replay as again
    from twin.parts import PartError

    if resumed_works(run_folder):
        from emulators.works.runs import replay as again
    try:
        with Progress(transient=True, disable=as_json or not sys.stderr.isatty()) as bar:
            task = bar.add_task("replay", total=1.0)
            found = again(run_folder, lambda share: bar.update(task, completed=share))
    except (RecordError, JournalError, SettingsError, RecipeError, PartError) as error:
        refuse(error)
    result: dict[str, Any] = {
        "event": "replay",
        "same": found.same,
        "recorded": found.recorded,
        "replayed": found.replayed,
        "scan": found.scan,
        "notes": [*found.notes],
    }
    if as_json:
        typer.echo(json.dumps(result))
    else:
        verdict = "the same run" if found.same else "NOT the same run"
        typer.echo(
            f"{verdict}: recorded {found.recorded[:16]}…, replayed {found.replayed[:16]}… "
            f"up to scan {found.scan}"
        )
        for note in found.notes:
            typer.echo(f"note: {note}")
    raise typer.Exit(DONE if found.same else FAILED)


@app.command()
def lot(
    identity: Annotated[
        str,
        typer.Argument(
            metavar="ID", help="lot or part of a recorded run, ready-made lot, file, or RUN:ID"
        ),
    ],
    within: Annotated[Path, typer.Option(help="folder of runs to search, or one run")] = Path(
        "runs"
    ),
    as_json: AsObject = False,
    picture: Annotated[Path | None, typer.Option(help="draw the genealogy to this file")] = None,
) -> None:
    """Print a powder lot or a part: its state, what it came of and what became of it."""
    from emulators.lots import LotError
    from scenarios.lots import tell
    from scenarios.pictures import PictureError

    try:
        typer.echo(tell(identity, within, as_json, picture))
    except (LotError, PictureError) as error:
        refuse(error)


@app.command()
def fault(
    url: Annotated[str, typer.Argument(help="the instructor's endpoint, opc.tcp://…")],
    path: Annotated[str, typer.Argument(help="fault signal, or with --sensor a measured one")],
    value: Annotated[
        float, typer.Argument(help="size in the signal's unit; 1 and 0 for yes and no")
    ] = 1.0,
    sensor: Annotated[
        str | None,
        typer.Option(help="fault of a sensor: stuck, bias, scale, drift, noise, dropout; or clear"),
    ] = None,
    user: Annotated[str, typer.Option()] = "instructor",
    password: Annotated[str, typer.Option(envvar="AMTWIN_PASSWORD")] = "",
) -> None:
    """Break a running machine on purpose: a process fault, or a fault of a sensor."""
    import asyncio
    import logging

    from asyncua.ua.uaerrors import UaError

    from scenarios.faults import break_sensor, set_fault
    from twin.signals import Refused

    logging.getLogger("asyncua").setLevel(logging.CRITICAL)  # The one error is told below.
    try:
        if sensor is None:
            asyncio.run(set_fault(url, path, value, user, password))
        else:
            kind = None if sensor == "clear" else sensor
            asyncio.run(break_sensor(url, path, kind, value, user, password))
    except (Refused, UaError, OSError, ValueError) as error:
        refuse(f"{url}: {error}")


@app.command()
def compare(
    part: Annotated[str, typer.Option(help="part file (STL, 3MF) or example:NAME")],
    machines: Annotated[
        str, typer.Option(help="machine types, with commas between; default: all that build")
    ] = "",
    alloy: Annotated[str | None, typer.Option(help="alloy, where a machine has a recipe")] = None,
    recipe: Annotated[
        list[str] | None,
        typer.Option(help="MACHINE=FILE or MACHINE=NAME: that machine's recipe; several times"),
    ] = None,
    unit: Unit = None,
    seed: Seed = 0,
    as_json: AsJson = False,
) -> None:
    """Build the same part on all build machines and print what it takes on each."""
    from emulators.catalog import SettingsError
    from scenarios.comparing import comparable, run_comparison
    from twin.parts import PartError

    known = comparable()
    chosen = [name.strip() for name in machines.split(",") if name.strip()] or known
    recipes: dict[str, str] = {}
    for text in recipe or []:
        name, equals, file = text.partition("=")
        if not (equals and file):
            refuse(f"recipe takes MACHINE=FILE or MACHINE=NAME, not {text!r}")
        recipes[name] = file
    for name in (*chosen, *recipes):
        if name not in known:
            refuse(f"no build machine {name!r}; there are: {', '.join(known)}")
    try:
        code = run_comparison(part, dict.fromkeys(chosen), alloy, unit, recipes, seed, as_json)
    except (PartError, SettingsError, OSError) as error:
        refuse(error)
    raise typer.Exit(code)


@app.command()
def validate(
    machine: Machines = None,
    as_json: AsJson = False,
    write: Page = None,
) -> None:
    """Compare the machines' physics with published figures, misses included."""
    from scenarios.process_validation import MACHINES, validate_processes

    for name in machine or ():
        if name not in MACHINES:
            refuse(f"no check values of a machine {name!r}; there are some of: "
                    f"{', '.join(MACHINES)}")
    if write is not None and as_json:
        refuse("--json does not go with --write")
    try:
        known = validate_processes(machine or MACHINES, as_json, write)
    except OSError as error:
        refuse(error)
    raise typer.Exit(DONE if known else FAILED)


@app.command()
def targets(
    baseline: Annotated[
        Path | None, typer.Option(help="TOML with other baselines, prices or cases, field by field")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="name of a case; may be given several times")
    ] = None,
    as_json: AsJson = False,
    write: Page = None,
) -> None:
    """Compute the plan's targets for powder: improved recipes against a baseline, by the twin."""
    from emulators.catalog import SettingsError
    from emulators.recipes import RecipeError
    from scenarios.targets import TargetError
    from scenarios.targets_page import show_targets

    if write is not None and as_json:
        refuse("--json does not go with --write")
    try:
        show_targets(baseline, case or (), as_json, write)
    except (TargetError, RecipeError, SettingsError, OSError) as error:
        refuse(error)


@app.command()
def user(
    name: Annotated[str, typer.Argument(help="user name")],
    role: Annotated[
        str, typer.Option(help="observer, operator, engineer, securityadmin or instructor")
    ] = "operator",
    password: Annotated[
        str, typer.Option(envvar="AMTWIN_PASSWORD", prompt=True, hide_input=True)
    ] = "",
) -> None:
    """Add an OPC UA user, or give one a new password; running machines take it at once."""
    from plc_interfaces.home import home
    from plc_interfaces.opcua.security import SecurityError, Users

    path = home() / "users.toml"
    try:
        Users.create(path)
        Users.put(path, name, password, role)
    except (SecurityError, OSError) as error:
        refuse(error)
    typer.echo(f"{name} may log in as {role}; users are in {path}")


def main() -> None:
    """Entry point of the `amtwin` command."""
    app()


if __name__ == "__main__":
    main()
