"""Check values of binder jetting and of its sintering furnace."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import cache, partial
from math import log
from typing import Final

from twin.physics import binder as b
from twin.physics import sintering as s
from twin.physics.checks.check import Check, Source
from twin.physics.sintering import MasterCurve, Segment

__all__ = ["CHECKS"]

_PRINTER: Final = "binder-jet"
_FURNACE: Final = "sinter-furnace"
_SETTINGS = Source("Binder-jet settings of a metal printer, table 2", 2021, "PMC8302005")
_IAPWS = Source("IAPWS saturation pressures")
_WMO = Source("WMO guide, psychrometric tables")
_KATSURAGI = Source("Katsuragi", 2011, "arXiv 1102.3416")
_COLTON = Source("Colton and Crane", 2021, "BYU faculty publications 5353")
_CABO_RIOS = Source("Cabo Rios et al.", 2022, "10.1080/00325899.2021.2020485")
_ESMATI = Source("Esmati et al.", 2024, "10.1016/j.mtcomm.2024.110528")
_CUSTOMARY = Source("Customary, not looked up")

# Drop 68.4 pL, 63.5 x 59.9 x 50 um, saturation 90 %, 2505 Hz, 150 mm/s.
_DROP, _DX, _DY, _DZ = 68.4e-15, 63.5e-6, 59.9e-6, 50e-6
_GRAIN: Final = 12e-6
_GREEN: Final = 0.55
_SINTERED = (
    (Segment(1573.15, 10 / 60, 3600.0), 0.850),
    (Segment(1643.15, 5 / 60, 3600.0), 0.964),
)
_DEW_POINTS = ((1100.0, -30.0), (1150.0, -25.0))


def _line_exponent() -> float:
    """Power of the interval between drops (0.1 to 1.6 ms) with which the line spacing grows."""
    radius = b.pore_radius(_GRAIN, 0.6)
    short, long = (b.line_spacing_limit(_DROP, t, radius, b.Binder()) for t in (1e-4, 16e-4))
    return log(long / short) / log(16.0)


def _penetration_exponent() -> float:
    radius = b.pore_radius(_GRAIN, _GREEN)
    thin, thick = (b.penetration_time(_DZ, radius, replace(b.Binder(), viscosity=v))
                   for v in (4e-3, 16e-3))
    return log(thick / thin) / log(4.0)


def _wet_bulb(humidity: float, dry: float) -> float:
    pressure = humidity * b.vapour_pressure(dry + 273.15)
    return b.surface_temperature(dry + 273.15, pressure, 20.0, b.WATER) - 273.15


def _printer() -> Iterator[Check]:
    yield Check(_PRINTER, "packing that 68.4 pL per voxel at 90 % saturation imply",
                "verification", _SETTINGS, 0.600, "1",
                lambda: b.packing_for(_DROP, 0.9, _DX, _DY, _DZ), 1e-3)
    yield Check(_PRINTER, "drop that fills that voxel to 90 %", "verification", _SETTINGS, 68.4,
                "pL", lambda: b.drop_volume_for(0.9, 0.600, _DX, _DY, _DZ) * 1e15, 2e-3)
    for celsius, pascal in ((20, 2339.0), (40, 7385.0), (60, 19946.0), (80, 47414.0)):
        yield Check(_PRINTER, f"vapour pressure of water at {celsius} °C", "verification", _IAPWS,
                    pascal, "Pa", partial(b.vapour_pressure, celsius + 273.15), 0.012,
                    why="the Magnus form was fitted to such pressures")
    yield Check(
        _PRINTER, "largest spacing at which the published drops join to lines", "validation",
        _SETTINGS, _DY * 1e6, "µm",
        lambda: b.line_spacing_limit(
            _DROP, 1 / 2505, b.pore_radius(6e-6, 0.6), replace(b.Binder(), viscosity=12e-3)) * 1e6,
        0.0, bound="at least",
        why="parts printed so were sound; grain and ink are not told: the least favourable of "
            "6 to 18 µm and 4 to 12 mPa s is taken")
    for humidity, dry, wet in ((0.50, 20.0, 13.8), (0.50, 30.0, 22.0), (0.20, 25.0, 12.5)):
        yield Check(_PRINTER, f"wet surface at {dry:g} °C and {humidity:.0%} humidity",
                    "validation", _WMO, wet, "°C", partial(_wet_bulb, humidity, dry), 0.7,
                    uncertainty=0.1, absolute=True,
                    why="heat and vapour are tied by the Lewis relation, no constant is free; the "
                        "table's figures agree with Stull's fit (2011) within 0.3 K")
    yield Check(_PRINTER, "power of the viscosity in the time that a drop takes to soak in",
                "validation", _KATSURAGI, 0.5, "1", _penetration_exponent, 0.1, absolute=True,
                miss=0.5,
                why="millimetre drops on loose beds, where inertia counts; at 50 µm it does not, "
                    "so Washburn's first power is kept")
    yield Check(_PRINTER, "power of the interval in the spacing at which drops join to lines",
                "validation", _COLTON, 0.5, "1", _line_exponent, 0.1, absolute=True, miss=-0.27,
                why="only what soaks between two drops grows with the root of the interval, the "
                    "drop's own width does not; 12 µm powder and the default ink are assumed")


@cache
def _curve() -> MasterCurve:
    return MasterCurve.steel_316l()


@cache
def _two_branches() -> MasterCurve:
    return MasterCurve.fitted(_SINTERED, 556e3, low_energy=94e3)


def _density(curve: MasterCurve, segment: Segment) -> float:
    return 100.0 * curve.density(curve.work([segment]))


def _dew_point(celsius: float) -> float:
    """Dew point (degC) of the water vapour in balance, Magnus form (Sonntag 1990)."""
    x = log(s.oxide_dew_point(celsius + 273.15) / 611.2)
    # Over ice, as dew points below 0 degC are told.
    return 272.62 * x / (22.46 - x)


def _furnace() -> Iterator[Check]:
    for segment, density in _SINTERED:
        hot = segment.target - 273.15
        yield Check(_FURNACE, f"density of 316L after {hot:.0f} °C", "verification", _CABO_RIOS,
                    100 * density, "%", lambda x=segment: _density(_curve(), x),  # type: ignore[misc]
                    2e-3, uncertainty=0.3,
                    why="the master curve was fitted to it; 1 h of hold and a green density of "
                        "0.55 are assumed")
        yield Check(_FURNACE, f"the same, {hot:.0f} °C, by two branches", "verification",
                    _CABO_RIOS, 100 * density, "%",
                    lambda x=segment: _density(_two_branches(), x),  # type: ignore[misc]
                    1e-6, uncertainty=0.3, why="fitted to it, with energies of Esmati et al.")
    yield Check(_FURNACE, "slope of the master curve", "verification", _CABO_RIOS, 1.056, "1",
                lambda: MasterCurve.fitted(_SINTERED, 500e3).slope, 1e-3,
                why="from the two densities")
    yield Check(_FURNACE, "centre of the master curve", "verification", _CABO_RIOS, -38.0, "1",
                lambda: MasterCurve.fitted(_SINTERED, 500e3).centre, 1e-3,
                why="from the two densities")
    yield Check(_FURNACE, "apparent activation energy above 1300 °C", "verification", _ESMATI,
                556.0, "kJ/mol", lambda: _curve().energy * 1e-3, 0.12, uncertainty=66.0,
                why="published: 490 to 623; the curve's energy was taken in this range")
    mass = Source("By hand, conservation of mass")
    yield Check(_FURNACE, "shrinkage from 55 to 96.4 %, the same in all directions",
                "verification", mass, 17.1, "%",
                lambda: 100 * s.isotropic_shrinkage(_GREEN, 0.964), 3e-3)
    for axis, shrinkage in enumerate((16.2, 18.7)):
        yield Check(_FURNACE, ("shrinkage in the layer plane", "shrinkage along the build")[axis]
                    + ", 15 % more along the build", "verification", mass, shrinkage, "%",
                    lambda i=axis: 100 * s.anisotropic_shrinkage(  # type: ignore[misc]
                        _GREEN, 0.964)[i], 3e-3)
    yield Check(_FURNACE, "largest shrinkage along the build", "verification", _CABO_RIOS, 20.0,
                "%", lambda: 100 * s.anisotropic_shrinkage(_GREEN, 1.0)[1], 0.03, uncertainty=0.5,
                why="“up to 20 %”, ours at full density; the ratio 1.15 is of the same samples")
    for celsius, dew in _DEW_POINTS:
        yield Check(_FURNACE, f"dew point at which hydrogen reduces chromium oxide at "
                              f"{celsius:.0f} °C", "verification", _CUSTOMARY, dew, "°C",
                    partial(_dew_point, celsius), 5.0, uncertainty=4.0, absolute=True,
                    why="what shops keep for stainless steel; the Gibbs energies are not fitted")
    yield Check(_FURNACE, "shrinkage along the build over that in the plane", "validation",
                _ESMATI, 1.16, "1",
                lambda: 1.0 + (lambda p: p[1] / p[0] - 1.0)(
                    s.anisotropic_shrinkage(_GREEN, 0.96)), 0.02, uncertainty=0.02,
                why="“up to 16 %” more; another laboratory, powder and printer than those the "
                    "ratio is from")
    yield Check(_FURNACE, "shrinkage at 96 %, mean of directions", "validation", _ESMATI, 15.0,
                "%", lambda: 100 * s.isotropic_shrinkage(_GREEN, 0.96), 0.05, uncertainty=0.5,
                miss=0.13, spread=0.01,
                why="“up to 15 %”, neither the direction nor their green density is told: with "
                    "0.58 instead of 0.55 ours would be 15.5 %")
    yield Check(_FURNACE, "apparent activation energy from 1100 to 1300 °C", "validation",
                _ESMATI, 94.0, "kJ/mol", lambda: _curve().energy * 1e-3, 0.73, uncertainty=68.0,
                miss=4.3, spread=0.1,
                why="published: 25 to 162; the machine's curve has one branch, so it densifies "
                    "too late and too steeply below 1300 °C")
    onset = "loose 316L is known to begin to shrink near 1050 to 1100 °C only"
    yield Check(_FURNACE, "density after 1 h at 1100 °C, by two branches", "verification",
                _CUSTOMARY, 56.0, "%",
                lambda: _density(_two_branches(), Segment(1373.15, 10 / 60, 3600.0)), 0.05,
                bound="at most", miss=0.32,
                why=f"{onset}; the low energies put into the sigmoid as they are densify far too "
                    "soon, so machines use one branch")
    yield Check(_FURNACE, "density after 1 h at 1100 °C, by the machine's curve", "verification",
                _CUSTOMARY, 56.0, "%",
                lambda: _density(_curve(), Segment(1373.15, 10 / 60, 3600.0)), 0.0,
                bound="at most", why=onset)


CHECKS: Final[tuple[Check, ...]] = (*_printer(), *_furnace())
