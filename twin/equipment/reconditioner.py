"""Surface treatment and blending: plasma with hydrogen, rolling off satellites, tumbling."""

from __future__ import annotations

from math import exp, sqrt
from typing import Any

import numpy as np

from twin.equipment.inert_line import InertLine
from twin.equipment.powder_station import FlowStation, PowderLine, Station
from twin.equipment.powder_transport import take
from twin.machine import AMBIENT
from twin.materials import alloy
from twin.physics.powder_surface import native_oxygen, reducible, rerounded
from twin.powder.lot import PowderLot
from twin.powder.operations import (
    Draw,
    Item,
    blend,
    draw,
    renamed,
    reshaped,
    with_oxygen,
)
from twin.powder.sizes import lognormal
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["Blender", "Reconditioner"]


class Reconditioner(FlowStation):
    """A rotor that rolls satellites off, and a plasma of argon and hydrogen behind it.

    The rotor breaks satellites into fines. The plasma melts odd grains round, as far as its heat
    suffices for the feed, and its hydrogen takes oxide away where thermodynamics allows that: of
    iron, nickel, copper, in part of chromium; not of titanium or aluminium.
    """

    POWER = 300.0
    EFFICIENCY = 0.1  # share of the plasma's power that reaches the grains, default
    SURFACE = 1300.0  # K at which grain surfaces meet the hydrogen, default
    WATER = 1e-6  # mole fraction of water in the plasma gas, default
    REACHED = 0.6  # share of the reducible oxide that one pass reaches, default
    SOOT = 2e-3  # share that evaporates at full melting, default
    ROLLED = 0.7  # share of the satellites that the rotor takes at nominal feed, default
    BROKEN = 0.03  # mass of broken satellites over that of the grains that carried them, default
    NOMINAL = 20.0 / 3600.0  # kg/s of feed through the rotor, default
    COOLS = 120.0  # s, default
    HOT = 350.0  # K of the chamber wall over the hall at 30 kW, default

    plasma_power = measured("kW", low=0, high=100, noise=0.02, quantum=0.01,
                            companion="Monitoring/Process/PlasmaPower", doc="plate power")
    hydrogen_share = measured("%", low=0, high=50, noise=0.05, quantum=0.1,
                              doc="hydrogen in the plasma gas")
    wall_temperature = measured("degC", low=0, high=600, start=20, noise=0.2, quantum=0.1,
                                companion="Monitoring/Health/PlasmaWallTemperature",
                                doc="wall of the plasma chamber")
    rotor_speed = measured("%", low=0, high=110, noise=0.1, quantum=0.1, doc="rotor speed")
    plasma = actuator("kW", low=0, high=60, doc="plate power demand")
    hydrogen = actuator("%", low=0, high=20, doc="hydrogen demand, share of the plasma gas")
    rotor = actuator("%", low=0, high=100, doc="rotor speed demand")
    torch_loss = fault("%", low=0, high=100, doc="share of the plasma's power that is lost")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__(line, gas)
        self._effects = np.zeros(3)  # kg times share: re-rounded, rolled, reduced

    def begin(self) -> None:
        super().begin()
        self._effects = np.zeros(3)

    def tripped(self, power_lost: bool) -> None:
        self.plasma = self.hydrogen = self.rotor = 0.0
        super().tripped(power_lost)

    def work(self, now: float, step: float) -> bool:
        batch = self._line.batch
        before = self.left
        through = super().work(now, step)
        moved = before - self.left
        power = self.plasma * (1.0 - self.torch_loss)
        if batch is not None and moved > 0.0:
            metal = alloy(batch.alloy)
            heat = float(metal.specific_heat.mean(AMBIENT, metal.solidus)) * (
                metal.liquidus - AMBIENT) + metal.latent_fusion
            round_ = rerounded(power, moved / step, heat, self.EFFICIENCY)
            rolled = self.ROLLED * self.rotor / (1.0 + moved / step / self.NOMINAL)
            reduced = 0.0
            if power > 0.0:
                reduced = self.REACHED * min(round_ / 0.5, 1.0) * reducible(
                    metal.composition, self.SURFACE, self.WATER, self.hydrogen)
            self._effects = self._effects + moved * np.array(
                [round_, 2.0 * rolled, reduced])
        warm = AMBIENT + self.HOT * power / 30e3
        wall = warm + (self.wall_temperature - warm) * exp(-step / self.COOLS)
        self.show("plasma_power", now, step, power)
        self.show("hydrogen_share", now, step, self.hydrogen)
        self.show("wall_temperature", now, step, wall)
        self.show("rotor_speed", now, step, self.rotor)
        self.draw(self.POWER + power / 0.6 + 800.0 * self.rotor**2)
        return through

    def idle(self) -> None:
        super().idle()
        for name in ("plasma_power", "hydrogen_share", "rotor_speed"):
            self.settle(name, 0.0)
        self.sense(self.now)
        self.follow("wall_temperature",
                    Relaxation(self.now, self.wall_temperature, AMBIENT, self.COOLS))

    def finish(self) -> None:
        line, batch = self._line, self._line.batch
        if batch is None or self.total <= 0.0 or not self._effects.any():
            return
        round_, rolled, reduced = np.clip(self._effects / self.total, 0.0, 0.95).tolist()
        treated, outputs, lost = batch, list[PowderLot | Item](), dict[str, float]()
        broken = self.BROKEN * batch.satellites * rolled
        if broken > 0.0:
            fines, treated = draw(treated, broken * treated.mass, line.new_id("fines"))
            for part in fines.constituents:
                fines = reshaped(fines, part.alloy, masses=lognormal(6e-6, 1.6), satellites=0.0,
                                 irregular=1.0)
            outputs.append(renamed(fines, fines.id, status="scrap"))
        for part in treated.constituents:
            treated = reshaped(
                treated, part.alloy,
                satellites=part.satellites * (1.0 - rolled) * (1.0 - round_),
                irregular=part.irregular * (1.0 - round_))
        soot = self.SOOT * round_
        if soot > 0.0:
            burnt, treated = draw(treated, soot * treated.mass)
            outputs.append(Item(line.new_id("soot"), "soot", batch.alloy, burnt.mass,
                                burnt.elements))
            line.put("dust", burnt.mass)
        held = sum(c.elements.get("O", 0.0) for c in treated.constituents)
        away = min(native_oxygen(treated.area) * reduced, 0.9 * held)
        if away > 0.0:
            treated = with_oxygen(treated, -away)
            lost = {"O": away}
        treated, gained = line.oxidised(renamed(treated, line.new_id(), parents=(batch.id,),
                                                measured={}, sigma={}))
        line.put("oversize", sum(o.mass for o in outputs if isinstance(o, PowderLot)))
        made = line.operate("recondition", [Draw.all(batch)], [treated, *outputs], gained=gained,
                            lost=lost, reduced=away)
        line.batch = next((o for o in made if isinstance(o, PowderLot) and o.id == treated.id),
                          None)
        line.changed()

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "effects": self._effects.tolist()}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self._effects = np.array(hidden["effects"])


