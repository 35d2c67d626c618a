"""The `amtwin meltpool` commands: melt pools, process windows and layers as tables and pictures."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from scenarios.options import Alloy, AsJson, RecipeName, Supports, Unit, refuse

if TYPE_CHECKING:
    from emulators.recipes.pbf_lb import Recipe
    from scenarios.levels import Process, Span, Spent
    from twin.meltpool import BeamPath, MeltPoolModel

__all__ = ["app"]

app = typer.Typer(
    no_args_is_help=True,
    help="Melt pools by four levels of physics: laws, table, sources, solver.",
)

KELVIN = 273.15
# What the options allow, in their units; preheat and wavelength depend on the alloy.
LIMITS: dict[str, tuple[float, float]] = {
    "power-w": (0, 1e5), "speed-mm-s": (1, 1e6), "d4sigma-um": (1, 1e4), "powder-um": (0, 5000),
    "length-mm": (0.01, 1e4), "tracks": (1, 1e4), "hatch-um": (1, 1e4), "turn-ms": (0, 1e4),
    "layer-um": (1, 2000),
}

_Alloy = Annotated[str, typer.Option(help="alloy; usual other names are understood")]
_Power = Annotated[float, typer.Option(help="laser power on the surface, W")]
_Speed = Annotated[float, typer.Option(help="scan speed, mm/s")]
_Spot = Annotated[float, typer.Option(help="beam diameter D4sigma (1/e2), um")]
_Preheat = Annotated[float, typer.Option(help="temperature before the beam comes, degC")]
_Powder = Annotated[float, typer.Option(help="height of the loose powder, um; 0: bare plate")]
_Wavelength = Annotated[float, typer.Option(help="laser wavelength, nm")]
_Level = Annotated[str, typer.Option(help="laws, table, sources or solver")]
_Cell = Annotated[float, typer.Option(help="cell of the solver, um")]
_Picture = Annotated[Path | None, typer.Option(help="write a picture to this file (PNG, SVG, PDF)")]


@contextmanager
def _refusing() -> Iterator[None]:
    """Bad input is one line on stderr and exit code 2; every error of input is a ValueError."""
    try:
        yield
    except BrokenPipeError:
        raise  # nobody reads on: no fault of the input
    except (ValueError, OSError) as error:
        refuse(error)


@contextmanager
def _progress(what: str) -> Iterator[Callable[[float], None]]:
    """A bar on stderr, if somebody looks; gives what to call with the share done."""
    from rich.console import Console
    from rich.progress import Progress

    console = Console(stderr=True)
    with Progress(transient=True, console=console, disable=not sys.stderr.isatty()) as bar:
        task = bar.add_task(what, total=1.0)
        yield lambda share: bar.update(task, completed=share)


def _process(
    alloy: str, power_w: float, speed_mm_s: float, d4sigma_um: float, preheat_c: float,
    powder_um: float, wavelength_nm: float,
) -> Process:
    """In SI units; refused in the names and units of the options. Speed 0 is a beam at rest."""
    from scenarios.levels import Process
    from twin.materials import alloy as named

    metal = named(alloy)
    light = metal.absorptivity
    _within(power_w=power_w, d4sigma_um=d4sigma_um, powder_um=powder_um)
    if speed_mm_s != 0:
        _within(speed_mm_s=speed_mm_s)
    _check("preheat-c", preheat_c, -23, metal.solidus - 50 - KELVIN)
    _check("wavelength-nm", wavelength_nm, light.low * 1e9, light.high * 1e9)
    return Process(metal, power_w, speed_mm_s * 1e-3, d4sigma_um * 1e-6 / 4.0,
                   preheat_c + KELVIN, powder_um * 1e-6, wavelength_nm * 1e-9)


def _drawable(file: Path | None) -> None:
    """Refuse a picture that could not be written before anything is computed."""
    from scenarios.levels import BadInputError

    if file is not None and file.suffix.lower() not in (".png", ".svg", ".pdf"):
        raise BadInputError(f"picture {file}: the name must end in .png, .svg or .pdf")
    if file is not None and not file.parent.is_dir():
        raise BadInputError(f"picture {file}: there is no folder {file.parent}")


def _level(
    level: str, process: Process, cell_um: float, span: Span | None = None
) -> tuple[MeltPoolModel, Spent]:
    """The level, warmed up; a table spans what the process is if nothing wider is given."""
    from scenarios.levels import BadInputError, Span, Spent, model, table_over, warm_up

    widest = 2e6 * process.sigma
    if level == "solver" and cell_um > widest:
        raise BadInputError(f"cell-um {cell_um:g}: allowed 2 to {widest:g}, half of the spot")
    spent = Spent()
    # Wider than the one point, which a table would then hold instead of interpolating.
    wide = span or Span.over([0.7 * process.power, 1.4 * process.power],
                             [0.7 * process.speed, 1.4 * process.speed],
                             process.sigma, process.preheat, process.powder_layer)
    with _progress(level) as progress, spent.starting():
        chosen = model(level, cell_um * 1e-6, lambda: table_over(process, wide, progress))
        warm_up(chosen, process)
    return chosen, spent


def _times(spent: Spent) -> dict[str, float]:
    return {"wall_s": round(spent.wall, 6), "compile_s": round(spent.compiling, 3)}


def _print(row: Mapping[str, Any], as_json: bool, title: str) -> None:
    """A JSON line, or a table of two columns (lists are left to JSON)."""
    if as_json:
        typer.echo(json.dumps(row))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("quantity", "value")
    for name, value in row.items():
        if not isinstance(value, list | dict):
            table.add_row(name, _shown(value))
    console = Console(highlight=False)
    console.print(title, markup=False)
    console.print(table)


def _title(process: Process, level: str) -> str:
    layer = f", {process.powder_layer * 1e6:.0f} µm powder" if process.powder_layer else ""
    return (
        f"{process.alloy.name}, {process.power:g} W, {process.speed * 1e3:g} mm/s, "
        f"spot {process.sigma * 4e6:g} µm (D4σ), {process.preheat - KELVIN:g} °C{layer}, {level}"
    )


@app.command()
def point(
    alloy: _Alloy, power_w: _Power, speed_mm_s: _Speed, d4sigma_um: _Spot,
    preheat_c: _Preheat = 20.0, powder_um: _Powder = 0.0, wavelength_nm: _Wavelength = 1070.0,
    level: _Level = "laws", cell_um: _Cell = 20.0,
    picture: _Picture = None, as_json: AsJson = False,
) -> None:
    """The settled melt pool of one beam on a straight track."""
    with _refusing():
        from scenarios.melting import pool_row

        _drawable(picture)
        _within(speed_mm_s=speed_mm_s)
        process = _process(alloy, power_w, speed_mm_s, d4sigma_um, preheat_c, powder_um,
                           wavelength_nm)
        chosen, spent = _level(level, process, cell_um)
        with _progress("melt pool"), spent.computing():
            pool = process.pools(chosen)
        row = {"alloy": process.alloy.name, "level": chosen.name,
               **pool_row(pool, 0, process.speed), **_times(spent)}
        if picture is not None:
            from scenarios.melting import steady_section
            from scenarios.pictures import draw_pool

            metal = process.alloy
            draw_pool(picture, _title(process, chosen.name), pool,
                      steady_section(chosen, process, pool), metal.solidus, metal.boiling)
        _print(row, as_json, _title(process, chosen.name))


@app.command()
def track(
    alloy: _Alloy, d4sigma_um: _Spot,
    power_w: Annotated[float | None, typer.Option(help="laser power on the surface, W")] = None,
    speed_mm_s: Annotated[float | None, typer.Option(help="scan speed, mm/s")] = None,
    length_mm: Annotated[float, typer.Option(help="length of a track, mm")] = 8.0,
    tracks: Annotated[int, typer.Option(help="number of tracks, to and fro")] = 1,
    hatch_um: Annotated[float, typer.Option(help="distance between tracks, um")] = 100.0,
    turn_ms: Annotated[float, typer.Option(help="beam off between tracks, ms")] = 0.36,
    path: Annotated[
        Path | None,
        typer.Option(help="CSV file: x_mm, y_mm, power_w, and speed_mm_s or dwell_ms"),
    ] = None,
    samples: Annotated[int, typer.Option(help="number of times at which pools are told")] = 16,
    preheat_c: _Preheat = 20.0, powder_um: _Powder = 0.0, wavelength_nm: _Wavelength = 1070.0,
    level: _Level = "laws", cell_um: _Cell = 20.0,
    picture: _Picture = None, as_json: AsJson = False,
) -> None:
    """Melt pools along a track, a raster of tracks with turns, or a path from a file.

    The sizes told first are medians over the second half of the lit samples.
    """
    with _refusing():
        from scenarios.levels import BadInputError
        from scenarios.melting import pool_row, sample_rows, spanned, track_pools

        _drawable(picture)
        line = _path(path, power_w, speed_mm_s, d4sigma_um, length_mm, tracks, hatch_um, turn_ms)
        if level in ("laws", "table") and not line.length.all():
            raise BadInputError(f"level {level}: knows no beam at rest (dwell_ms), take sources "
                                "or solver")
        fastest = float(line.speed.max())
        process = _process(alloy, float(line.power.max()), fastest * 1e3, d4sigma_um, preheat_c,
                           powder_um, wavelength_nm)
        moving = line.speed[line.length > 0.0]
        speeds = moving if len(moving) else fastest
        span = spanned(process, line.power, speeds, {})
        chosen, spent = _level(level, process, cell_um, span)
        with _progress("track") as progress:
            found = track_pools(chosen, process, line, samples, progress, spent)
        row = {
            "alloy": process.alloy.name, "level": chosen.name,
            **pool_row(found.settled, 0, found.speed),
            "physical_s": round(found.physical, 6),
            "real_time_factor": float(f"{spent.wall / found.physical:.4g}"), **_times(spent),
            "samples": sample_rows(found),
        }
        title = (path.name + ", up to " if path else "") + _title(process, chosen.name)
        if picture is not None:
            from scenarios.melting import path_section
            from scenarios.pictures import draw_track

            draw_track(picture, title, found.times, found.pool,
                       path_section(chosen, process, found), found.shown, process.alloy.solidus,
                       process.alloy.boiling)
        _print(row, as_json, title)


def _path(
    file: Path | None, power_w: float | None, speed_mm_s: float | None, d4sigma_um: float,
    length_mm: float, tracks: int, hatch_um: float, turn_ms: float,
) -> BeamPath:
    from scenarios.levels import BadInputError
    from scenarios.melting import path_from_file
    from twin.meltpool import BeamPath

    _within(d4sigma_um=d4sigma_um)
    sigma = d4sigma_um * 1e-6 / 4.0
    if file is not None:
        if power_w is not None or speed_mm_s is not None:
            raise BadInputError("power-w and speed-mm-s do not go with --path: the file has them")
        return path_from_file(file, sigma)
    if power_w is None or speed_mm_s is None:
        raise BadInputError("power-w and speed-mm-s are needed, or a --path file")
    _check("power-w", power_w, 1, LIMITS["power-w"][1])
    _within(speed_mm_s=speed_mm_s, length_mm=length_mm, tracks=tracks, hatch_um=hatch_um,
            turn_ms=turn_ms)
    return BeamPath.raster(length_mm * 1e-3, tracks, hatch_um * 1e-6, power=power_w,
                           speed=speed_mm_s * 1e-3, sigma=sigma, delay=turn_ms * 1e-3)


@app.command("map")
def process_window(
    alloy: Alloy = None,
    recipe: Annotated[str | None, typer.Option(help="recipe file or name; is marked")] = None,
    power_w: Annotated[str, typer.Option(help="range LOW:HIGH of laser power, W")] = "50:500",
    speed_mm_s: Annotated[str, typer.Option(help="range LOW:HIGH of speed, mm/s")] = "200:2500",
    points: Annotated[int, typer.Option(help="points of each axis")] = 61,
    d4sigma_um: Annotated[float | None, typer.Option(help="beam diameter D4sigma, um")] = None,
    hatch_um: Annotated[float | None, typer.Option(help="distance between tracks, um")] = None,
    layer_um: Annotated[float | None, typer.Option(help="layer thickness, um")] = None,
    preheat_c: Annotated[
        float | None, typer.Option(help="temperature before the beam comes, degC")
    ] = None,
    level: _Level = "laws", cell_um: _Cell = 20.0,
    picture: _Picture = None, as_json: AsJson = False,
) -> None:
    """Process map over power and speed: modes, limits of sound tracks, and where a recipe sits.

    What is not given comes from the recipe; without a recipe, from the alloy's own.
    """
    with _refusing():
        from scenarios.melting import (
            pool_row,
            process_map,
            recipe_points,
            recipe_rows,
            spanned,
            verdict,
            window,
        )
        from twin.materials import alloy as named

        _drawable(picture)
        power = window(power_w, "power-w", points)
        speed = window(speed_mm_s, "speed-mm-s", points, 1e-3)
        given = None not in (alloy, d4sigma_um, hatch_um, layer_um) and recipe is None
        base = None if given else _recipe(recipe, alloy)
        if base is not None:
            d4sigma_um = base.hatch.spot_d4sigma * 1e6 if d4sigma_um is None else d4sigma_um
            hatch_um = base.hatch.hatch_spacing * 1e6 if hatch_um is None else hatch_um
            layer_um = base.layer_thickness * 1e6 if layer_um is None else layer_um
            if preheat_c is None:
                preheat_c = base.temperature.preheat - KELVIN
        assert d4sigma_um is not None
        assert hatch_um is not None
        assert layer_um is not None
        metal = named(base.alloy if base is not None else str(alloy))
        _within(hatch_um=hatch_um, layer_um=layer_um)
        process = _process(
            metal.name, 0.0, 0.0, d4sigma_um, 20.0 if preheat_c is None else preheat_c,
            layer_um / metal.powder_packing,
            base.wavelength * 1e9 if base is not None else 1070.0,
        )
        hatch, layer = hatch_um * 1e-6, layer_um * 1e-6
        marked = recipe_points(base) if base is not None else {}
        span = spanned(process, power, speed, marked)
        chosen, spent = _level(level, process, cell_um, span)
        with _progress("process map") as progress:
            found, rows = process_map(chosen, process, power, speed, hatch, layer, progress, spent)
        operating = recipe_rows(chosen, process, marked, hatch, layer)
        title = (
            f"{metal.name}, spot {d4sigma_um:g} µm (D4σ), hatch {hatch_um:g} µm, layer "
            f"{layer_um:g} µm, {process.preheat - KELVIN:g} °C, {chosen.name}"
        )
        if picture is not None:
            from scenarios.pictures import draw_map

            draw_map(picture, title, found, {n: (w, v) for n, (w, v, _) in marked.items()})
        if as_json:
            for i, watts in enumerate(power):
                for j, metres in enumerate(speed):
                    sound = verdict(found.fusion[i, j], found.pores[i, j], found.balling[i, j])
                    cell = {"event": "cell", "power_w": round(float(watts), 3),
                            "speed_mm_s": round(float(metres) * 1e3, 3),
                            **pool_row(rows[i], j, float(metres)), "verdict": sound}
                    typer.echo(json.dumps(cell))
            for row in operating:
                typer.echo(json.dumps({"event": "recipe", **row}))
            typer.echo(json.dumps({"event": "summary", "alloy": metal.name, "level": chosen.name,
                                   **found.shares(), **_times(spent)}))
            return
        _print({**found.shares(), **_times(spent)}, False, title)
        if operating:
            _print_rows(_turned(operating, "vectors"), "where the recipe sits")


@app.command()
def layer(
    part: Annotated[str, typer.Option(help="part file (STL, 3MF, CLI) or example:NAME")],
    number: Annotated[int, typer.Option("--layer", help="layer, counted from 1")] = 1,
    unit: Unit = None,
    recipe: RecipeName = None,
    alloy: Alloy = None,
    supports: Supports = True,
    preheat_c: Annotated[
        float | None, typer.Option(help="temperature of the part, degC (default: the recipe's)")
    ] = None,
    every_um: Annotated[float, typer.Option(help="longest piece of a vector with one pool, um")] = (
        500.0
    ),
    colour: Annotated[str, typer.Option(help="depth, width or length: shown in the picture")] = (
        "depth"
    ),
    level: Annotated[str, typer.Option(help="laws, table or sources")] = "laws",
    picture: _Picture = None, as_json: AsJson = False,
) -> None:
    """Melt pools along all scan vectors of one layer of a part."""
    with _refusing():
        from scenarios.levels import BadInputError
        from scenarios.melting import (
            layer_pools,
            layer_row,
            recipe_points,
            recipe_process,
            spanned,
        )

        _drawable(picture)
        if level == "solver":
            raise BadInputError("level must be laws, table or sources for a layer, not 'solver'")
        if colour not in ("depth", "width", "length"):
            raise BadInputError(f"colour must be depth, width or length, not {colour!r}")
        chosen_recipe = _recipe(recipe, alloy or (None if recipe else "IN718"))
        process = recipe_process(chosen_recipe, None if preheat_c is None else preheat_c + KELVIN)
        _check("preheat-c", process.preheat - KELVIN, -23, process.alloy.solidus - 50 - KELVIN)
        span = spanned(process, process.power, process.speed, recipe_points(chosen_recipe))
        chosen, spent = _level(level, process, 20.0, span)
        with _progress(f"layer {number}") as progress:
            found = layer_pools(chosen, process, part, number, chosen_recipe, every_um * 1e-6,
                                unit, supports, progress, spent)
        title = (
            f"{Path(part).name}, layer {number} of {found.layers}, {found.process.alloy.name}, "
            f"recipe {chosen_recipe.name}, {chosen.name}"
        )
        if picture is not None:
            from scenarios.pictures import draw_layer

            draw_layer(picture, title, found.start, found.stop, getattr(found.pool, colour),
                       f"melt-pool {colour}, µm", chosen_recipe.hatch.hatch_spacing)
        row = {"part": part, "layer": number, "alloy": found.process.alloy.name,
               "recipe": chosen_recipe.name, "level": chosen.name, **layer_row(found),
               "real_time_factor": float(f"{spent.wall / found.duration:.4g}"), **_times(spent)}
        _print(row, as_json, title)


@app.command()
def validate(
    level: Annotated[
        list[str] | None, typer.Option(help="laws, sources, solver; may be repeated")
    ] = None,
    cell_um: Annotated[
        list[float] | None, typer.Option(help="cell of the solver, um; may be repeated")
    ] = None,
    write: Annotated[Path | None, typer.Option(help="write the page (Markdown) here")] = None,
    as_json: AsJson = False,
) -> None:
    """Every published track against one or several levels: measured, computed, error."""
    with _refusing():
        from scenarios.levels import Spent, model
        from twin.meltpool.validation import (
            Comparison,
            compare,
            summary,
            summary_table,
            validation_table,
        )

        levels, cells = list(dict.fromkeys(level or ["laws"])), list(dict.fromkeys(cell_um or [20]))
        results: dict[str, list[Comparison]] = {}
        about: dict[str, dict[str, Any]] = {}
        chosen: dict[str, MeltPoolModel] = {}
        spent: dict[str, Spent] = {}
        for name in levels:
            for cell in cells if name == "solver" else cells[:1]:
                key = f"{name} {cell:g} µm" if name == "solver" else name
                about[key] = {"level": name} | ({"cell_um": cell} if name == "solver" else {})
                spent[key] = Spent()
                with spent[key].starting():
                    chosen[key] = model(name, cell * 1e-6)
        if write is not None:
            # Minutes of work must not be lost to a bad name.
            write.touch()
        for key, each_level in chosen.items():
            with _progress(f"validate {key}") as progress, spent[key].computing():
                results[key] = list(compare(each_level, progress))
        if write is not None:
            options = [f"--level {name}" for name in levels]
            options += [f"--cell-um {cell:g}" for cell in cells if "solver" in levels]
            command = " ".join(["amtwin meltpool validate", *options])
            write.write_text(validation_table(results, command), encoding="utf-8")
        if as_json:
            for key, found in results.items():
                for each in found:
                    typer.echo(json.dumps({"event": "case", **about[key], **each.row()}))
            for line in summary(results):
                typer.echo(json.dumps({"event": "summary", **line, **about[line["level"]]}))
            for key, times in spent.items():
                typer.echo(json.dumps({"event": "times", **about[key], **_times(times)}))
            return
        _print_rows(summary_table(results), "mean / mean absolute error; * adjusted on that set")
        if write is not None:
            typer.echo(f"every case is in {write}")


def _recipe(recipe: str | None, alloy: str | None) -> Recipe:
    from emulators.recipes import load_recipe, recipe_for
    from scenarios.levels import BadInputError
    from twin.materials import alloy as named

    if recipe is None:
        if alloy is None:
            raise BadInputError("alloy or recipe is needed")
        usual: Recipe = recipe_for(alloy)
        return usual
    found: Recipe = load_recipe(recipe)
    if alloy is not None and named(alloy).name != found.alloy:
        raise BadInputError(f"alloy {alloy}: the recipe {found.name} is for {found.alloy}")
    return found


def _within(**given: float) -> None:
    """Refuse what is outside `LIMITS`, in the names and units of the options."""
    for name, value in given.items():
        option = name.replace("_", "-")
        _check(option, value, *LIMITS[option])


def _check(name: str, value: float, low: float, high: float) -> None:
    from scenarios.levels import BadInputError

    if not low <= value <= high:
        raise BadInputError(f"{name} {value:g}: allowed {low:g} to {high:g}")


def _print_rows(rows: Sequence[Mapping[str, Any]], title: str) -> None:
    from rich.console import Console
    from rich.table import Table

    table = Table(*dict.fromkeys(name for row in rows for name in row))
    for row in rows:
        table.add_row(*(_shown(row.get(str(column.header))) for column in table.columns))
    console = Console(highlight=False)
    console.print(title, markup=False)
    console.print(table)


def _turned(rows: Sequence[Mapping[str, Any]], head: str) -> list[dict[str, Any]]:
    """A row per quantity and a column per former row, named by its ``head``: it fits a screen."""
    return [
        {head: name, **{str(row[head]): row[name] for row in rows}}
        for name in rows[0] if name != head
    ]


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else str(value)
