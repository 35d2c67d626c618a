"""Atmosphere of a retort furnace: flows, mixing, vacuum, dew point, burn-off flame, hard limits."""

from __future__ import annotations

from math import exp
from typing import Any

from twin.equipment.chamber import AIR_OXYGEN, ATMOSPHERE, HUMID, dew_point
from twin.equipment.charge import Gas
from twin.equipment.services import SafetyChain
from twin.machine import AMBIENT, Equipment
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline

__all__ = ["Retort"]

_SPECIES = ("hydrogen", "nitrogen", "argon", "oxygen", "water", "carbon")


class Retort(Equipment):
    """Gas in the retort: a stirred volume with inlet flows, leak, resin gas and a vent.

    Between two ticks of the furnace inlets are constant, so mixing is exact: x -> x_in
    exponentially. Hot hydrogen takes up oxygen as water vapour: a leak then shows in the dew point.
    """

    VOLUME = 0.15  # m3, default
    OVER_PRESSURE = 20e2  # Pa over ambient at which the vent opens, default
    PUMP_TIME = 45.0  # s, V/S of the vacuum pump, default
    ULTIMATE = 5.0  # Pa, default
    PUMP_POWER = 1_800.0  # W, default
    OUTGASSING = 2e-3  # Pa m3/s of walls and charge, default
    SUPPLY_WATER = 5e-6  # mole fraction of the gas supply: dew point -66 degC, default
    SUPPLY_OXYGEN = 2e-6  # default
    SAFE_FLOW = 60e-3 / 60  # m3/s of nitrogen that opens by itself when hydrogen is shut off
    REACTS = 850.0  # K from which oxygen and hydrogen react, default
    LIMIT = 0.01  # oxygen above which the gas safety unit lets no hydrogen in
    LEAN = 0.04  # hydrogen below which it cannot burn: the unit's own purge has done its work
    MOLAR = 0.030  # kg/mol of resin gas, default

    pressure = measured("mbar", low=0, high=1200, start=1013.25, noise=0.01, quantum=0.01,
                        companion="Monitoring/Process/RetortPressure",
                        doc="absolute pressure in the retort")
    oxygen = measured("%", low=0, high=25, start=20.95, noise=1e-3, quantum=1e-4,
                      companion="Monitoring/Process/RetortOxygen", doc="oxygen in the retort")
    hydrogen = measured("%", low=0, high=100, noise=0.05, quantum=0.01,
                        companion="Monitoring/Process/RetortHydrogen",
                        doc="hydrogen in the retort")
    carbon_monoxide = measured("%", low=0, high=100, noise=0.01, quantum=0.01,
                               companion="Monitoring/Process/RetortCarbonMonoxide",
                               doc="carbon monoxide and other gas of burnt-off resin")
    dew_point = measured("degC", low=-80, high=30, start=9, noise=0.1, quantum=0.1,
                         companion="Monitoring/Process/RetortDewPoint",
                         doc="dew point in the exhaust")
    flow = measured("L/min", low=0, high=1000, noise=0.1, quantum=0.1,
                    companion="Monitoring/Process/RetortFlow",
                    doc="gas flowing in, sum of the mass flow meters")
    flame = measured(bool, doc="burn-off flame at the exhaust proven")
    hydrogen_open = measured(bool, doc="hydrogen valve open, as the gas safety unit allows")
    safe_purge = measured(bool, doc="gas safety unit purges with nitrogen by itself")
    hydrogen_flow = actuator("L/min", low=0, high=400, doc="hydrogen flow demand")
    nitrogen_flow = actuator("L/min", low=0, high=400, doc="nitrogen flow demand")
    argon_flow = actuator("L/min", low=0, high=400, doc="argon flow demand")
    vacuum_pump = actuator(bool, doc="vacuum pump and its valve; the vent is shut")
    pilot = actuator(bool, doc="pilot burner of the exhaust flame")
    reset_safety = actuator(bool, edge=True, doc="acknowledge the gas safety unit (rising edge): "
                            "its own purge ends if there is flame and no air, or no "
                            "hydrogen left")
    leak = fault("mbar.L/s", low=0, high=500, doc="air leak into the retort")
    hydrogen_loss = fault(bool, doc="no hydrogen comes from the supply")
    inert_loss = fault(bool, doc="no nitrogen or argon comes from the supply")
    pilot_failure = fault(bool, doc="the pilot burner goes out")
    wet_gas = fault("ppm", low=0, high=50_000, doc="water vapour in the gas supply")

    def __init__(self, chain: SafetyChain) -> None:
        super().__init__()
        self._chain = chain
        self.mix: dict[str, float] = dict.fromkeys(_SPECIES, 0.0)
        self.air()

    def air(self) -> None:
        """The retort is open: air fills it."""
        self.mix = dict.fromkeys(_SPECIES, 0.0)
        self.mix |= {"oxygen": AIR_OXYGEN, "nitrogen": 1.0 - AIR_OXYGEN - HUMID / ATMOSPHERE,
                     "water": HUMID / ATMOSPHERE}
        self.pure = ATMOSPHERE
        for name in ("pressure", "oxygen", "hydrogen", "carbon_monoxide", "dew_point"):
            self.trajectories.pop(name, None)
        self.pressure, self.oxygen, self.hydrogen = ATMOSPHERE, AIR_OXYGEN, 0.0
        self.carbon_monoxide, self.dew_point = 0.0, dew_point(HUMID)

    @property
    def gas(self) -> Gas:
        """What surrounds the parts at the last tick."""
        mix = self.mix
        share = self.pure / ATMOSPHERE
        return Gas(mix["hydrogen"] * share, mix["nitrogen"] * share, mix["oxygen"] * share,
                   mix["water"] * self.pure)

    @property
    def still(self) -> bool:
        """Whether nothing flows and nothing changes."""
        flows = self.hydrogen_flow + self.nitrogen_flow + self.argon_flow
        return not (flows > 0 or self.vacuum_pump or self.safe_purge or self.leak > 0
                    or self.pure < 0.99 * ATMOSPHERE)

    def tripped(self, power_lost: bool) -> None:
        # The hydrogen valve needs power to stay open; nitrogen opens without any.
        if self.hydrogen_flow > 0 or self.mix["hydrogen"] > 0.02:
            self.safe_purge = True
            self.log("interlock", "hydrogen shut off, nitrogen purges")
        self.hydrogen_flow = 0.0
        self.vacuum_pump = False
        self.pilot = self.pilot and not power_lost
        self._prove()

    def driven(self, attribute: str) -> None:
        self._prove()
        safe = self.mix["hydrogen"] < self.LEAN or (
            self.flame and self.mix["oxygen"] < self.LIMIT)
        if attribute == "reset_safety" and self.reset_safety and self.energised and safe:
            self.safe_purge = False
            self._prove()

    @property
    def energised(self) -> bool:
        """Whether the safety chain is closed."""
        return bool(self.plant.energised)

    def _prove(self) -> None:
        """Flame and gas safety unit: hydrogen only with a flame, without air, with power."""
        self.flame = bool(self.pilot and not self.pilot_failure)
        wanted = self.hydrogen_flow > 0
        safe = self.flame and self.energised and self.mix["oxygen"] < self.LIMIT \
            and not self.vacuum_pump
        if wanted and not safe and self.hydrogen_open:
            self.log("interlock", "hydrogen shut off: "
                     + ("no flame" if not self.flame else "oxygen" if self.energised else "power"))
            self.safe_purge = True
        # What has shut it off must be acknowledged before it opens again.
        self.hydrogen_open = bool(wanted and safe and not self.safe_purge)

    def flows(self) -> dict[str, float]:
        """What really flows in (m3/s at ambient), by species."""
        inert = 0.0 if self.inert_loss else 1.0
        nitrogen = self.nitrogen_flow * inert
        if self.safe_purge:
            nitrogen = max(nitrogen, self.SAFE_FLOW * inert)
        hydrogen = self.hydrogen_flow * (self.hydrogen_open and not self.hydrogen_loss)
        return {"hydrogen": hydrogen, "nitrogen": nitrogen, "argon": self.argon_flow * inert}

    def tick(self, now: float, step: float, temperature: float, resin: float) -> None:
        """Advance by `step` (s): retort at `temperature` (K), resin gas given off (kg/s)."""
        self._prove()
        inlet = self.flows()
        total = sum(inlet.values())
        self.flow = total
        self.take_gas(total)
        self.draw(self.PUMP_POWER * self.vacuum_pump + 50.0 * self.pilot)
        if not self._chain.door_closed:
            # What flows in is lost to the hall.
            self.air()
            return
        leak = self.leak / ATMOSPHERE
        if self.pure > ATMOSPHERE + 50.0:
            # Over-pressure keeps most of the air out.
            leak *= 0.3
        gas = resin / self.MOLAR * 8.314 * AMBIENT / ATMOSPHERE
        out = self.OUTGASSING / ATMOSPHERE
        water = total * (self.SUPPLY_WATER + self.wet_gas) + 0.2 * out + leak * HUMID / ATMOSPHERE
        oxygen = total * self.SUPPLY_OXYGEN + leak * AIR_OXYGEN
        given = {**inlet, "oxygen": oxygen, "water": water, "carbon": gas + 0.8 * out}
        given["nitrogen"] += leak * (1.0 - AIR_OXYGEN)
        through = sum(given.values())
        amount = self.VOLUME * AMBIENT / temperature * self.pure / ATMOSPHERE  # m3 at ambient
        first = {"pressure": self.pure, **self.mix}
        filling = 0.0
        if self.vacuum_pump:
            floor = self.ULTIMATE + through * ATMOSPHERE * self.PUMP_TIME / self.VOLUME
            self.pure = floor + (self.pure - floor) * exp(-step / self.PUMP_TIME)
        else:
            full = ATMOSPHERE + (self.OVER_PRESSURE if total > 1e-6 else 0.0)
            rise = through * ATMOSPHERE / (self.VOLUME * AMBIENT / temperature)
            filling = min(rise * step, max(full - self.pure, 0.0))
            self.pure = self.pure + filling if self.pure < full else \
                full + (self.pure - full) * exp(-step / 10.0)
        after = max(self.VOLUME * AMBIENT / temperature * self.pure / ATMOSPHERE, 1e-9)
        if through > 0:
            # While it fills, inlet adds to what is there; when full, it pushes out as much.
            mean = 0.5 * (amount + after)
            renewed = 1.0 - exp(-through * step / max(mean, 1e-9))
            for name in _SPECIES:
                share = given.get(name, 0.0) / through
                self.mix[name] += (share - self.mix[name]) * renewed
        if temperature > self.REACTS and self.mix["hydrogen"] > 2 * self.mix["oxygen"]:
            burnt = self.mix["oxygen"]
            self.mix["hydrogen"] -= 2 * burnt
            self.mix["water"] += 2 * burnt
            self.mix["oxygen"] = 0.0
        self._show(now, step, first)

    def _show(self, now: float, step: float, first: dict[str, float]) -> None:
        times = (now, now + step)
        self.follow("pressure", Polyline(times, (first["pressure"], self.pure)))
        for name, attribute in (("oxygen", "oxygen"), ("hydrogen", "hydrogen"),
                                ("carbon", "carbon_monoxide")):
            self.follow(attribute, Polyline(times, (first[name], self.mix[name])))
        points = (dew_point(first["water"] * first["pressure"]),
                  dew_point(self.mix["water"] * self.pure))
        self.follow("dew_point", Polyline(times, points))

    def hidden_state(self) -> dict[str, Any]:
        return {"mix": dict(self.mix), "pure": self.pure}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.mix, self.pure = dict(hidden["mix"]), hidden["pure"]
