"""The `amtwin` command."""

from __future__ import annotations

import json
import math
import sys
from enum import StrEnum
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scenarios import meltpool

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Emulate metal additive manufacturing machines with real OPC UA and Modbus TCP ports.",
)

app.add_typer(meltpool.app, name="meltpool")

DONE, FAILED, BAD_INPUT = 0, 1, 2


class Format(StrEnum):
    """How a list is printed."""

    TABLE = "table"
    CSV = "csv"
    JSON = "json"


def _refuse(error: object, code: int = BAD_INPUT) -> NoReturn:
    typer.echo(f"amtwin: {error}", err=True)
    raise typer.Exit(code)


def _number(text: str, name: str, words: dict[str, float]) -> float:
    if text in words:
        return words[text]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e12:
        _refuse(f"{name} must be {', '.join(words)} or a number of 0 or more, not {text!r}")
    return value


def _place(text: str) -> tuple[float, float, float]:
    try:
        x, y, *angle = (float(part) for part in text.split(","))
        (turn,) = angle or [0.0]
    except ValueError:
        _refuse(f"place takes x,y or x,y,angle in mm and degrees, not {text!r}")
    if not all(math.isfinite(v) for v in (x, y, turn)):
        _refuse(f"place takes finite numbers, not {text!r}")
    return x / 1000, y / 1000, math.radians(turn)


_OF_THE_RUN = (
    "plant",
    "part",
    "place",
    "unit",
    "recipe",
    "alloy",
    "lot",
    "lasers",
    "beams",
    "blade",
    "supports",
    "fidelity",
    "melt_pool",
    "melt_pool_cell_um",
    "melt_pool_lag",
    "seed",
    "control",
    "scan_ms",
    "wait",
    "record",
    "no_record",
    "vectors",
    "pictures",
)


_OF_THE_WORKS = ("plant", "fidelity", "seed", "scan_ms", "record", "no_record")


def _not_of_a_works(context: typer.Context) -> None:
    """Refuse what belongs to one machine: a plant file says it for each."""
    for name in (*_OF_THE_RUN, "watchdog_ms"):
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in _OF_THE_WORKS:
            _refuse(f"--{name.replace('_', '-')} does not go with a works: "
                    "the plant file says it for each machine")


def _resumed_works(folder: Path) -> str | None:
    """What stands for a plant file if the run in a folder is that of a works; else None."""
    from emulators.record import RecordError, open_run

    try:
        return "works" if open_run(folder).meta.get("machine") == "works" else None
    except RecordError as error:
        _refuse(error)


def _span(text: str) -> float:
    """Simulated time (s) that ``--until`` asks for; see `RunOptions.until`."""
    unit = {"s": 1.0, "h": 3600.0, "d": 86_400.0}.get(text[-1:], 0.0)
    number = text[:-1] if unit and text[:-1] else text
    words = {"complete": -1.0, "forever": float("inf")}
    if number != text and number in words:
        number = text
    return _number(number, "until", words) * (unit or 1.0)


def _only_with_resume(context: typer.Context) -> None:
    """Refuse what the run that is resumed has settled."""
    for name in _OF_THE_RUN:
        source = context.get_parameter_source(name)
        if source is not None and source.name == "COMMANDLINE":
            _refuse(f"--{name.replace('_', '-')} does not go with --resume: the run has it already")


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
        _refuse(f"no machine {machine!r}; there are: {', '.join(MACHINES)}")
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
        _refuse(error)
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
        _refuse(error)
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


