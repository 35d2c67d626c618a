"""Build alloys: thermophysical properties over temperature, with sources, by name.

Data live in ``alloys.toml``; every figure there has a unit and a source or the mark 'default'.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

__all__ = [
    "ATMOSPHERE",
    "GAS_CONSTANT",
    "STEFAN_BOLTZMANN",
    "Alloy",
    "MaterialError",
    "alloy",
    "alloys",
]

Array = npt.NDArray[np.float64]

GAS_CONSTANT: Final = 8.314462618
ATMOSPHERE: Final = 101_325.0
STEFAN_BOLTZMANN: Final = 5.670374419e-8

DATA: Final = Path(__file__).with_name("alloys.toml")

# Every figure an alloy must have: unit and allowed range.
_CONSTANTS: Final[dict[str, tuple[str, float, float]]] = {
    "solidus": ("K", 300.0, 5000.0),
    "liquidus": ("K", 300.0, 5000.0),
    "boiling": ("K", 500.0, 8000.0),
    "latent_fusion": ("J/kg", 1e4, 1e6),
    "latent_vapour": ("J/kg", 1e6, 1e8),
    "molar_mass": ("kg/mol", 0.005, 0.3),
    "emissivity": ("1", 0.01, 1.0),
    "powder_packing": ("1", 0.3, 0.8),
    "youngs_modulus": ("Pa", 1e9, 1e12),
    "yield_strength": ("Pa", 1e6, 5e9),
    "thermal_expansion": ("1/K", 1e-6, 1e-4),
    "keyhole_absorptivity": ("1", 0.05, 1.0),
    "keyhole_factor": ("1", 0.1, 5.0),
    "upwelling": ("1", 0.0, 0.95),
    "powder_conductivity": ("W/(m K)", 0.01, 50.0),
    "sintered_conductivity": ("W/(m K)", 0.01, 100.0),
    "sources_keyhole_factor": ("1", 0.1, 5.0),
    "surface_tension": ("N/m", 0.1, 5.0),
    "viscosity": ("Pa s", 1e-4, 0.1),
    "electrical_conductivity": ("S/m", 1e5, 1e8),
}
_CURVES: Final[dict[str, tuple[str, str, float, float]]] = {
    "density": ("T", "kg/m3", 1e3, 3e4),
    "specific_heat": ("T", "J/(kg K)", 50.0, 3e3),
    "conductivity": ("T", "W/(m K)", 1.0, 1e3),
    "absorptivity": ("wavelength", "1", 0.005, 1.0),
}


_AXES: Final = {"temperature": "K", "wavelength": "m"}


class MaterialError(ValueError):
    """Unknown alloy, bad alloy data, or a property asked for outside its stated range."""


@dataclass(frozen=True, eq=False)
class Curve:
    """Piecewise-linear property, held at its ends inside a stated range and refused outside it."""

    name: str
    unit: str
    at: Array
    value: Array
    low: float
    high: float
    axis: str = "temperature"

    def __call__(self, at: npt.ArrayLike) -> Array:
        """Interpolate, any shape; raises MaterialError outside ``low`` .. ``high`` or for NaN."""
        points = np.asarray(at, float)
        if not bool(np.all((points >= self.low) & (points <= self.high))):
            raise MaterialError(
                f"{self.name}: {self.axis} {_span(points)} {_AXES[self.axis]}, "
                f"allowed {self.low:g} to {self.high:g} {_AXES[self.axis]}"
            )
        return np.asarray(np.interp(points, self.at, self.value))

    def mean(self, low: npt.ArrayLike, high: float) -> Array:
        """Mean from ``low`` (any shape) up to ``high``, exact for the straight pieces."""
        start = np.asarray(low, float)
        self(high)
        area = self._integral(np.asarray(high)) - self._integral(start, self(start))
        result: Array = area / (high - start)
        return result

    def _integral(self, at: Array, value: Array | None = None) -> Array:
        """Integral from the first point; the property is constant beyond its end points."""
        steps = 0.5 * (self.value[1:] + self.value[:-1]) * np.diff(self.at)
        area = np.concatenate([[0.0], np.cumsum(steps)])
        index = np.clip(np.searchsorted(self.at, at, side="right") - 1, 0, len(self.at) - 1)
        end = self(at) if value is None else value
        result: Array = area[index] + 0.5 * (self.value[index] + end) * (at - self.at[index])
        return result


def _span(values: Array) -> str:
    return f"{values:g}" if values.ndim == 0 else f"{values.min():g} to {values.max():g}"


@dataclass(frozen=True, eq=False)
class Alloy:
    """One build alloy, SI units, temperatures in K.

    Properties over temperature are piecewise linear and accept arrays. ``absorptivity``, over the
    wavelength in m, is that of a flat bare surface, ``keyhole_absorptivity`` its limit in a deep
    keyhole. ``keyhole_factor`` scales the closed-form keyhole depth to measured melt depths (1
    where nothing is measured), ``sources_keyhole_factor`` that of the moving sources.
    ``surface_tension`` and ``viscosity`` (dynamic) are those of the clean melt near its liquidus,
    ``electrical_conductivity`` that of the solid at room temperature.
    ``composition`` holds mass fractions by element, ``sources`` the origin of every figure.
    Mechanical figures are those at room temperature.
    """

    name: str
    solidus: float
    liquidus: float
    boiling: float
    latent_fusion: float
    latent_vapour: float
    molar_mass: float
    emissivity: float
    powder_packing: float
    youngs_modulus: float
    yield_strength: float
    thermal_expansion: float
    keyhole_absorptivity: float
    keyhole_factor: float
    upwelling: float
    powder_conductivity: float
    sintered_conductivity: float
    sources_keyhole_factor: float
    surface_tension: float
    viscosity: float
    electrical_conductivity: float
    reactive: bool
    composition: Mapping[str, float]
    density: Curve
    specific_heat: Curve
    conductivity: Curve
    absorptivity: Curve
    aliases: tuple[str, ...] = ()
    sources: Mapping[str, str] = field(default_factory=dict, repr=False)

    def solid_means(self, preheat: npt.ArrayLike) -> tuple[Array, Array, Array]:
        """Mean density, specific heat and conductivity from ``preheat`` (K) to the solidus.

        The conductivity mean is the Kirchhoff transform, which is exact for steady conduction.
        """
        return (
            self.density.mean(preheat, self.solidus),
            self.specific_heat.mean(preheat, self.solidus),
            self.conductivity.mean(preheat, self.solidus),
        )

    def enthalpy(self, temperature: npt.ArrayLike) -> Array:
        """Enthalpy per volume (J/m3) above 0 K extrapolated, any shape; rises all the way.

        The integral of density times specific heat, and the latent heat of fusion spread evenly
        between solidus and liquidus.
        """
        t = np.asarray(temperature, float)
        self.density(t)
        nodes, values = self._enthalpy_table
        sensible = np.interp(t, nodes, values)
        mushy = np.clip((t - self.solidus) / (self.liquidus - self.solidus), 0.0, 1.0)
        latent = float(self.density(self.solidus)) * self.latent_fusion
        return np.asarray(sensible + latent * mushy)

    @cached_property
    def _enthalpy_table(self) -> tuple[Array, Array]:
        nodes = np.unique(np.concatenate([
            np.linspace(self.density.low, self.density.high, 8001), self.density.at,
            self.specific_heat.at, [self.solidus, self.liquidus]]))
        nodes = nodes[(nodes >= self.density.low) & (nodes <= self.density.high)]
        capacity = self.density(nodes) * self.specific_heat(nodes)
        steps = 0.5 * (capacity[1:] + capacity[:-1]) * np.diff(nodes)
        return nodes, np.concatenate([[0.0], np.cumsum(steps)]) + capacity[0] * nodes[0]

    def absorbing(self, share: float) -> Alloy:
        """The same alloy under a beam of which it absorbs ``share`` at any wavelength.

        For electrons, whose absorption is not optical. ValueError outside 0.005 to 1.
        """
        axis, unit, low, high = _CURVES["absorptivity"]
        if not low <= share <= high:
            raise ValueError(f"absorbed share {share!r}: allowed {low:g} to {high:g}")
        value = np.full(2, share)
        flat = Curve(f"{self.name} absorptivity", unit, np.array([1e-12, 1.0]), value, 0.0,
                     np.inf, axis)
        sources = {**self.sources, "absorptivity": "of the beam"}
        return replace(self, absorptivity=flat, sources=sources)

    def bed_conductivity(self, sintering: float = 0.0) -> float:
        """Conductivity (W/(m K)) of a powder bed, loose (0) to sintered by preheating (1).

        Between the two in proportion to the degree of sintering: default. ValueError outside 0..1.
        """
        if not 0.0 <= sintering <= 1.0:
            raise ValueError(f"sintering {sintering!r}: allowed 0 to 1")
        step = self.sintered_conductivity - self.powder_conductivity
        return self.powder_conductivity + sintering * step

    def vapour_pressure(self, temperature: npt.ArrayLike) -> Array:
        """Saturation pressure (Pa) at temperatures (K), any shape: Clausius and Clapeyron."""
        t = np.asarray(temperature, float)
        slope = self.latent_vapour * self.molar_mass / GAS_CONSTANT
        return np.asarray(ATMOSPHERE * np.exp(slope * (1.0 / self.boiling - 1.0 / t)))

    def evaporation_flux(self, temperature: npt.ArrayLike) -> Array:
        """Mass that leaves a surface (kg/(m2 s)): Hertz and Knudsen, less what recondenses.

        Of the vapour 18 % come back (Anisimov 1968; Knight 1979).
        """
        t = np.asarray(temperature, float)
        speed = np.sqrt(self.molar_mass / (2.0 * np.pi * GAS_CONSTANT * t))
        return np.asarray(0.82 * self.vapour_pressure(t) * speed)

    def is_default(self, figure: str) -> bool:
        """Whether a figure is a usual value without a checked publication."""
        return self.sources[figure].startswith("default")


def _key(name: str) -> str:
    return "".join(c for c in name.casefold() if c.isalnum())


def _number(value: Any, low: float, high: float, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise MaterialError(f"{where}: {value!r} is not a number from {low:g} to {high:g}")
    return float(value)


def _entry(data: Mapping[str, Any], figure: str, unit: str, where: str) -> Mapping[str, Any]:
    entry = data.get(figure)
    if not isinstance(entry, dict) or not str(entry.get("source", "")):
        raise MaterialError(f"{where}, {figure}: needs value, unit and source")
    if entry.get("unit") != unit:
        raise MaterialError(f"{where}, {figure}: unit {entry.get('unit')!r}, expected {unit!r}")
    return entry


def _composition(data: Mapping[str, Any], where: str) -> tuple[dict[str, float], str]:
    entry = _entry(data, "composition", "kg/kg", where)
    value = entry.get("value")
    if not isinstance(value, dict) or not value:
        raise MaterialError(f"{where}, composition: needs mass fractions by element")
    parts = {
        element: _number(part, 0.0, 1.0, f"{where}, composition, {element}")
        for element, part in value.items()
    }
    if abs(sum(parts.values()) - 1.0) > 1e-6:
        raise MaterialError(f"{where}, composition: adds up to {sum(parts.values()):g}, allowed 1")
    return parts, str(entry["source"])


def _parse(name: str, data: Mapping[str, Any], where: str) -> Alloy:
    where = f"{where}: {name}"
    figures: dict[str, Any] = {}
    sources: dict[str, str] = {}
    limits = data.get("temperature_range", ())
    if len(limits) != 2 or not 0 < limits[0] < limits[1]:
        raise MaterialError(f"{where}, temperature_range: needs [low, high] in K")
    for figure, (unit, low, high) in _CONSTANTS.items():
        entry = _entry(data, figure, unit, where)
        figures[figure] = _number(entry.get("value"), low, high, f"{where}, {figure}")
        sources[figure] = entry["source"]
    for figure, (axis, unit, low, high) in _CURVES.items():
        entry = _entry(data, figure, unit, where)
        at = np.array(entry.get(axis, ()), float)
        values = entry.get("value", ())
        value = np.array([_number(v, low, high, f"{where}, {figure}") for v in values])
        if len(at) != len(value) or len(at) < 2 or not np.all(np.diff(at) > 0):
            raise MaterialError(f"{where}, {figure}: needs as many values as rising {axis}")
        span = limits if axis == "T" else (at[0] - 20e-9, at[-1] + 30e-9)
        figures[figure] = Curve(
            f"{name} {figure}",
            unit,
            at,
            value,
            float(span[0]),
            float(span[1]),
            "temperature" if axis == "T" else axis,
        )
        sources[figure] = entry["source"]
    if not figures["solidus"] < figures["liquidus"] < figures["boiling"]:
        raise MaterialError(f"{where}: needs solidus < liquidus < boiling")
    figures["composition"], sources["composition"] = _composition(data, where)
    reactive, aliases = data.get("reactive"), data.get("aliases", ())
    if not isinstance(reactive, bool):
        raise MaterialError(f"{where}, reactive: {reactive!r} is not true or false")
    return Alloy(name=name, reactive=reactive, aliases=tuple(aliases), sources=sources, **figures)


def load(path: Path) -> dict[str, Alloy]:
    """Read and check an alloy file; raises MaterialError naming file, alloy, figure and range."""
    try:
        data = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise MaterialError(f"{path.name}: {error}") from error
    return {name: _parse(name, entry, path.name) for name, entry in data.items()}


@cache
def _library() -> tuple[dict[str, Alloy], dict[str, Alloy]]:
    """All alloys by name, and by every alias, keys without case and punctuation."""
    by_name = load(DATA)
    by_key: dict[str, Alloy] = {}
    for entry in by_name.values():
        for label in (entry.name, *entry.aliases):
            if by_key.setdefault(_key(label), entry) is not entry:
                raise MaterialError(f"{DATA.name}: alias {label!r} names two alloys")
    return by_name, by_key


def alloys() -> list[str]:
    """Names of the known alloys, in file order."""
    return list(_library()[0])


def alloy(name: str) -> Alloy:
    """The alloy of that name or alias, case and punctuation ignored; MaterialError if unknown."""
    found = _library()[1].get(_key(name))
    if found is None:
        raise MaterialError(f"alloy {name!r} is unknown; known: {', '.join(alloys())}")
    return found
