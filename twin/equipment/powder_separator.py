"""Separator of mixed non-magnetic powders: a travelling-field coil and an air classifier."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from twin.equipment.inert_line import InertLine
from twin.equipment.powder_station import FlowStation, PowderLine
from twin.machine import AMBIENT
from twin.physics.sorting import (
    AirClassifier,
    Method,
    NothingToSeparate,
    NotSeparable,
    Plan,
    TravellingField,
    conducts,
    grade,
    plan,
)
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, renamed, split
from twin.signals import actuator, fault, measured
from twin.trajectory import Relaxation

__all__ = ["Separator"]


class Separator(FlowStation):
    """Powder falls past a coil whose field travels across it, and rises in a stream of gas.

    Which of the two it uses, and into how many sub-cuts it is sieved before, follows from the
    batch. What goes to the product's side is summed up over the flow, so that a coil that fails
    half-way spoils half.
    """

    POWER = 400.0
    COIL = 9000.0  # W at full field, default
    FAN = 700.0  # W, default
    HEATING = 60.0  # K of the coil at full field, default
    COIL_TIME = 240.0  # s, default
    FIELD = TravellingField()
    AIR = AirClassifier()
    NOMINAL_FLOW = 120.0 / 3600  # m3/s of classifying gas, default

    flux_density = measured("mT", low=0, high=200, noise=0.05, quantum=0.1,
                            companion="Monitoring/Process/CoilFluxDensity",
                            doc="peak field in the curtain, pick-up coil")
    coil_current = measured("A", low=0, high=400, noise=0.1, quantum=0.1, doc="coil current")
    coil_temperature = measured("degC", low=0, high=200, start=20, noise=0.1, quantum=0.1,
                                companion="Monitoring/Health/CoilTemperature",
                                doc="coil winding")
    gas_flow = measured("m3/h", low=0, high=300, noise=0.2, quantum=0.1,
                        companion="Monitoring/Process/ClassifierFlow",
                        doc="classifying gas in the present sub-cut, over what it needs x 120")
    product_rate = measured("kg/h", low=0, high=1200, noise=0.05, quantum=0.1,
                            doc="to the product's side")
    possible = measured(bool, start=True, doc="the separator's own control found a way to sort "
                        "the batch as it was asked to, or nothing to sort")
    sub_cuts = measured(int, low=0, high=20, doc="sub-cuts that the batch is sieved into")
    coil = actuator("%", low=0, high=100, doc="coil current demand, share of rated")
    frequency = actuator("kHz", low=1, high=5000, start=1000, doc="frequency of the coil")
    gas = actuator("%", low=0, high=150, doc="classifying gas over what the plan asks for")
    passes = actuator(int, low=1, high=5, start=1, doc="times that the product is sorted")
    coil_loss = fault("%", low=0, high=100, doc="share of the coil's power that is lost")
    flow_drift = fault("%", low=-80, high=100, doc="error of the classifying gas flow")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__(line, gas)
        self.wanted = ""
        self.method: Method = "auto"
        self.plan: Plan | None = None
        self._planned = False

    def begin(self) -> None:
        super().begin()
        self.possible = True
        self.plan = self._plan()
        self.sub_cuts = self.plan.cuts if self.plan is not None else 0

    def _plan(self) -> Plan | None:
        batch = self._line.batch
        if batch is None or not self.wanted:
            return None
        try:
            return plan(batch, self.wanted, self.method,
                        replace(self.FIELD, frequency=self.frequency))
        except NothingToSeparate:
            return None
        except NotSeparable as reason:
            self.possible = False
            self.log("process", f"not separated: {reason}"[:240])
            return None

    def driven(self, attribute: str) -> None:
        super().driven(attribute)
        self._energise()

    def tripped(self, power_lost: bool) -> None:
        self.coil = self.gas = 0.0
        super().tripped(power_lost)
        self._energise()

    def _energise(self) -> None:
        now, on = self.now, self.coil if self._gas.permits and self.run else 0.0
        self.sense(now)
        # Half the power is 0.7 of the current.
        current = on * max(1.0 - self.coil_loss, 0.0) ** 0.5
        self.settle("coil_current", 200.0 * current)
        self.settle("flux_density", self.FIELD.flux_density * current)
        warm = AMBIENT + self.HEATING * current**2
        self.follow("coil_temperature",
                    Relaxation(now, self.coil_temperature, warm, self.COIL_TIME))
        blown = self.gas * (1.0 + self.flow_drift) if self._gas.permits and self.run else 0.0
        self.settle("gas_flow", self.NOMINAL_FLOW * blown)
        self.draw((self.POWER + self.COIL * current**2 + self.FAN * blown**3) * self.working)

    def flow(self) -> float:
        # Every pass and every sub-cut takes its time; a sub-cut holds a part of the powder only.
        return float(self.feed) / max(int(self.passes), 1)

    def work(self, now: float, step: float) -> bool:
        self._energise()
        if not self.possible:
            return True  # It lets the batch by, unsorted.
        before = np.asarray(self._sum).copy()
        through = super().work(now, step)
        batch = self._line.batch
        if batch is not None and self.total > 0.0:
            masses = np.array([c.masses for c in batch.constituents]) / self.total
            given = float((masses * (np.asarray(self._sum) - before)).sum())
            self.show("product_rate", now, step, max(given, 0.0) / step)
        return through

    def idle(self) -> None:
        super().idle()
        self.settle("product_rate", 0.0)
        self._energise()

    def share(self, rate: float) -> np.ndarray[Any, Any]:
        batch, way = self._line.batch, self.plan
        assert batch is not None
        share = np.ones((len(batch.constituents), len(batch.masses)))
        if way is None or rate <= 0.0:
            return share
        feed = rate * max(self.passes, 1)
        if way.method in ("eddy current", "both"):
            field = replace(self.FIELD, flux_density=max(self.flux_density, 1e-9),
                            frequency=self.frequency)
            taken = field.taken(batch, feed)
            share = share * (taken if conducts(batch, way.wanted) else 1.0 - taken)
        if way.method in ("density", "both"):
            flow = max(self.gas_flow / self.NOMINAL_FLOW, 1e-3)
            light = self.AIR.light(batch, np.array(way.edges), flow, feed)
            heavy = max(batch.constituents, key=lambda c: c.density).alloy == way.wanted
            share = share * (1.0 - light if heavy else light)
        return np.asarray(share ** max(self.passes, 1))

    def finish(self) -> None:
        line, batch, way = self._line, self._line.batch, self.plan
        if batch is None or way is None or self.total <= 0.0:
            return
        keep = np.broadcast_to(self.kept(), (len(batch.constituents), len(batch.masses)))
        found = grade(batch, way.wanted, keep)
        product, other = split(batch, keep, (line.new_id(), line.new_id("separated")))
        product, gained = line.oxidised(product)
        line.put("separated", other.mass)
        made = line.operate(
            "separate", [Draw.all(batch)],
            [renamed(product, product.id, parents=(batch.id,)),
             renamed(other, other.id, parents=(batch.id,), status="hold")],
            gained=gained, method=way.method, sub_cuts=way.cuts, why=way.why,
            purity=found.purity, recovery=found.recovery)
        line.batch = next((o for o in made if isinstance(o, PowderLot) and o.id == product.id),
                          None)
        self.log("process", f"separated by {way.method}", purity=found.purity,
                 recovery=found.recovery)
        line.changed()

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "planned": self.plan is not None}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        # The batch comes back with the plant's own state; see `resume`.
        self.plan = None
        self._planned = bool(hidden["planned"])

    def resume(self) -> None:
        """After a restore: the plan anew, from the batch that is back."""
        if self._planned:
            self.plan = self._plan()
