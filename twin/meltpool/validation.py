"""Measured melt tracks against a melt-pool model: the errors, misses included, as a table."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin.materials import alloy
from twin.meltpool.laws import Laws
from twin.meltpool.pool import MeltPool, MeltPoolModel, Mode

__all__ = ["Comparison", "Track", "compare", "tracks", "validation_table"]

DATA: Final = Path(__file__).with_name("validation.toml")
KELVIN: Final = 273.15

# Measured quantity: field of MeltPool, and its factor from published to SI units.
_QUANTITIES: Final = {
    "width_um": ("width", 1e-6),
    "depth_um": ("depth", 1e-6),
    "length_um": ("length", 1e-6),
    "cooling_k_s": ("cooling_rate", 1.0),
    "absorptivity": ("absorptivity", 1.0),
}


@dataclass(frozen=True)
class Track:
    """One published single track, SI units; ``measured`` maps `MeltPool` fields to values."""

    set: str
    case: str
    alloy: str
    source: str
    fitted: bool
    power: float
    speed: float
    sigma: float
    preheat: float
    measured: dict[str, float]
    deviation: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """One measured quantity of one track, the computed value, and the relative error."""

    track: Track
    quantity: str
    measured: float
    computed: float
    error: float


@cache
def tracks() -> tuple[Track, ...]:
    """All published tracks in ``validation.toml``."""
    data = tomllib.loads(DATA.read_text(encoding="utf-8"))
    return tuple(_track(entry | case) for entry in data["set"] for case in entry["cases"])


def _track(row: dict[str, Any]) -> Track:
    measured, deviation = {}, {}
    for published, (field, factor) in _QUANTITIES.items():
        if published in row:
            measured[field] = row[published] * factor
        spread = published.split("_")[0] + "_sd"
        if spread in row:
            deviation[field] = row[spread] * factor
    return Track(
        set=row["name"],
        case=row["id"],
        alloy=row["alloy"],
        source=row["source"],
        fitted=row["fitted"],
        power=row["power_w"],
        speed=row["speed_mm_s"] * 1e-3,
        sigma=row["d4sigma_um"] * 1e-6 / 4.0,
        preheat=row["preheat_c"] + KELVIN,
        measured=measured,
        deviation=deviation,
    )


def _pool(model: MeltPoolModel, track: Track) -> MeltPool:
    return model.pools(alloy(track.alloy), track.power, track.speed, track.sigma, track.preheat)


def compare(model: MeltPoolModel | None = None) -> Iterator[Comparison]:
    """Every measured quantity against the model (default `Laws`)."""
    chosen = model or Laws()
    for track in tracks():
        pool = _pool(chosen, track)
        for quantity, measured in track.measured.items():
            computed = float(getattr(pool, quantity)[0])
            yield Comparison(track, quantity, measured, computed, computed / measured - 1.0)


def _cell(track: Track, quantity: str, computed: float) -> str:
    if quantity not in track.measured:
        return "–"
    factor = 1e6 if quantity in ("width", "depth", "length") else 1.0
    measured, spread = track.measured[quantity], track.deviation.get(quantity)
    digits = {"absorptivity": ".2f", "cooling_rate": ".2e"}.get(quantity, ".0f")
    plus_minus = f" ± {spread * factor:.1f}" if spread else ""
    error = computed / measured - 1.0
    return f"{measured * factor:{digits}}{plus_minus} / {computed * factor:{digits}} ({error:+.0%})"


def validation_table(model: MeltPoolModel | None = None) -> str:
    """Markdown table of every track: measured / computed (error), then a summary and the sources.

    Sets marked with an asterisk were used to fit `Laws`; their errors are residuals.
    """
    chosen = model or Laws()
    fields = [field for field, _ in _QUANTITIES.values()]
    lines = [
        f"Measured ± sd / computed (error) by `{chosen.name}`; sizes in µm, cooling in K/s. "
        "Sets marked * were used for fitting the closed forms.",
        "",
        "| set | alloy | case | P, W | v, mm/s | D4σ, µm | mode | width | depth | length | cooling "
        "| absorbed |",
        "|" + "---|" * 12,
    ]
    for track in tracks():
        pool = _pool(chosen, track)
        cells = [_cell(track, field, float(getattr(pool, field)[0])) for field in fields]
        lines.append(
            f"| {track.set}{'*' if track.fitted else ''} | {track.alloy} | {track.case} "
            f"| {track.power:g} | {track.speed * 1e3:g} | {track.sigma * 4e6:.0f} "
            f"| {Mode(pool.mode[0]).name.lower()} | {' | '.join(cells)} |"
        )
    lines += ["", "| set | quantity | n | mean error | rms error |", "|---|---|---|---|---|"]
    results = list(compare(chosen))
    for name in dict.fromkeys(r.track.set for r in results):
        for field in fields:
            errors = [r.error for r in results if r.track.set == name and r.quantity == field]
            if errors:
                rms = float(np.sqrt(np.mean(np.square(errors))))
                lines.append(
                    f"| {name} | {field.replace('_', ' ')} | {len(errors)} "
                    f"| {np.mean(errors):+.0%} | {rms:.0%} |"
                )
    sources = dict.fromkeys(f"- {track.set}: {track.source}." for track in tracks())
    return "\n".join([*lines, "", "Sources:", "", *sources, ""])
