"""What is in a sintering furnace: green parts, and what heat and gas make of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from twin.physics.sintering import (
    DebindKinetics,
    MasterCurve,
    anisotropic_shrinkage,
    burst_index,
    drag_rate,
    liquid_share,
    oxidising,
    sag_rate,
    sintering_viscosity,
    solidus_lowering,
)

__all__ = ["ChargedPart", "Gas", "GreenPart", "SinterMaterial"]


@dataclass(frozen=True)
class GreenPart:
    """A green part as it goes into the furnace, SI units."""

    name: str
    nominal: tuple[float, float, float]
    """Size that it shall have in the end, m."""
    green: tuple[float, float, float]
    """Size that it has now, m; z is the build direction."""
    density: float
    """Relative density of the metal powder."""
    resin: float
    """Mass of resin over mass of metal."""
    wall: float
    """Typical wall thickness, m."""
    span: float = 0.0
    """Longest unsupported span, m."""
    span_height: float = 0.01
    """Height of material over it, m."""
    weakest: float = 1.0
    """Saturation of its driest line over the mean one, when it was printed."""
    fill: float = 1.0
    """Share of the box around it that the part fills."""
    grain: float = 1.0
    """Size of its powder over that which the material's curve is for."""


@dataclass(frozen=True)
class SinterMaterial:
    """How a powder sinters: constants of an alloy in this furnace."""

    curve: MasterCurve
    solid_density: float
    """kg/m3."""
    solidus: float
    """K, of the debound powder; carbon lowers it."""
    liquidus: float
    own_carbon: float = 2e-4
    """Mass fraction of carbon in the powder."""
    ratio: float = 1.15
    """Shrinkage along the build direction over that in the layer."""
    kinetics: DebindKinetics = field(default_factory=DebindKinetics)
    nitrogen_effect: float = 0.3
    """Share of the sintering rate that pure nitrogen takes; lower densities in N2 than in Ar were
    measured on injection-moulded 316L (Powder Metall. 46 (2003) 241), the figure is a default."""
    oxide_effect: float = 0.9
    """Share of the sintering rate that a fully oxidising gas takes, default."""
    liquid_effect: float = 60.0
    """Rise of the sintering rate per share of liquid, default."""


@dataclass(frozen=True, slots=True)
class Gas:
    """What surrounds the parts: mole fractions, water vapour in Pa."""

    hydrogen: float
    nitrogen: float
    oxygen: float
    vapour: float


@dataclass(slots=True)
class ChargedPart:
    """The state of one part in the furnace."""

    part: GreenPart
    zone: int
    left: tuple[float, float]
    """Shares of the resin that have not burnt off."""
    work: float = 0.0
    """Thermal work, s/K, as far as the gas let it count."""
    carbon: float = 0.0
    """Mass fraction picked up from the resin."""
    oxide: float = 0.0
    """Hours of fully oxidising gas that it has seen."""
    burst: float = 0.0
    """Largest burst index; above 1 it has cracked."""
    sag: float = 0.0
    """m that its longest span has sunk."""
    drag: float = 0.0
    """Shrinkage that friction has taken from its base."""
    peak: float = 0.0
    """Highest temperature, K."""
    liquid: float = 0.0
    """Most liquid, share."""

    @classmethod
    def of(cls, part: GreenPart, zone: int, material: SinterMaterial) -> ChargedPart:
        """A part put into a zone."""
        return cls(part, zone, material.kinetics.shares)

    def density(self, material: SinterMaterial) -> float:
        """Relative density now."""
        return material.curve.density(self.work, self.part.density)

    def advance(self, start: float, end: float, duration: float, gas: Gas,
                material: SinterMaterial) -> float:
        """Let `duration` (s) pass while it goes from `start` to `end` (K); resin gas given off.

        Returns kg of resin burnt off per kg of metal.
        """
        part, kinetics = self.part, material.kinetics
        middle = 0.5 * (start + end)
        self.peak = max(self.peak, end)
        burnt = 0.0
        if sum(self.left) > 1e-9:
            before = sum(self.left)
            self.left = kinetics.step(self.left, middle, duration)
            gone = before - sum(self.left)
            self.burst = max(self.burst, burst_index(gone / duration * part.resin / 0.007,
                                                     part.wall))
            burnt = gone * part.resin
            if middle < kinetics.closing:
                self.carbon += burnt * kinetics.carbon_yield(gas.hydrogen, gas.oxygen)
            else:
                self.carbon += burnt * kinetics.trapped
        if middle < 900.0:
            return burnt
        oxidation = oxidising(middle, gas.vapour, gas.hydrogen, gas.oxygen)
        self.oxide += oxidation * duration / 3600.0
        solidus = material.solidus - solidus_lowering(self.carbon)
        liquid = liquid_share(middle, solidus, material.liquidus)
        self.liquid = max(self.liquid, liquid)
        # Oxide from before hinders as long as nothing has reduced it.
        hindered = min(max(oxidation, min(self.oxide, 1.0)), 1.0)
        rate = (1.0 - material.oxide_effect * hindered) * (
            1.0 - material.nitrogen_effect * gas.nitrogen) * (1.0 + material.liquid_effect * liquid)
        # The same density takes a coarser powder longer: Herring 1950, volume diffusion.
        self.work += rate * material.curve.increment(start, end, duration) / part.grain**3
        if oxidation < 0.05 and gas.hydrogen > 0.2:
            self.oxide *= max(1.0 - duration / 3600.0, 0.0)
        density = self.density(material)
        softness = sintering_viscosity(middle, density, liquid)
        weight = density * material.solid_density
        if part.span > 0:
            grown = sag_rate(weight, part.span, part.span_height, softness) * duration
            self.sag = min(self.sag + grown, part.span)
        length = max(part.green[:2])
        self.drag = min(self.drag + drag_rate(weight, length, softness) * duration, 0.2)
        return burnt

    def final(self, material: SinterMaterial) -> dict[str, Any]:
        """What has become of it: sizes (m), density, shrinkage, distortion."""
        part = self.part
        density = self.density(material)
        plane, build = anisotropic_shrinkage(part.density, density, material.ratio)
        base = max(plane - self.drag, 0.0)
        size = (part.green[0] * (1 - plane), part.green[1] * (1 - plane),
                part.green[2] * (1 - build))
        worst = max(abs(a / b - 1.0) for a, b in zip(size, part.nominal, strict=True))
        return {
            "name": part.name, "zone": self.zone + 1, "density": density,
            **{f"nominal_{axis}": part.nominal[i] for i, axis in enumerate("xyz")},
            **{f"final_{axis}": size[i] for i, axis in enumerate("xyz")},
            "shrinkage_xy": plane, "shrinkage_z": build, "deviation": worst,
            "distortion": self.sag + (plane - base) * max(part.green[:2]), "sag": self.sag,
            "base_drag": self.drag, "carbon": material.own_carbon + self.carbon,
            "oxide": self.oxide, "burst_index": self.burst, "cracked": int(self.burst > 1.0),
            "liquid": self.liquid, "resin_left": sum(self.left), "peak_temperature": self.peak}

    def state(self) -> dict[str, Any]:
        """For a snapshot."""
        return {**asdict(self), "part": None, "left": list(self.left)}

    def restore(self, state: dict[str, Any]) -> None:
        """Take back what `state` gave."""
        for name, value in state.items():
            if name != "part":
                setattr(self, name, tuple(value) if name == "left" else value)
