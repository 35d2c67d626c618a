"""Measured melt pools against melt-pool models: every error, misses included, as a table."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin.materials import alloy
from twin.meltpool.defects import keyhole_pore_rate
from twin.meltpool.laws import Laws
from twin.meltpool.path import BeamPath
from twin.meltpool.pool import Array, MeltPool, MeltPoolModel, Mode

__all__ = ["Case", "Comparison", "cases", "compare", "summary", "summary_table",
           "validation_table"]

DATA: Final = Path(__file__).with_name("validation.toml")
KELVIN: Final = 273.15
ALL: Final = "all not fitted"  # set of the last rows of a summary
AT_REST: Final = 1e-4  # m/s; a beam at rest, for a level that knows speeds only


@dataclass(frozen=True)
class _Quantity:
    """How a measured quantity stands in the file and is shown: SI value times ``shown``."""

    name: str
    unit: str
    shown: float
    digits: str


# Key in the file: quantity. A deviation of `width_um` is `width_sd`, in the same unit.
_QUANTITIES: Final = {
    "width_um": _Quantity("width", "µm", 1e6, ".0f"),
    "depth_um": _Quantity("depth", "µm", 1e6, ".0f"),
    "length_um": _Quantity("length", "µm", 1e6, ".0f"),
    "time_ms": _Quantity("time above melting", "ms", 1e3, ".2f"),
    "cooling_k_s": _Quantity("cooling rate", "K/s", 1.0, ".2e"),
    "absorptivity": _Quantity("absorptivity", "", 1.0, ".2f"),
    "limit_power_w": _Quantity("limiting power", "W", 1.0, ".0f"),
    "limit_speed_mm_s": _Quantity("limiting speed", "mm/s", 1e3, ".0f"),
}
_BY_NAME: Final = {quantity.name: quantity for quantity in _QUANTITIES.values()}

# What a boundary set is about: whether a pool is beyond it (hotter side).
_BEYOND: Final[Mapping[str, Callable[[MeltPool, float], Any]]] = {
    "depression": lambda pool, _: pool.mode >= Mode.TRANSITION,
    "keyhole": lambda pool, _: pool.mode == Mode.KEYHOLE,
    "pores": lambda pool, sigma: keyhole_pore_rate(pool, sigma) > 0.0,
}
_LARGE: Final = 0.2  # a mean absolute error above this is told among the misses
_SEARCH: Final = 4.0  # a boundary is looked for from a fourth to four times the measured one
_HALVINGS: Final = 9  # of that range, which leaves 0.5 %


@dataclass(frozen=True)
class Case:
    """One published track, spot or boundary point, SI units.

    ``measured`` and ``deviation`` (one standard deviation) are by quantity; ``fitted`` names the
    levels whose constants were adjusted on it. ``dwell`` (s) above 0 is a beam at rest. At a
    ``boundary`` the measured power or speed replaces the one of the track, which is then 0.
    """

    set: str
    case: str
    alloy: str
    source: str
    fitted: tuple[str, ...]
    power: float
    speed: float
    sigma: float
    preheat: float
    powder_layer: float
    dwell: float
    boundary: str
    measured: dict[str, float]
    deviation: dict[str, float]


@dataclass(frozen=True)
class Comparison:
    """One measured quantity of one case, the computed value, and the relative error.

    Where a boundary is not found near the measured one, computed value and error are NaN.
    """

    track: Case
    quantity: str
    measured: float
    computed: float
    error: float
    mode: str

    def row(self) -> dict[str, Any]:
        """Case, quantity, values and error in engineering units, JSON types only."""
        quantity, track = _BY_NAME[self.quantity], self.track
        spread = track.deviation.get(self.quantity)
        return {
            "set": track.set, "case": track.case, "alloy": track.alloy,
            "fitted": list(track.fitted), "quantity": self.quantity, "unit": quantity.unit,
            "measured": _rounded(self.measured * quantity.shown),
            "sd": None if spread is None else _rounded(spread * quantity.shown),
            "computed": _rounded(self.computed * quantity.shown), "error": _rounded(self.error),
            "mode": self.mode,
        }


def _rounded(value: float) -> float | None:
    return float(f"{value:.5g}") if np.isfinite(value) else None


@cache
def _data() -> dict[str, Any]:
    return tomllib.loads(DATA.read_text(encoding="utf-8"))


@cache
def cases() -> tuple[Case, ...]:
    """All published cases in ``validation.toml``."""
    return tuple(_case(entry | case) for entry in _data()["set"] for case in entry["cases"])


def _case(row: dict[str, Any]) -> Case:
    measured, deviation = {}, {}
    for key, quantity in _QUANTITIES.items():
        if key in row:
            measured[quantity.name] = row[key] / quantity.shown
        spread = key.split("_")[0] + "_sd"
        if spread in row and key in row:
            deviation[quantity.name] = row[spread] / quantity.shown
    return Case(
        set=row["name"],
        case=row["id"],
        alloy=row["alloy"],
        source=row["source"],
        fitted=tuple(row["fitted"]),
        power=row.get("power_w", 0.0),
        speed=row.get("speed_mm_s", 0.0) * 1e-3,
        sigma=row["d4sigma_um"] * 1e-6 / 4.0,
        preheat=row["preheat_c"] + KELVIN,
        powder_layer=row.get("powder_um", 0.0) * 1e-6,
        dwell=row.get("dwell_ms", 0.0) * 1e-3,
        boundary=row.get("boundary", ""),
        measured=measured,
        deviation=deviation,
    )


def _pools(model: MeltPoolModel, case: Case, power: float, speed: float) -> MeltPool:
    metal = alloy(case.alloy)
    if case.dwell and hasattr(model, "along"):
        spot = BeamPath.spots([[0.0, 0.0]], power=power, dwell=case.dwell, sigma=case.sigma)
        # Calorimetry tells the mean over the pulse.
        times = case.dwell * (np.arange(10) + 0.5) / 10
        found: MeltPool = model.along(metal, [spot], times, preheat=case.preheat,
                                      powder_layer=case.powder_layer)
        return found
    return model.pools(metal, power, max(speed, AT_REST), case.sigma, case.preheat,
                       powder_layer=case.powder_layer)


def _limit(model: MeltPoolModel, case: Case) -> float:
    """Power (W) or speed (m/s) at which the model passes a case's boundary, NaN if out of reach.

    Halves a range about the measured limit: more power, or less speed, is beyond the boundary.
    """
    (quantity, measured), = case.measured.items()
    by_power = quantity == "limiting power"

    def beyond(limit: float) -> bool:
        power, speed = (limit, case.speed) if by_power else (case.power, limit)
        return bool(_BEYOND[case.boundary](_pools(model, case, power, speed), case.sigma)[-1])

    sound, past = measured / _SEARCH, measured * _SEARCH
    if not by_power:
        sound, past = past, sound
    if beyond(sound) or not beyond(past):
        return float("nan")
    for _ in range(_HALVINGS):
        middle = float(np.sqrt(sound * past))
        if beyond(middle):
            past = middle
        else:
            sound = middle
    return float(np.sqrt(sound * past))


def _computed(model: MeltPoolModel, case: Case) -> tuple[dict[str, float], str]:
    if case.boundary:
        (quantity,) = case.measured
        return {quantity: _limit(model, case)}, case.boundary
    pool = _pools(model, case, case.power, case.speed)

    def mean(values: Array) -> float:
        return float(np.mean(values))

    found = {
        "width": mean(pool.width), "depth": mean(pool.depth), "length": mean(pool.length),
        "cooling rate": mean(pool.cooling_rate), "absorptivity": mean(pool.absorptivity),
        "time above melting": mean(pool.length) / max(case.speed, AT_REST),
    }
    return found, Mode(pool.mode[-1]).name.lower()


def compare(
    model: MeltPoolModel | None = None, progress: Callable[[float], None] | None = None
) -> Iterator[Comparison]:
    """Every measured quantity against the model (default `Laws`); ``progress`` gets the share."""
    chosen = model or Laws()
    for done, case in enumerate(cases(), start=1):
        computed, mode = _computed(chosen, case)
        for quantity, measured in case.measured.items():
            value = computed[quantity]
            yield Comparison(case, quantity, measured, value, value / measured - 1.0, mode)
        if progress is not None:
            progress(done / len(cases()))


def summary(results: Mapping[str, Sequence[Comparison]]) -> list[dict[str, Any]]:
    """Errors by set, quantity and level: number, mean, mean absolute and root mean square error.

    ``fitted``: the level was adjusted on that set, so its errors are residuals. Boundaries that a
    level does not have near the measured one are counted in ``missed``, not in the means. The last
    rows take all sets together on which the level was not fitted. The key of a result begins with
    the level's name; what follows after a space tells results of one level apart.
    """
    every = next(iter(results.values()), ())
    groups = list(dict.fromkeys((r.track.set, r.quantity) for r in every))
    groups += [(ALL, q) for q in dict.fromkeys(r.quantity for r in every)]
    rows = []
    for name, quantity in groups:
        for level, found in results.items():
            chosen = [
                r for r in found
                if r.quantity == quantity
                and (r.track.set == name if name != ALL
                     else _name(level) not in r.track.fitted)
            ]
            errors = np.array([r.error for r in chosen if np.isfinite(r.error)])
            if not chosen:
                continue
            rows.append({
                "set": name, "quantity": quantity, "level": level,
                "fitted": _name(level) in chosen[0].track.fitted, "n": len(chosen),
                "missed": len(chosen) - len(errors),
                "mean_error": _rounded(float(np.mean(errors))) if len(errors) else None,
                "mean_abs_error": _rounded(float(np.mean(np.abs(errors)))) if len(errors) else None,
                "rms_error": (_rounded(float(np.sqrt(np.mean(errors**2)))) if len(errors)
                              else None),
            })
    return rows


def _name(result: str) -> str:
    return result.partition(" ")[0]


def _shown(quantity: str, value: float) -> str:
    style = _BY_NAME[quantity]
    return f"{value * style.shown:{style.digits}}" if np.isfinite(value) else "none near"


def summary_table(results: Mapping[str, Sequence[Comparison]]) -> list[dict[str, str]]:
    """`summary` to read: a row per set and quantity, mean / mean absolute error per level.

    * marks residuals of an adjustment.
    """
    rows = {(r["set"], r["quantity"], r["level"]): r for r in summary(results)}
    table = []
    for name, quantity in dict.fromkeys(key[:2] for key in rows):
        found = {level: rows.get((name, quantity, level)) for level in results}
        # Levels were adjusted on different sets: what is left differs in number.
        counts = list(dict.fromkeys(str(row["n"]) for row in found.values() if row))
        table.append({"set": name, "quantity": quantity, "n": ", ".join(counts),
                      **{level: _error_cell(row) for level, row in found.items()}})
    return table


def _error_cell(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "–"
    if row["mean_error"] is None:
        return "none near"
    missed = f", {row['missed']} missed" if row["missed"] else ""
    star = "*" if row["fitted"] else ""
    return f"{row['mean_error']:+.0%} / {row['mean_abs_error']:.0%}{star}{missed}"


def _describe(case: Case) -> str:
    power = f"{case.power:g} W" if case.power else ""
    speed = f"{case.speed * 1e3:g} mm/s" if case.speed else ""
    rest = f"at rest {case.dwell * 1e3:g} ms" if case.dwell else ""
    powder = f"{case.powder_layer * 1e6:g} µm powder" if case.powder_layer else ""
    spot = f"{case.sigma * 4e6:g} µm"
    return ", ".join(part for part in (power, speed, rest, spot, powder) if part)


def _misses(results: Mapping[str, Sequence[Comparison]]) -> list[str]:
    """A line per level: the sets and quantities with large errors or boundaries not found."""
    lines = []
    for level in results:
        wrong = [
            f"{row['set']}, {row['quantity']} ({_error_cell(row)})" for row in summary(results)
            if row["level"] == level and row["set"] != ALL
            and (row["missed"] or row["mean_abs_error"] > _LARGE)
        ]
        lines.append(f"- {level}: {'; '.join(wrong) or 'none'}.")
    return lines


def validation_table(results: Mapping[str, Sequence[Comparison]], command: str) -> str:
    """Markdown page of comparisons by level: a summary, then every case set by set with source.

    Keys of results are as in `summary`; ``command`` is what computed them, told on the page.
    """
    levels = list(results)
    notes = {name: _data()["level"].get(name) for name in dict.fromkeys(map(_name, levels))}
    lines = [
        "# Melt-pool levels against published measurements",
        "",
        f"Written by `{command}`. Every case is told, misses included. Of a level with grids the "
        "width of the finest cells is told.",
        "",
        *(f"- {name}: {note}" for name, note in notes.items() if note),
        "",
        "## Summary",
        "",
        "Mean error / mean absolute error, computed over measured minus one. * marks a set that "
        "the level was adjusted on: there it is a residual, elsewhere a prediction. \"None near\" "
        f"and \"missed\": the level has no such boundary within a factor of {_SEARCH:g}.",
        "",
        "| set | quantity | n | " + " | ".join(levels) + " |",
        "|---|---|---|" + "---|" * len(levels),
        *(f"| {' | '.join(row.values())} |" for row in summary_table(results)),
        "",
        "## Misses",
        "",
        f"Sets with a mean absolute error above {_LARGE:.0%}, or a boundary that was not found.",
        "",
        *_misses(results),
        *("", _data()["misses"], "", "## Cases", ""),
        "Measured ± one standard deviation where the source tells it, computed (error). Spots are "
        "D4σ (1/e²) diameters.",
    ]
    computed = {(level, r.track.set, r.track.case, r.quantity): r
                for level, found in results.items() for r in found}
    first = results[levels[0]]
    for name in dict.fromkeys(r.track.set for r in first):
        found = [r for r in first if r.track.set == name]
        track = found[0].track
        fitted = ", ".join(each for each in notes if each in track.fitted) or "no level"
        lines += [
            "", f"### {name}, {track.alloy}", "", f"{track.source}. Used for adjusting: {fitted}.",
            "", "| case | conditions | quantity | measured | " + " | ".join(levels) + " |",
            "|---|---|---|---|" + "---|" * len(levels),
        ]
        for each in found:
            spread = each.track.deviation.get(each.quantity)
            style = _BY_NAME[each.quantity]
            value = f"{each.measured * style.shown:.4g}"
            value += f" ± {spread * style.shown:.2g}" if spread else ""
            cells = []
            for level in levels:
                other = computed[level, name, each.track.case, each.quantity]
                tell = f" ({other.error:+.0%})" if np.isfinite(other.error) else ""
                cells.append(_shown(each.quantity, other.computed) + tell)
            title = each.quantity + (f", {style.unit}" if style.unit else "")
            lines.append(f"| {each.track.case} | {_describe(each.track)} | {title} | {value} | "
                         + " | ".join(cells) + " |")
    return "\n".join([*lines, ""])