@app.command()
def run(
    context: typer.Context,
    machine: Annotated[
        str, typer.Argument(help="machine type, see `amtwin machines`; or works: several")
    ] = "",
    plant: Annotated[
        str | None, typer.Option(help="run a works: its plant file (TOML, YAML) or works, cell")
    ] = None,
    part: Annotated[
        list[str] | None,
        typer.Option(help="part file (STL, 3MF, CLI) or example:NAME; may be given several times"),
    ] = None,
    place: Annotated[
        list[str] | None,
        typer.Option(help="x,y or x,y,angle (mm, deg) of each part's centre from the plate's"),
    ] = None,
    unit: Annotated[str | None, typer.Option(help="unit of an STL file: mm, in, …")] = None,
    recipe: Annotated[str | None, typer.Option(help="recipe file or name")] = None,
    alloy: Annotated[str | None, typer.Option(help="alloy, when no recipe is named")] = None,
    lot: Annotated[
        list[str] | None,
        typer.Option(help="powder lot: a ready-made name, a file, or RUN:ID of a run's record; "
                     "may be given several times"),
    ] = None,
    lasers: Annotated[int, typer.Option(help="number of lasers, 1 to 12")] = 1,
    beams: Annotated[int, typer.Option(help="number of electron guns, 1 to 8; less when a "
                                      "recipe splits their beams")] = 1,
    blade: Annotated[str, typer.Option(help="recoater blade: hard or soft")] = "hard",
    supports: Annotated[bool, typer.Option(help="supports under overhangs")] = True,
    speed: Annotated[
        str, typer.Option(help="1 = real time, N = N times, 0 = frozen, max = as fast as possible")
    ] = "1",
    fidelity: Annotated[
        str | None,
        typer.Option(help="vector or layer; default: vector for a machine, the plan's for a works"),
    ] = None,
    melt_pool: Annotated[
        str, typer.Option(help="melt-pool physics: laws, table, sources or solver")
    ] = "laws",
    melt_pool_cell_um: Annotated[float, typer.Option(help="cell size of the solver, um")] = 30.0,
    melt_pool_lag: Annotated[
        int | None,
        typer.Option(help="scans (of at most 50 ms) until a result of the solver joins; "
                          "default: 0.1 s worth of them"),
    ] = None,
    seed: Annotated[int, typer.Option(help="seed of every random stream")] = 0,
    control: Annotated[
        str, typer.Option(help="internal: soft PLC; external: yours, over the ports")
    ] = "internal",
    scan_ms: Annotated[float, typer.Option(help="scan period, ms")] = 50.0,
    watchdog_ms: Annotated[
        float | None,
        typer.Option(
            min=10, max=3_600_000, help="external control: longest silence of the PLC, ms"
        ),
    ] = None,
    host: Annotated[str, typer.Option(help="address to listen on")] = "127.0.0.1",
    opcua_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="OPC UA port; 0 takes a free one")
    ] = 4840,
    modbus_port: Annotated[
        int, typer.Option(min=0, max=65_535, help="Modbus TCP port; 0 takes a free one")
    ] = 5020,
    instructor_port: Annotated[
        int | None,
        typer.Option(
            min=0, max=65_535, help="port of the instructor's OPC UA endpoint (faults), loopback"
        ),
    ] = None,
    insecure: Annotated[
        bool, typer.Option(help="offer OPC UA security policy None, too (loopback only)")
    ] = False,
    modbus_write: Annotated[
        list[str] | None,
        typer.Option(help="beyond loopback: addresses or networks that may write over Modbus"),
    ] = None,
    offline: Annotated[bool, typer.Option(help="open no ports")] = False,
    wait: Annotated[bool, typer.Option(help="do not start the job; a client will")] = False,
    until: Annotated[
        str, typer.Option(help="complete, forever, or simulated time: 3600, 8h, 30d")
    ] = "complete",
    record: Annotated[
        Path | None, typer.Option(help="run folder (default: a new one in runs/)")
    ] = None,
    no_record: Annotated[bool, typer.Option(help="write nothing to disk")] = False,
    vectors: Annotated[bool, typer.Option(help="record every scan vector's melt pool")] = False,
    pictures: Annotated[
        bool, typer.Option(help="make coaxial camera frames and layer tomography")
    ] = False,
    resume: Annotated[
        Path | None, typer.Option(help="go on with this run folder at its last finished layer")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object per line, nothing else")
    ] = False,
    timing_report: Annotated[bool, typer.Option(help="print the start-up times")] = False,
) -> None:
    """Emulate a machine and let it build a part."""
    from scenarios.running import RunOptions
    from scenarios.running import run as run_it

    if machine == "works" and plant is None:
        machine, plant = "", "works"
    if resume is not None:
        _only_with_resume(context)
        plant = _resumed_works(resume)
    elif (plant is None) == (machine == ""):
        _refuse("name a machine (see `amtwin machines`), or works, or a plant file with --plant")
    elif plant is not None:
        _not_of_a_works(context)
    for network in modbus_write or ():
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            _refuse(f"modbus-write: {error}")
    factor = _number(speed, "speed", {"max": float("inf")})
    end = _span(until)
    options = RunOptions(
        settings={
            "machine": machine,
            "parts": tuple(part or ()),
            "unit": unit,
            "places": tuple(_place(text) for text in place or ()),
            "recipe": recipe,
            "alloy": alloy,
            "lots": tuple(lot or ()),
            "lasers": lasers,
            "beams": beams,
            "blade": blade,
            "supports": supports,
            "seed": seed,
            "scan_ms": scan_ms,
            "fidelity": fidelity or ("vector" if plant is None else ""),
            "melt_pool": melt_pool,
            "melt_pool_cell_um": melt_pool_cell_um,
            "melt_pool_lag": melt_pool_lag,
            "control": control,
            "vectors": vectors,
            "pictures": pictures,
        },
        speed=factor,
        until=end,
        host=host,
        opcua_port=opcua_port,
        modbus_port=modbus_port,
        instructor_port=instructor_port,
        insecure=insecure,
        modbus_write=tuple(modbus_write or ()),
        watchdog_ms=watchdog_ms,
        offline=offline,
        wait=wait,
        record=record,
        no_record=no_record,
        resume=resume,
        as_json=as_json,
        timing_report=timing_report,
        plant=plant,
    )
    raise typer.Exit(run_it(options))


