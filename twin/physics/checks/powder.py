"""Check values of powder as lots: cuts, monolayers of water, what uses make of it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache, partial
from math import exp, log
from typing import Final

from twin.physics.checks.check import Check, Source
from twin.powder.ageing import aged, ageing_of
from twin.powder.lot import PowderLot
from twin.powder.sizes import below, lognormal

__all__ = ["CHECKS"]

_MACHINE: Final = "powder"
_OWN = Source("Own calculation by the formula")
_TIAL = Source("Recycled Ti-48Al-2Cr-2Nb in PBF-EB, full text")
_TI64_EB = Source("Cited in JOM 71", 2019, "10.1007/s11837-018-3305-2")
_TI64_LB = Source("Reuse of Ti-6Al-4V in PBF-LB", 2022, "10.1080/00325899.2022.2133357")
_EIGA = Source("Ti-6Al-4V by EIGA", 2019, "10.7513/j.issn.1004-7638.2019.03.002")
_WIDTH: Final = 2.4

_CUTS: Final = (
    (24.0, 1.75, (67.0, 59.0, 13.0, 62.0)), (35.0, 1.9, (56.0, 63.0, 30.0, 77.0)),
    (60.0, 2.1, (32.0, 46.0, 43.0, 71.0)), (81.0, 2.4, (22.0, 33.0, 37.0, 56.0)),
)
_LIMITS: Final = ((15, 45), (20, 63), (45, 105), (20, 105))


def _cut(d50: float, s: float, low: float, high: float) -> float:
    masses = lognormal(d50 * 1e-6, s)
    return 100.0 * float(below(masses, high * 1e-6) - below(masses, low * 1e-6))


def _virgin(alloy: str, oxygen: float) -> PowderLot:
    return PowderLot.virgin("virgin", alloy, 50.0, 70e-6, 1.3, low=45e-6, high=106e-6,
                            oxygen=oxygen, satellites=0.1, irregular=0.03)


@cache
def _used(process: str, alloy: str, oxygen: float, uses: int) -> PowderLot:
    """A lot after so many builds of the usual length."""
    lot = _virgin(alloy, oxygen)
    figures = ageing_of(process, lot.alloy)
    for _ in range(uses):
        lot, _, _ = aged(lot, figures, figures.hours)
    return lot


def _oxygen(process: str, alloy: str, oxygen: float, uses: int) -> float:
    return _used(process, alloy, oxygen, uses).oxygen * 1e6


def _aluminium(uses: int) -> float:
    """Aluminium (at.%) that TiAl has lost."""
    atoms = {"Ti": 47.867, "Al": 26.982, "Cr": 51.996, "Nb": 92.906}

    def share(lot: PowderLot) -> float:
        moles = {e: lot.fraction(e) / m for e, m in atoms.items()}
        return 100.0 * moles["Al"] / sum(moles.values())

    return share(_used("pbf-eb", "TiAl", 5.6e-4, 0)) - share(_used("pbf-eb", "TiAl", 5.6e-4, uses))


def _monolayer(alloy: str) -> float:
    """Water (ppm) of a monolayer on grains with a surface mean of 35 um."""
    lot = PowderLot.virgin("wet", alloy, 1.0, 35e-6 * exp(log(1.3) ** 2 / 2), 1.3, moisture=1e-4)
    return 100.0 / lot.monolayers


def _checks() -> Iterator[Check]:
    for d50, s, yields in _CUTS:
        for (low, high), share in zip(_LIMITS, yields, strict=True):
            yield Check(_MACHINE, f"mass in {low}-{high} um of d50 {d50:g} um, s {s:g}",
                        "verification", _OWN, share, "%",
                        partial(_cut, d50, s, low, high), 0.6, absolute=True)
    for alloy, ppm in (("Ti64", 10.0), ("AlSi10Mg", 17.0), ("316L", 6.0)):
        yield Check(_MACHINE, f"water of a monolayer at 35 um, {alloy}", "verification", _OWN, ppm,
                    "ppm", partial(_monolayer, alloy), 0.6, absolute=True)
    yield Check(_MACHINE, "oxygen of Ti-6Al-4V after 21 uses in PBF-EB", "verification", _TI64_EB,
                1900.0, "ppm", lambda: _oxygen("pbf-eb", "Ti64", 8e-4, 21), 0.01,
                why="sets the gain of 52 ppm per use")
    yield Check(_MACHINE, "oxygen of Ti-6Al-4V after 10 uses in PBF-LB", "verification", _TI64_LB,
                1200.0, "ppm", lambda: _oxygen("pbf-lb", "Ti64", 1.1e-3, 10), 0.005,
                why="sets the gain of 10 ppm per use")
    yield Check(_MACHINE, "oxygen of TiAl after 30 uses in PBF-EB", "verification", _TIAL, 1200.0,
                "ppm", lambda: _oxygen("pbf-eb", "TiAl", 5.6e-4, 30), 0.01,
                why="sets the gain of 20.8 ppm per use")
    yield Check(_MACHINE, "aluminium lost by TiAl after 30 uses", "verification", _TIAL, 1.8,
                "at.%", lambda: _aluminium(30), 0.2, 0.2, absolute=True,
                why="sets the loss per use; 1.6 to 2 at.% measured")
    for uses, ppm in ((1, 580.0), (5, 660.0), (15, 890.0)):
        yield Check(_MACHINE, f"oxygen of TiAl after {uses} uses in PBF-EB", "validation", _TIAL,
                    ppm, "ppm", partial(_oxygen, "pbf-eb", "TiAl", 5.6e-4, uses), 0.02)
    slower = "the measured gain rises to 28 ppm per use after the blend, the model's is constant"
    yield Check(_MACHINE, "oxygen of TiAl 15 uses after the blend at 30", "validation", _TIAL,
                1300.0, "ppm", lambda: _oxygen("pbf-eb", "TiAl", 8.6e-4, 15), 0.05, miss=-0.09,
                spread=0.02, why=slower)
    yield Check(_MACHINE, "oxygen of TiAl 40 uses after the blend at 30", "validation", _TIAL,
                2000.0, "ppm", lambda: _oxygen("pbf-eb", "TiAl", 8.6e-4, 40), 0.05, miss=-0.134,
                spread=0.02, why=slower)
    yield Check(_MACHINE, "irregular grains of TiAl after 45 uses", "validation", _TIAL, 30.0, "%",
                lambda: 100.0 * _used("pbf-eb", "TiAl", 5.6e-4, 46).irregular, 0.0,
                bound="at least", why="stated as more than 30 % after more than 45 uses; the rate "
                "is a default")
    yield Check(_MACHINE, "mass in 15-45 um of an EIGA powder of D50 81.2 um", "validation", _EIGA,
                22.3, "%", lambda: _cut(81.2, _WIDTH, 15, 45), 1.0, absolute=True,
                why=f"log-normal with s {_WIDTH}, usual for EIGA")


CHECKS: Final[tuple[Check, ...]] = tuple(_checks())
"""Verifications before validations."""
