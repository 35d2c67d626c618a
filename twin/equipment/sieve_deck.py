"""Ultrasonic sieve deck: passage and blinding in time, what the deck carries, torn mesh."""

from __future__ import annotations

from typing import Any

import numpy as np

from twin.equipment.inert_line import InertLine
from twin.equipment.powder_station import FlowStation, PowderLine
from twin.physics.sieving import Deck, Mesh, near_size, open_share, passing
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, renamed, split
from twin.powder.sizes import BINS
from twin.signals import actuator, fault, measured

__all__ = ["SieveDeck"]

Array = np.ndarray[Any, Any]


class SieveDeck(FlowStation):
    """One deck of 0.8 m with ultrasound, and a finer deck below for the fines.

    Each size class on the deck: dm/dt = feed - ks A phi p m / max(m_deck, full) - discharge. What
    the mesh does not pass in time goes to the oversize outlet, product with it if the mesh is
    blinded or the deck overloaded; a hole passes everything.
    """

    POWER = 600.0
    DECK = Deck()
    LONGEST_TAIL = 240.0  # s after the last feed, default
    TAIL = 0.6 / 3600  # kg/s of passage below which the deck is done, default
    CURRENT = (1.2, 0.05)  # A of the motor: empty, per kg on the deck, default
    GENERATOR = 200.0  # W of ultrasound at full power, default
    STROKE = 2.0e-3  # m at full amplitude, default
    FINE_DECK = 0.7  # share of what could that passes the fine deck, default

    deck_load = measured("kg", low=0, high=200, noise=0.01, quantum=0.01,
                         companion="Monitoring/Process/DeckLoad", doc="powder on the deck")
    product_rate = measured("kg/h", low=0, high=1200, noise=0.3, quantum=0.1,
                            companion="Monitoring/Process/SieveRate", doc="through the mesh")
    oversize_rate = measured("kg/h", low=0, high=1200, noise=0.1, quantum=0.1,
                             doc="to the oversize outlet")
    product = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                       doc="sieved so far of this batch")
    oversize = measured("kg", low=0, high=1000, noise=0.002, quantum=0.001,
                        doc="oversize so far of this batch")
    stroke = measured("mm", low=0, high=5, noise=0.002, quantum=0.01, doc="deck amplitude")
    motor_current = measured("A", low=0, high=20, noise=0.01, quantum=0.01,
                             companion="Monitoring/Health/SieveMotorCurrent",
                             doc="current of the deck's motor")
    ultrasonic_power = measured("W", low=0, high=400, noise=0.5, quantum=0.1,
                                companion="Monitoring/Health/UltrasonicPower",
                                doc="power that the resonator takes")
    amplitude = actuator("%", low=0, high=100, start=60, doc="deck amplitude demand")
    ultrasonic = actuator("%", low=0, high=100, start=60, doc="ultrasonic power demand")
    aperture = actuator("um", low=10, high=1000, start=63, doc="mesh that is mounted, told by "
                        "the frame's code")
    fine_aperture = actuator("um", low=0, high=200, doc="mesh of the fine deck; 0: none")
    resieve = actuator(bool, edge=True, doc="lead the oversize back to the feed (rising edge)")
    blinding = fault("", low=1, high=200, start=1, doc="factor on how fast near-size grains blind "
                     "the mesh: sticky or odd grains")
    torn = fault("%", low=0, high=100, doc="share of the mesh that is a hole")
    ultrasonic_loss = fault("%", low=0, high=100, doc="share of the ultrasound that is lost")

    def __init__(self, line: PowderLine, gas: InertLine) -> None:
        super().__init__(line, gas)
        self.open = 1.0
        self._waits = np.zeros(BINS)
        self._deck = np.zeros(BINS)
        self._through = np.zeros(BINS)
        self._over = np.zeros(BINS)
        self._tail = 0.0

    def driven(self, attribute: str) -> None:
        if attribute == "resieve" and self.resieve and self.begun:
            self._waits = self._waits + self._over
            self._over = np.zeros(BINS)
            self.left = float(self._waits.sum())
            self._tail = 0.0
            self.settle("oversize", 0.0)
        super().driven(attribute)

    def mount(self) -> None:
        """Put a clean mesh in."""
        self.open = 1.0

    def clear(self) -> None:
        super().clear()
        self._waits, self._deck = np.zeros(BINS), np.zeros(BINS)
        self.settle("deck_load", 0.0)

    def begin(self) -> None:
        super().begin()
        batch = self._line.batch
        self._waits = np.array(batch.masses) if batch is not None else np.zeros(BINS)
        self._deck, self._through, self._over = (np.zeros(BINS) for _ in range(3))
        self._tail = 0.0

    def work(self, now: float, step: float) -> bool:
        deck, mesh = self.DECK, Mesh(max(self.aperture, 1e-6))
        moved = min(self.feed * step, self.left)
        fed = self._waits * (moved / self.left) if self.left > 0.0 else np.zeros(BINS)
        if self.left - moved < 1e-9 * self.total:
            fed, moved = self._waits.copy(), self.left
        self._waits = np.maximum(self._waits - fed, 0.0)
        self.left -= moved
        sound = self.ultrasonic * (1.0 - self.ultrasonic_loss)
        self.open = open_share(self.open, near_size(fed, mesh) / step, sound, step, deck,
                               self.blinding)
        self._deck = self._deck + fed
        load = float(self._deck.sum())
        crowd = max(load, deck.full)
        # What may pass per s and kg, by size; a hole asks for no size.
        passes = deck.rate * deck.area * self.open * min(self.amplitude / 0.6, 1.2) / crowd \
            * passing(mesh)
        passes = passes + deck.rate * deck.area * self.torn / crowd
        leaves = min((load / deck.full) ** 2, 4.0) / deck.residence * min(
            self.amplitude / 0.6, 1.2)
        total = passes + leaves
        gone = self._deck * -np.expm1(-total * step)
        through = gone * np.divide(passes, total, out=np.zeros(BINS), where=total > 0.0)
        over = gone - through
        self._deck = np.maximum(self._deck - gone, 0.0)
        self._through = self._through + through
        self._over = self._over + over
        load = float(self._deck.sum())
        rate = float(through.sum()) / step
        self._tail = self._tail + step if self.left <= 0.0 else 0.0
        for name, value in (("rate", moved / step), ("remaining", self.left), ("deck_load", load),
                            ("product_rate", rate), ("oversize_rate", float(over.sum()) / step),
                            ("product", float(self._through.sum())),
                            ("oversize", float(self._over.sum())),
                            ("stroke", self.STROKE * self.amplitude),
                            ("motor_current", self.CURRENT[0] * min(self.amplitude * 2, 1.2)
                             + self.CURRENT[1] * load),
                            ("ultrasonic_power", self.GENERATOR * sound)):
            self.show(name, now, step, value)
        return self.left <= 0.0 and self._tail >= 6.0 and (
            rate < max(self.TAIL, 0.02 * self.feed) or self._tail >= self.LONGEST_TAIL)

    def idle(self) -> None:
        super().idle()
        for name in ("product_rate", "oversize_rate", "stroke", "motor_current",
                     "ultrasonic_power"):
            self.settle(name, 0.0)
        self.settle("deck_load", float(self._deck.sum()))

    def finish(self) -> None:
        line, batch = self._line, self._line.batch
        over = self._over + self._deck
        self._deck = np.zeros(BINS)
        self.show("deck_load", self.now, self.STEP, 0.0)
        self.show("oversize", self.now, self.STEP, float(over.sum()))
        if batch is None or self.total <= 0.0:
            return
        whole = self._through + over
        keep = np.divide(self._through, whole, out=np.zeros(BINS), where=whole > 0.0)
        product, coarse = split(batch, np.clip(keep, 0.0, 1.0),
                                (line.new_id(), line.new_id("oversize")))
        outputs = [product, coarse]
        if self.fine_aperture > 0.0:
            falls = np.clip(passing(Mesh(self.fine_aperture)) * self.FINE_DECK, 0.0, 1.0)
            product, fines = split(product, 1.0 - falls, (product.id, line.new_id("fines")))
            outputs = [product, coarse, fines]
        product, gained = line.oxidised(product)
        outputs[0] = product
        rejects = [renamed(lot, lot.id, status="scrap", parents=(batch.id,))
                   for lot in outputs[1:]]
        line.put("oversize", sum(lot.mass for lot in rejects))
        made = line.operate(
            "sieve", [Draw.all(batch)],
            [renamed(product, product.id, parents=(batch.id,)), *rejects], gained=gained,
            open_share=self.open)
        line.batch = next((o for o in made if isinstance(o, PowderLot) and o.id == product.id),
                          None)
        line.changed()

    def hidden_state(self) -> dict[str, Any]:
        return {**super().hidden_state(), "open": self.open, "tail": self._tail,
                "arrays": [a.tolist() for a in (self._waits, self._deck, self._through,
                                                self._over)]}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        super().restore_hidden(hidden)
        self.open, self._tail = hidden["open"], hidden["tail"]
        self._waits, self._deck, self._through, self._over = map(np.array, hidden["arrays"])
