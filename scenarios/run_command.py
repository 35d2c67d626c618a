"""``amtwin run``: what it takes on the command line."""

from __future__ import annotations

import math
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated

import typer

from scenarios.options import Alloy, AsJson, RecipeName, Seed, Supports, Unit, refuse

__all__ = ["resumed_works", "run"]


def _number(text: str, name: str, words: dict[str, float]) -> float:
    if text in words:
        return words[text]
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < 1e12:
        refuse(f"{name} must be {', '.join(words)} or a number of 0 or more, not {text!r}")
    return value


def _place(text: str) -> tuple[float, float, float]:
    try:
        x, y, *angle = (float(part) for part in text.split(","))
        (turn,) = angle or [0.0]
    except ValueError:
        refuse(f"place takes x,y or x,y,angle in mm and degrees, not {text!r}")
    if not all(math.isfinite(v) for v in (x, y, turn)):
        refuse(f"place takes finite numbers, not {text!r}")
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


_INSTEAD = {
    "control": "its dispatcher is needed for material and people; to plan its jobs by a program of "
               "your own, write Dispatch.ReleaseJobs false and call Dispatch.StartJob",
    "watchdog_ms": "none of its machines is under external control",
    "wait": "it begins with its orders; a plan without [[orders]] waits for Orders.AddOrder",
}
_OF_THE_WORKS = ("plant", "fidelity", "seed", "scan_ms", "record", "no_record")


def _not_of_a_works(context: typer.Context) -> None:
    """Refuse what belongs to one machine: a plant file says it for each."""
    for name in (*_OF_THE_RUN, "watchdog_ms"):
        source = context.get_parameter_source(name)
        given = source is not None and source.name == "COMMANDLINE"
        if given and name not in _OF_THE_WORKS:
            refuse(f"--{name.replace('_', '-')} does not go with a works: "
                   + _INSTEAD.get(name, "the plant file says it for each machine"))


def resumed_works(folder: Path) -> str | None:
    """What stands for a plant file if the run in a folder is that of a works; else None."""
    from emulators.record import RecordError, open_run

    try:
        return "works" if open_run(folder).meta.get("machine") == "works" else None
    except RecordError as error:
        refuse(error)


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
            refuse(f"--{name.replace('_', '-')} does not go with --resume: the run has it already")


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
    unit: Unit = None,
    recipe: RecipeName = None,
    alloy: Alloy = None,
    lot: Annotated[
        list[str] | None,
        typer.Option(help="powder lot or spool of wire: a ready-made name, a file, or RUN:ID of a "
                     "run's record; may be given several times"),
    ] = None,
    lasers: Annotated[int, typer.Option(help="number of lasers, 1 to 12")] = 1,
    beams: Annotated[int, typer.Option(help="number of electron guns, 1 to 8; less when a "
                                      "recipe splits their beams")] = 1,
    blade: Annotated[str, typer.Option(help="recoater blade: hard or soft")] = "hard",
    supports: Supports = True,
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
    seed: Seed = 0,
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
    as_json: AsJson = False,
    timing_report: Annotated[bool, typer.Option(help="print the start-up times")] = False,
) -> None:
    """Emulate a machine and let it build a part."""
    from scenarios.running import RunOptions
    from scenarios.running import run as run_it

    if machine == "works" and plant is None:
        machine, plant = "", "works"
    if resume is not None:
        _only_with_resume(context)
        plant = resumed_works(resume)
    elif (plant is None) == (machine == ""):
        refuse("name a machine (see `amtwin machines`), or works, or a plant file with --plant")
    elif plant is not None:
        _not_of_a_works(context)
    for network in modbus_write or ():
        try:
            ip_network(network, strict=False)
        except ValueError as error:
            refuse(f"modbus-write: {error}")
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