class Blender(Station):
    """A tumbling blender: virgin powder is weighed in, what is unmixed fades with the turns."""

    STEP = 10.0
    POWER = 900.0
    TURNS = 100.0  # turns after which 1/e is unmixed, default

    speed = measured("rpm", low=0, high=60, noise=0.05, quantum=0.1,
                     companion="Monitoring/Process/BlenderSpeed", doc="speed of the drum")
    turns = measured(int, low=0, high=1_000_000, doc="turns of this blend")
    added = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                     doc="virgin powder weighed in")
    drum = actuator("rpm", low=0, high=40, start=15, doc="drum speed demand")
    dose = actuator("kg", low=0, high=1000, doc="virgin powder to weigh in")
    discharge = actuator(bool, edge=True, doc="the blend is done (rising edge)")
    slip = fault("%", low=0, high=100, doc="share of the drum's speed that its drive loses")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__(line, gas)
        self.turned = 0.0
        self._virgin: list[PowderLot] = []

    def begin(self) -> None:
        line = self._line
        self.turned = 0.0
        self._virgin, line.virgin = take(line.virgin, max(self.dose, 0.0))
        self.added = sum(lot.mass for lot in self._virgin)
        if self._virgin and line.batch is not None:
            # Two layers, of which a sample takes what it meets: f (1 - f) of the difference.
            share = self.added / (self.added + line.batch.mass)
            apart = line.batch.oxygen - blend(self._virgin, "v").oxygen
            line.contrast = sqrt((1.0 - share) * (line.contrast * line.unmixed) ** 2
                                 + share * (1.0 - share) * apart**2)
            line.unmixed = 1.0
        line.changed()

    def driven(self, attribute: str) -> None:
        if attribute == "discharge":
            if self.discharge and self.begun and not self.done:
                self.finish()
                self.done = True
            return
        super().driven(attribute)

    def work(self, now: float, step: float) -> bool:
        speed = self.drum * (1.0 - self.slip)
        self.turned += speed * step
        self.turns = int(self.turned)
        self._line.unmixed *= exp(-speed * step / self.TURNS)
        self.settle("speed", speed)
        return False

    def idle(self) -> None:
        self.settle("speed", 0.0)

    def finish(self) -> None:
        line, batch = self._line, self._line.batch
        parts = ([batch] if batch is not None else []) + self._virgin
        if not parts:
            return
        mixed, gained = line.oxidised(blend(parts, line.new_id()))
        share = sum(lot.mass for lot in self._virgin) / max(sum(p.mass for p in parts), 1e-300)
        made = line.operate("blend", [Draw.all(lot) for lot in parts], [mixed], gained=gained,
                            virgin_share=share, unmixed=line.unmixed)
        line.batch = next((o for o in made if isinstance(o, PowderLot)), None)
        self._virgin = []
        line.changed()

    def give_back(self) -> list[PowderLot]:
        """Virgin powder that was weighed in and is in no blend yet."""
        given, self._virgin = self._virgin, []
        return given

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "turned": self.turned,
                "virgin": [lot.plain() for lot in self._virgin]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.turned = hidden["turned"]
        self._virgin = [PowderLot.of(lot) for lot in hidden["virgin"]]
