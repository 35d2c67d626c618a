"""The powder laboratory: what is measured, how well, how long it takes, and what is decided on it.

A reading is the true property with a normal error; a decision is taken on readings alone, with a
guard of two standard deviations inside every limit.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from math import inf, isfinite, isnan, sqrt
from pathlib import Path
from typing import Any, Final

import numpy as np

from twin.materials import alloy as find_alloy
from twin.powder.lot import PowderLot, Status
from twin.powder.operations import renamed

__all__ = ["GUARD", "METHODS", "Analysis", "Decision", "Limit", "Method", "Specification",
           "analysed", "decide", "measure", "processes", "specification", "true_value"]

DATA: Final = Path(__file__).with_name("specifications.toml")

GUARD: Final = 2.0
"""Standard deviations that a reading must lie inside a limit to count as inside."""

_STATE: Final = ("d10", "d50", "d90", "hall", "apparent", "tap", "density", "oxygen", "moisture",
                 "hollow", "satellites", "irregular", "foreign", "fines")
_SYMBOL: Final = {"nitrogen": "N", "hydrogen": "H"}


@dataclass(frozen=True, slots=True)
class Method:
    """A way to measure: ``properties`` it gives, ``time`` s of the laboratory for one sample.

    Standard deviation of a reading r: absolute + relative x r, and for a share counted on
    ``grains`` grains sqrt(r (1 - r) / grains) with it.
    """

    name: str
    properties: tuple[str, ...]
    time: float
    absolute: float = 0.0
    relative: float = 0.0
    grains: int = 0

    def sigma(self, reading: float) -> float:
        """Standard deviation of a reading, in its unit."""
        if not isfinite(reading):
            return 0.0
        simple = self.absolute + self.relative * abs(reading)
        if not self.grains:
            return simple
        # No grain found of n is compatible with one in n.
        share = min(max(reading, 1.0 / self.grains), 1.0 - 1.0 / self.grains)
        return sqrt(simple**2 + share * (1.0 - share) / self.grains)


# Times and errors: usual laboratory figures, default.
METHODS: Final[dict[str, Method]] = {m.name: m for m in (
    Method("psd", ("d10", "d50", "d90", "fines"), 300.0, relative=0.03),
    Method("hall", ("hall",), 300.0, relative=0.03),
    Method("density", ("apparent", "tap"), 600.0, relative=0.01),
    Method("oxygen", ("oxygen",), 600.0, absolute=20e-6),
    Method("nitrogen", ("nitrogen",), 600.0, absolute=10e-6),
    Method("moisture", ("moisture",), 1500.0, absolute=5e-6),
    Method("pycnometer", ("density",), 1800.0, relative=3e-4),
    Method("hollow", ("hollow",), 7200.0, grains=20_000),
    Method("shape", ("satellites", "irregular"), 600.0, absolute=0.005, grains=10_000),
    Method("foreign", ("foreign",), 900.0, absolute=2e-4, relative=0.02),
    Method("foreign-sem", ("foreign",), 7200.0, absolute=1e-5, grains=100_000),
)}
"""Laser diffraction, Hall funnel, apparent and tap density, inert gas fusion (oxygen, nitrogen),
Karl Fischer titration, helium pycnometer, computed tomography, image analysis, X-ray fluorescence
and automated scanning electron microscopy. ``chemistry`` is built for the elements of a lot."""


def chemistry(alloy: str) -> Method:
    """Emission spectrometry of the elements of an alloy: 1 % of a reading and 50 ppm; default."""
    return Method("chemistry", tuple(find_alloy(alloy).composition), 2400.0, 5e-5, 0.01)


def true_value(lot: PowderLot, name: str) -> float:
    """A property of a lot as it is: a name of the state, or the mass fraction of an element.

    ValueError for a name that is neither.
    """
    if name in _STATE:
        return float(getattr(lot, name))
    symbol = _SYMBOL.get(name, name)
    if not (symbol.isalpha() and 1 <= len(symbol) <= 2 and symbol[0].isupper()):
        raise ValueError(f"property {name!r} is unknown; known: {', '.join(_STATE)}, elements")
    return lot.fraction(symbol)


@dataclass(frozen=True)
class Analysis:
    """Readings of one sample: ``values`` and ``sigma`` by property, ``time`` s it took."""

    lot: str
    values: Mapping[str, float]
    sigma: Mapping[str, float]
    time: float


def _method(name: str | Method, lot: PowderLot) -> Method:
    if isinstance(name, Method):
        return name
    if name == "chemistry":
        return chemistry(lot.alloy)
    if name not in METHODS:
        raise ValueError(
            f"laboratory method {name!r} is unknown; known: {', '.join(METHODS)}, chemistry")
    return METHODS[name]


def measure(
    lot: PowderLot, methods: Iterable[str | Method], noise: np.random.Generator
) -> Analysis:
    """Measure a sample of a lot; the methods one after the other, each reading once.

    A powder that does not flow has a Hall time of infinity. Readings are not below 0. ValueError
    for an unknown method or an empty lot.
    """
    if not lot.metal:
        raise ValueError(f"lot {lot.id} is empty: nothing to measure")
    values: dict[str, float] = {}
    sigma: dict[str, float] = {}
    time = 0.0
    for method in [_method(name, lot) for name in methods]:
        time += method.time
        for name in method.properties:
            truth = true_value(lot, name)
            reading = truth + method.sigma(truth) * float(noise.standard_normal())
            values[name] = max(reading, 0.0)
            sigma[name] = method.sigma(values[name])
    return Analysis(lot.id, values, sigma, time)


def analysed(lot: PowderLot, analysis: Analysis) -> PowderLot:
    """The lot with the readings entered over what was measured before."""
    return renamed(lot, lot.id, measured={**lot.measured, **analysis.values},
                   sigma={**lot.sigma, **analysis.sigma})


@dataclass(frozen=True, slots=True)
class Limit:
    """What a property may be: from ``low`` to ``high``; beyond ``scrap`` nothing mends it."""

    low: float = -inf
    high: float = inf
    scrap: float = inf
    remedy: str = ""

    def __post_init__(self) -> None:
        if not self.low < self.high <= self.scrap:
            raise ValueError(f"limits {self.low:g}, {self.high:g}, {self.scrap:g} must rise")


@dataclass(frozen=True)
class Specification:
    """What a powder must be to be used: limits by property (SI, mass fractions)."""

    name: str
    alloy: str
    limits: Mapping[str, Limit]

    @property
    def methods(self) -> tuple[str, ...]:
        """Methods that measure all its properties, the quickest of each."""
        chosen: dict[str, None] = {}
        for name in self.limits:
            able = [m for m in METHODS.values() if name in m.properties]
            chosen[min(able, key=lambda m: m.time).name if able else "chemistry"] = None
        return tuple(chosen)


@dataclass(frozen=True)
class Decision:
    """What becomes of a lot: ``status`` released, hold or scrap, why, and what would mend it."""

    status: Status
    reasons: tuple[str, ...] = ()
    remedies: tuple[str, ...] = ()
    missing: tuple[str, ...] = field(default=())


def decide(lot: PowderLot, rule: Specification, guard: float = GUARD) -> Decision:
    """Release, hold or scrap a lot on what was measured.

    Released if every limited property is measured and lies ``guard`` standard deviations inside;
    scrap if one lies as far beyond what can be mended, or the lot is of another alloy; else held.
    """
    if lot.alloy != rule.alloy:
        return Decision("scrap", (f"alloy {lot.alloy}, specified {rule.alloy}",))
    reasons: list[str] = []
    remedies: dict[str, None] = {}
    scrap = False
    missing = tuple(name for name in rule.limits if name not in lot.measured)
    for name, limit in rule.limits.items():
        if name in missing:
            continue
        value, reach = lot.measured[name], guard * lot.sigma.get(name, 0.0)
        if value - reach > limit.scrap:
            scrap = True
            reasons.append(f"{name} {value:.4g} is beyond {limit.scrap:.4g}")
        elif value + reach > limit.high or value - reach < limit.low:
            clear = value - reach > limit.high or value + reach < limit.low
            bounds = " to ".join(f"{b:.4g}" for b in (limit.low, limit.high) if isfinite(b))
            verdict = "is outside" if clear else f"+- {reach:.2g} is not surely within"
            reasons.append(f"{name} {value:.4g} {verdict} {bounds}")
            if limit.remedy:
                remedies[limit.remedy] = None
    reasons += [f"{name} is not measured" for name in missing]
    if scrap:
        return Decision("scrap", tuple(reasons), (), missing)
    status: Status = "hold" if reasons else "released"
    return Decision(status, tuple(reasons), tuple(remedies), missing)


def _number(value: Any, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or isnan(value):
        raise ValueError(f"{where}: {value!r} is not a number")
    return float(value)


def _limit(data: Any, where: str) -> Limit:
    allowed = ("low", "high", "scrap", "remedy")
    if not isinstance(data, dict) or not data or set(data) - set(allowed):
        raise ValueError(f"{where}: needs some of {', '.join(allowed)}")
    numbers = {key: _number(data[key], f"{where}, {key}") for key in data if key != "remedy"}
    try:
        return Limit(**numbers, remedy=str(data.get("remedy", "")))
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from error


@cache
def _library(path: Path) -> dict[str, dict[str, dict[str, Limit]]]:
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError) as error:
        raise ValueError(f"{path.name}: {error}") from error
    return {
        process: {alloy: {name: _limit(limit, f"{path.name}, {process}, {alloy}, {name}")
                          for name, limit in limits.items()}
                  for alloy, limits in parts.items()}
        for process, parts in data.items()}


def processes(path: Path = DATA) -> list[str]:
    """Processes that have a specification."""
    return [name for name in _library(path) if name != "any"]


def specification(process: str, alloy: str, path: Path = DATA) -> Specification:
    """The specification of a powder of an alloy for a process, from data.

    The limits for every process and alloy come first; those for the process, and for the alloy,
    replace them one by one. ValueError for an unknown process or data that are wrong.
    """
    name, library = find_alloy(alloy).name, _library(path)
    if process not in processes(path):
        raise ValueError(
            f"no specification for process {process!r}; known: {', '.join(processes(path))}")
    limits: dict[str, Limit] = {}
    for group in (library.get("any", {}), library[process]):
        limits.update(group.get("any", {}))
        limits.update(group.get(name, {}))
    return Specification(f"{name} for {process}", name, limits)
