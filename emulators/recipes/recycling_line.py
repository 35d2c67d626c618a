"""Recipes for working up used powder."""

from __future__ import annotations

from typing import Annotated, Literal

from emulators.recipes.files import BaseRecipe, Quantity, Section

__all__ = ["Blending", "Drying", "Gas", "Magnet", "Quality", "Recipe", "Recovery", "Separating",
           "Sieving", "Stock", "Surface"]

_Share = Annotated[float, Quantity("%", 0, 100)]
_Feed = Annotated[float, Quantity("kg/h", 0.1, 1000)]
_Oxygen = Annotated[float, Quantity("ppm", 0, 50_000)]
_Water = Annotated[float, Quantity("ppm", 0, 10_000)]
_Size = Annotated[float, Quantity("um", 5, 500)]
_Time = Annotated[float, Quantity("min", 0, 1440)]


class Stock(Section):
    """The powder that is worked up when no lots are named."""

    used: Annotated[float, Quantity("kg", 0.01, 300)] = 40.0
    """Used powder."""
    d50: _Size = 40e-6
    """Its median size."""
    spread: Annotated[float, Quantity("1", 1.05, 3)] = 1.35
    """Its geometric standard deviation."""
    coarse: _Share = 0.02
    """Spatter of three times the median size in it."""
    uses: Annotated[int, Quantity("1", 0, 200, whole=True)] = 5
    """How often it has been used."""
    oxygen: _Oxygen = 1100e-6
    """Its oxygen."""
    moisture: _Water = 80e-6
    """Its water."""
    satellites: _Share = 0.08
    """Grains with satellites."""
    irregular: _Share = 0.04
    """Grains that are not round."""
    foreign: str = ""
    """Another alloy that it is mixed with."""
    foreign_share: Annotated[float, Quantity("%", 0, 99)] = 0.0
    """Share of that alloy."""
    virgin: Annotated[float, Quantity("kg", 0, 300)] = 10.0
    """Virgin powder for blending."""
    virgin_oxygen: _Oxygen = 800e-6
    """Its oxygen, as certified."""


class Gas(Section):
    """Inert gas, and the limit at which the hard-wired voter acts."""

    limiting_oxygen: Annotated[float, Quantity("%", 0.5, 20)] = 0.04
    """Limiting oxygen concentration of the powder, as tested; the voter is set to half of it."""
    start_oxygen: Annotated[float, Quantity("ppm", 50, 50_000)] = 2000e-6
    """Oxygen at which powder may be moved."""
    purge: Annotated[float, Quantity("L/min", 10, 2000)] = 400e-3 / 60
    """Argon while purging."""
    flow: Annotated[float, Quantity("L/min", 1, 800)] = 20e-3 / 60
    """Argon while working."""


class Recovery(Section):
    """Vacuum conveying into the line."""

    feed: _Feed = 300 / 3600
    """Conveying rate."""
    batches: Annotated[int, Quantity("1", 1, 100, whole=True)] = 2
    """Batches that the powder is divided into."""


class Magnet(Section):
    """Drum magnet."""

    use: bool = True
    """Whether the powder passes it."""
    feed: _Feed = 200 / 3600
    """Feed."""


class Sieving(Section):
    """Ultrasonic sieve."""

    use: bool = True
    """Whether the powder passes it."""
    mesh: _Size = 63e-6
    """Aperture of the upper deck."""
    fine_mesh: Annotated[float, Quantity("um", 0, 100)] = 0.0
    """Aperture of the fine deck; 0: none."""
    feed: _Feed = 100 / 3600
    """Feed."""
    amplitude: _Share = 0.6
    """Deck amplitude."""
    ultrasonic: _Share = 0.6
    """Ultrasonic power."""


class Separating(Section):
    """Separation of mixed, non-magnetic powders."""

    method: Literal["none", "auto", "eddy current", "density", "both"] = "none"
    """How; auto takes what physics allows, the better if there are two."""
    feed: _Feed = 8 / 3600
    """Feed."""
    passes: Annotated[int, Quantity("1", 1, 5, whole=True)] = 1
    """Times that the product is sorted."""
    frequency: Annotated[float, Quantity("kHz", 1, 5000)] = 1e6
    """Frequency of the coil."""
    field: _Share = 1.0
    """Coil current, share of rated."""


class Drying(Section):
    """Dryer."""

    use: bool = True
    """Whether the powder is dried."""
    temperature: Annotated[float, Quantity("degC", 25, 180)] = 383.15
    """Powder temperature."""
    time: _Time = 7200.0
    """Time at temperature."""
    sweep: Annotated[float, Quantity("L/min", 0.5, 100)] = 20e-3 / 60
    """Dry gas over the powder."""
    dew_point: Annotated[float, Quantity("degC", -75, 30)] = 233.15
    """Exhaust dew point above which drying goes on."""
    unload: Annotated[float, Quantity("degC", 22, 100)] = 323.15
    """Powder temperature at which it goes on."""


class Surface(Section):
    """Treatment of the grains' surface."""

    use: bool = False
    """Whether the powder is treated."""
    feed: _Feed = 10 / 3600
    """Feed."""
    rotor: _Share = 0.8
    """Speed of the rotor that rolls satellites off."""
    plasma: Annotated[float, Quantity("kW", 0, 60)] = 0.0
    """Plasma power."""
    hydrogen: Annotated[float, Quantity("%", 0, 20)] = 0.0
    """Hydrogen in the plasma gas; it reduces oxides of iron, nickel, copper, not of titanium."""


class Blending(Section):
    """Blending with virgin powder: as much as keeps the oxygen in its limit."""

    use: bool = True
    """Whether virgin powder is added."""
    time: _Time = 35 * 60.0
    """Time of tumbling."""
    speed: Annotated[float, Quantity("rpm", 1, 40)] = 15 / 60
    """Drum speed."""
    gain: _Oxygen = 52e-6
    """Oxygen that a use adds."""
    least: _Share = 0.0
    """Least share of virgin powder."""


class Quality(Section):
    """What the powder is released for."""

    process: Literal["pbf-lb", "pbf-eb", "ded-powder", "binder-jet"] = "pbf-lb"
    """Process that it must suit."""
    oversize: _Share = 0.02
    """Most grains coarser than a tenth over the mesh."""
    tests: Literal["none", "sizes", "oxygen", "all", "full"] = "all"
    """What the laboratory measures; a batch whose limits are not all measured is held. Full: hollow
    grains too, which takes two hours; otherwise the certificate stands."""
    repeats: Annotated[int, Quantity("1", 1, 5, whole=True)] = 1
    """Determinations of oxygen."""


class Recipe(BaseRecipe):
    """All settings of a recycling job, in SI units; frozen."""

    stock: Stock = Stock()
    gas: Gas = Gas()
    recovery: Recovery = Recovery()
    magnet: Magnet = Magnet()
    sieving: Sieving = Sieving()
    separating: Separating = Separating()
    drying: Drying = Drying()
    surface: Surface = Surface()
    blending: Blending = Blending()
    quality: Quality = Quality()
