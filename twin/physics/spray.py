"""Gas atomization: melt flow, size of droplets, their cooling, satellites, hollow grains, oxide."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import exp, log, pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from twin.materials import GAS_CONSTANT, STEFAN_BOLTZMANN, Alloy
from twin.physics.atomizing_gas import GASES, AtomizingGas
from twin.powder.sizes import BINS, CENTRES

__all__ = [
    "OXIDES",
    "Attached",
    "Melt",
    "Oxide",
    "aspiration",
    "attach_satellites",
    "freezing_length",
    "hollow_share",
    "irregular_share",
    "lubanska",
    "melt_flow",
    "splat_share",
    "spread",
    "stream_diameter",
]

Floats = npt.NDArray[np.float64]
GRAVITY: Final = 9.80665

# Activation energy (J/mol) of melt viscosity and slope (N/(m K)) of surface tension: defaults.
_ANDRADE: Final = 40_000.0
_SOFTENING: Final = 4.0e-4


@dataclass(frozen=True, slots=True)
class Melt:
    """What the size correlation needs of a melt at one temperature, SI units."""

    density: float
    viscosity: float
    tension: float

    @classmethod
    def of(cls, metal: Alloy, temperature: float) -> Melt:
        """Properties of an alloy's melt at a temperature (K), not below its liquidus.

        Viscosity after Andrade (1934), surface tension in a straight line; their coefficients are
        defaults for all alloys.
        """
        t = max(temperature, metal.liquidus)
        viscosity = metal.viscosity * exp(
            _ANDRADE / GAS_CONSTANT * (1.0 / t - 1.0 / metal.liquidus))
        tension = max(metal.surface_tension - _SOFTENING * (t - metal.liquidus),
                      0.3 * metal.surface_tension)
        return cls(float(metal.density(t)), viscosity, tension)


def melt_flow(diameter: float, density: float, head: float, suction: float,
              discharge: float = 0.8) -> float:
    """Melt (kg/s) through a nozzle: m = Cd (pi D^2/4) sqrt(2 rho (rho g h + dp)), Bernoulli.

    ``diameter`` and ``head`` m, ``density`` kg/m3, ``suction`` Pa by which the gas draws the melt
    (below 0: it presses back). 0 where nothing drives it down.
    """
    drive = density * GRAVITY * head + suction
    if drive <= 0.0 or diameter <= 0.0:
        return 0.0
    return discharge * 0.25 * pi * diameter**2 * sqrt(2.0 * density * drive)


def aspiration(protrusion: float, pressure: float) -> float:
    """Suction (Pa) at the tip of the melt delivery tube; below 0 the gas presses back.

    Wang et al. (2022, Arch. Metall. Mater. 67(4) 1359) saw backflow and blockage with a flush tube
    or one that stands out 3 mm, and a steady stream with a longer one. The line through these, the
    most of it (20 kPa at 6 mm and 5.5 MPa) and its growth with the gas ``pressure`` (Pa) are
    defaults. ``protrusion`` m.
    """
    share = min(max((protrusion - 3.2e-3) / 2.8e-3, -1.0), 1.0)
    most = 20e3 if share > 0.0 else 12e3
    return most * share * min(pressure / 5.5e6, 1.5)


def stream_diameter(flow: float, density: float, fall: float) -> float:
    """Diameter (m) of a stream of a mass flow (kg/s) that has fallen freely from rest (m)."""
    if flow <= 0.0:
        return 0.0
    return sqrt(4.0 * flow / (pi * density * sqrt(2.0 * GRAVITY * fall)))


def lubanska(constant: float, diameter: float, melt: Melt, speed: float, kinematic: float,
             ratio: float) -> float:
    """Mass median diameter (m) of gas-atomized powder after Lubanska (1970).

    d50 = K D sqrt[(nu_m/nu_g) (1 + 1/GMR) / We], We = rho_m v^2 D / sigma, with KINEMATIC
    viscosities (m2/s) and the density of the LIQUID; ``speed`` of the gas (m/s), ``diameter`` of
    the stream (m), ``ratio`` mass of gas per mass of melt. K belongs to the nozzle: 40 to 50 in
    the original, to be found anew for each one. ValueError for figures that are not positive.
    """
    if not (diameter > 0.0 and speed > 0.0 and ratio > 0.0 and kinematic > 0.0):
        raise ValueError("stream, speed, gas viscosity and gas-to-metal ratio must be above 0")
    weber = melt.density * speed**2 * diameter / melt.tension
    viscosities = melt.viscosity / melt.density / kinematic
    return constant * diameter * sqrt(viscosities * (1.0 + 1.0 / ratio) / weber)


def spread(least: float, ripple: float) -> float:
    """Geometric standard deviation of powder made under a ripple of the gas-to-metal ratio.

    ``least`` that of the nozzle when steady, ``ripple`` relative amplitude (1 sigma) of the ratio
    within a second. Variances of ln d add; d50 follows the ratio with a power of about 1/2 at a
    low ratio.
    """
    return exp(sqrt(log(least) ** 2 + (0.5 * ripple) ** 2))


# -- flight ------------------------------------------------------------------------------------

_JET: Final = 0.10  # m over which the jet's speed falls to half, default
_RECIRCULATION: Final = 4.0  # m/s of gas far from the nozzle, default
_STEPS: Final = 220


def freezing_length(metal: Alloy, gas: AtomizingGas, speed: float, melt: float, around: float
                    ) -> Floats:
    """Flight (m) after which droplets of each size class (40,) are solid.

    ``speed`` (m/s) of the gas at the nozzle, ``melt`` and ``around`` (K) temperatures of droplet
    and gas. Heat transfer Nu = 2 + 0.6 Re^0.5 Pr^0.33 (Ranz and Marshall 1952) and radiation; drag
    of spheres after Schiller and Naumann (1933); the gas slows down as a free jet does. Melt
    enthalpy and latent heat leave before a droplet counts as solid, undercooling does not matter
    for that; in gas that is as hot as the liquidus they never do (infinity). Inputs are rounded to
    2 m/s and 5 K, so that the answer can be kept.
    """
    return _freezing(metal.name, metal, gas.name, round(speed / 2.0), round(melt / 5.0),
                     round(around / 5.0))


@lru_cache(maxsize=256)
def _freezing(_name: str, metal: Alloy, gas_name: str, speed2: int, melt5: int, around5: int
              ) -> Floats:
    gas, jet, hot, cold = GASES[gas_name], 2.0 * speed2, 5.0 * melt5, 5.0 * around5
    d = CENTRES
    freeze = metal.liquidus
    if cold >= freeze:
        never = np.full(BINS, np.inf)
        never.setflags(write=False)
        return never
    hot = max(hot, freeze)
    density = float(metal.density(hot))
    heat = float(metal.specific_heat(freeze))
    film = 0.5 * (freeze + cold)
    viscosity, conductivity = gas.viscosity(film), gas.conductivity(film)
    thin = gas.density(cold)
    content = heat * (hot - freeze) + metal.latent_fusion
    left = np.full(BINS, content)
    place = np.full(BINS, 1e-4)
    speed = np.full(BINS, 5.0)
    length = np.full(BINS, np.inf)
    emitted = metal.emissivity * STEFAN_BOLTZMANN * (freeze**4 - cold**4)
    # Each class on its own clock: a fiftieth of the time in which still gas would freeze it.
    still = density * d**2 * content / (12.0 * conductivity * (freeze - cold))
    for _ in range(_STEPS):
        around = np.maximum(jet / (1.0 + place / _JET), _RECIRCULATION)
        slip = around - speed
        reynolds = thin * np.abs(slip) * d / viscosity
        nusselt = 2.0 + 0.6 * np.sqrt(reynolds) * gas.prandtl ** (1.0 / 3.0)
        temperature = freeze + np.maximum(left - metal.latent_fusion, 0.0) / heat
        flux = nusselt * conductivity / d * (temperature - cold) + emitted
        loss = 6.0 * flux / (density * d)
        # Not further than a twentieth of the heat, of the speed, or of the way.
        relax = density * d**2 / (18.0 * viscosity * (1.0 + 0.15 * reynolds**0.687))
        step = np.minimum(0.05 * content / loss, np.maximum(0.2 * still, relax))
        step = np.minimum(step, 0.2 * (place + 0.02) / np.maximum(speed, 1.0))
        fade = np.exp(-step / relax)
        drift = around + GRAVITY * relax
        after = drift + (speed - drift) * fade
        going = left > 0.0
        share = np.minimum(left / np.maximum(loss * step, 1e-30), 1.0)
        moved = 0.5 * (speed + after) * step
        length = np.where(going & (left <= loss * step), place + moved * share, length)
        left = np.where(going, left - loss * step, left)
        place, speed = place + moved, after
        if not np.any(left > 0.0):
            break
    length.setflags(write=False)
    return length


def splat_share(lengths: Floats, way: float) -> Floats:
    """Share (40,) of each class that hits the wall before it is solid.

    ``lengths`` (40,) m of flight to solidity, ``way`` m to the wall on the axis. Droplets fly in a
    cone and meet the wall at unlike distances: a logistic curve in ln(length/way) of width 0.12,
    default.
    """
    ratio = np.where(np.isfinite(lengths), lengths / way, 1e6)
    x = np.clip(np.log(ratio) / 0.12, -50.0, 50.0)
    return np.asarray(1.0 / (1.0 + np.exp(-x)))


# -- shape -------------------------------------------------------------------------------------

_FINE: Final = 15e-6  # m below which grains become satellites
_BOND: Final = 0.06  # mass of satellites per mass of a grain that carries them, default


@dataclass(frozen=True, slots=True)
class Attached:
    """Powder after fine grains have met coarse droplets."""

    masses: Floats
    """(40,) kg."""
    satellites: Floats
    """(40,) mass share of each class that carries them."""
    index: float
    """Share of the fines that stuck."""


def attach_satellites(masses: Floats, recirculated: float, suppressed: float, superheat: float,
                      coefficient: float = 0.8) -> Attached:
    """Fine grains carried back into the spray stick to droplets that are still soft.

    I = ks f(<15 um) R (1 - a): ``coefficient`` ks, f mass share of fines, ``recirculated`` R share
    of the gas that comes back to the spray, ``suppressed`` a share that anti-satellite gas keeps
    away; defaults all of them. Droplets stay soft longer with ``superheat`` (K), which was seen to
    take fines below 10 um into grains above 100 um (Mater. Des. 199, 109441). Mass is conserved:
    what sticks is found in the coarse classes, which offer their cross-section.
    """
    total = float(masses.sum())
    fine = CENTRES < _FINE
    share = float(masses[fine].sum()) / total if total > 0.0 else 0.0
    soft = 1.0 + max(superheat, 0.0) / 300.0
    index = min(coefficient * share * recirculated * (1.0 - suppressed) * soft, 0.9)
    if index <= 0.0:
        return Attached(masses.copy(), np.zeros(BINS), 0.0)
    taken = np.where(fine, masses * index, 0.0)
    offered = np.where(CENTRES > 2.0 * _FINE, masses / CENTRES, 0.0)
    whole = float(offered.sum())
    if whole <= 0.0:
        return Attached(masses.copy(), np.zeros(BINS), 0.0)
    gained = float(taken.sum()) * offered / whole
    after = masses - taken + gained
    carried = np.divide(gained, masses * _BOND, out=np.zeros(BINS), where=masses > 0.0)
    return Attached(after, np.minimum(carried, 1.0), index)


def hollow_share(reference: float) -> Floats:
    """Share (40,) of hollow grains: p = p_ref (d/100 um)^2, at most a half; the power is a default.

    That it grows with the size was seen for gas atomization and for rotating electrodes alike
    (cqvip 7105438599).
    """
    return np.asarray(np.minimum(reference * (CENTRES / 100e-6) ** 2, 0.5))


def irregular_share(superheat: float, least: float = 0.02) -> float:
    """Share of grains that are not round: a melt without superheat freezes as ligaments, default.

    ``superheat`` (K) of the melt that leaves the nozzle.
    """
    return min(least + (0.6 - least) * exp(-max(superheat, 0.0) / 25.0), 1.0)


# -- oxide -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Oxide:
    """The film on grains: density (kg/m3), mass share of oxygen, thickness once passivated (m)."""

    density: float
    share: float
    film: float

    def oxygen(self, diameter: float | Floats, metal_density: float,
               thickness: float | None = None) -> float | Floats:
        """Mass fraction of oxygen that the film makes: (6/d) delta rho_ox w_O / rho_p."""
        film = self.film if thickness is None else thickness
        return 6.0 / diameter * film * self.density * self.share / metal_density


OXIDES: Final[dict[str, Oxide]] = {
    "Ti": Oxide(4230.0, 0.4006, 4e-9),
    "Fe": Oxide(5220.0, 0.3158, 3e-9),
    "Ni": Oxide(5220.0, 0.3158, 2.5e-9),
    "Al": Oxide(3950.0, 0.4707, 4e-9),
    "Co": Oxide(5220.0, 0.3158, 2.5e-9),
    "Cu": Oxide(6000.0, 0.1118, 4e-9),
}
"""By main element: TiO2, Cr2O3 (steels, nickel and cobalt alloys), Al2O3, Cu2O; films default."""

HOT_FILM: Final = 12e-9
"""m that grains grow in flight at 1000 ppm of oxygen in the gas, default."""


def hot_film(oxygen: float) -> float:
    """Film (m) grown in flight in gas with a mole fraction of oxygen; root law, default."""
    return HOT_FILM * sqrt(max(oxygen, 0.0) / 1e-3)


def oxide_of(metal: Alloy) -> Oxide:
    """The oxide of an alloy's main element; that of titanium if none is known."""
    main = max(metal.composition, key=lambda e: metal.composition[e])
    return OXIDES.get(main, OXIDES["Ti"])