@app.command()
def replay(
    run_folder: Annotated[Path, typer.Argument(help="run folder")],
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
) -> None:
    """Run a recorded run again from seed and journal, and compare trace hashes."""
    from rich.progress import Progress

    from emulators.catalog import SettingsError
    from emulators.journal import JournalError
    from emulators.recipes import RecipeError
    from emulators.record import RecordError
    from emulators.runs import replay as again
    from twin.parts import PartError

    if _resumed_works(run_folder):
        from emulators.works.runs import replay as again
    try:
        with Progress(transient=True, disable=as_json or not sys.stderr.isatty()) as bar:
            task = bar.add_task("replay", total=1.0)
            found = again(run_folder, lambda share: bar.update(task, completed=share))
    except (RecordError, JournalError, SettingsError, RecipeError, PartError) as error:
        _refuse(error)
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
    as_json: Annotated[bool, typer.Option("--json", help="print one JSON object")] = False,
    picture: Annotated[Path | None, typer.Option(help="draw the genealogy to this file")] = None,
) -> None:
    """Print a powder lot or a part: its state, what it came of and what became of it."""
    from emulators.lots import LotError
    from scenarios.lots import tell
    from scenarios.pictures import PictureError

    try:
        typer.echo(tell(identity, within, as_json, picture))
    except (LotError, PictureError) as error:
        _refuse(error)


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
        _refuse(f"{url}: {error}")


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
    unit: Annotated[str | None, typer.Option(help="unit of an STL file: mm, in, …")] = None,
    seed: Annotated[int, typer.Option(min=0, help="seed of every random stream")] = 0,
    as_json: Annotated[bool, typer.Option("--json", help="print JSON lines")] = False,
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
            _refuse(f"recipe takes MACHINE=FILE or MACHINE=NAME, not {text!r}")
        recipes[name] = file
    for name in (*chosen, *recipes):
        if name not in known:
            _refuse(f"no build machine {name!r}; there are: {', '.join(known)}")
    try:
        code = run_comparison(part, dict.fromkeys(chosen), alloy, unit, recipes, seed, as_json)
    except (PartError, SettingsError, OSError) as error:
        _refuse(error)
    raise typer.Exit(code)


@app.command()
def validate(
    machine: Annotated[
        list[str] | None, typer.Option(help="machine type; may be given several times; default all")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object per line, nothing else")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="write the page (Markdown) to this file, print nothing")
    ] = None,
) -> None:
    """Compare the machines' physics with published figures, misses included."""
    from scenarios.process_validation import MACHINES, validate_processes

    for name in machine or ():
        if name not in MACHINES:
            _refuse(f"no check values of a machine {name!r}; there are some of: "
                    f"{', '.join(MACHINES)}")
    if write is not None and as_json:
        _refuse("--json does not go with --write")
    try:
        known = validate_processes(machine or MACHINES, as_json, write)
    except OSError as error:
        _refuse(error)
    raise typer.Exit(DONE if known else FAILED)


@app.command()
def targets(
    baseline: Annotated[
        Path | None, typer.Option(help="TOML with other baselines, prices or cases, field by field")
    ] = None,
    case: Annotated[
        list[str] | None, typer.Option(help="name of a case; may be given several times")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="print one JSON object per line, nothing else")
    ] = False,
    write: Annotated[
        Path | None, typer.Option(help="write the page (Markdown) to this file, print nothing")
    ] = None,
) -> None:
    """Compute the plan's targets for powder: improved recipes against a baseline, by the twin."""
    from emulators.catalog import SettingsError
    from emulators.recipes import RecipeError
    from scenarios.targets import TargetError
    from scenarios.targets_page import show_targets

    if write is not None and as_json:
        _refuse("--json does not go with --write")
    try:
        show_targets(baseline, case or (), as_json, write)
    except (TargetError, RecipeError, SettingsError, OSError) as error:
        _refuse(error)


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
        _refuse(error)
    typer.echo(f"{name} may log in as {role}; users are in {path}")


def main() -> None:
    """Entry point of the `amtwin` command."""
    app()


if __name__ == "__main__":
    main()
