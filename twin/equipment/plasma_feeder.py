"""Powder through a plasma torch: feeder and probe, the flame's work on it, collection."""

from __future__ import annotations

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from math import ceil, exp, pi, sin
from typing import Any

from twin.equipment.plasma_batch import Batch, Conditions
from twin.equipment.plasma_reactor import QuenchLoop, Reactor
from twin.equipment.plasma_torch import PlasmaGas, PlasmaTorch
from twin.machine import Equipment
from twin.physics.plasma_particles import Plasma
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, blend, draw, renamed
from twin.signals import actuator, fault, measured
from twin.trajectory import Polyline, Relaxation

__all__ = ["Collector", "ProbeFeeder"]

LITRE_PER_MIN = 1e-3 / 60


class ProbeFeeder(Equipment):
    """Hopper, vibrating feeder and water-cooled probe on one grid of simulated time.

    While powder moves, every step feeds some of it to the flame as flame and gas are at that
    moment; the sum over a batch is what the collector finds. Steps look ahead, so that readings lie
    on straight lines between them.
    """

    STEP = 2.0  # s
    LAG = 2.0  # s of the feeder behind its demand, default
    SCALE = 5.0  # s of the loss-in-weight evaluation, default
    PULSE = (0.02, 11.0)  # amplitude and period (s) of the flow, default
    SURGE_TIME = 17.0  # s, period of a surge, default
    CARRIER = 6 * LITRE_PER_MIN  # m3/s, nominal, default
    EXIT = 8.0  # m/s of the powder at the probe's tip with it, default
    PROBE = 60e2  # Pa over the probe at nominal carrier gas, default
    EMPTY = 2e-4  # kg at which the hopper counts as empty
    CAPACITY = 40.0  # kg, default
    MOST = 20 / 3600  # kg/s, default

    rate = measured("kg/h", low=0, high=50, noise=0.005, quantum=0.001,
                    companion="Monitoring/Process/PowderFeed", doc="powder feed, loss in weight")
    mass = measured("kg", low=0, high=100, noise=0.0001, quantum=0.0001,
                    companion="Monitoring/Process/HopperMass", doc="powder in the feeder's hopper")
    supply = measured("kg", low=0, high=5000, noise=0.005, quantum=0.001,
                      doc="powder of supplied lots that waits at the machine, on its scale")
    drive = measured("%", low=0, high=100, noise=0.1, quantum=0.1,
                     doc="drive of the vibrating feeder")
    probe_pressure = measured("mbar", low=0, high=1000, noise=0.2, quantum=0.1,
                              companion="Monitoring/Health/ProbePressure",
                              doc="carrier gas over the reactor at the probe's inlet")
    demand = actuator("kg/h", low=0, high=20, doc="powder feed demand")
    batch = actuator("kg", low=0, high=40, doc="powder of a batch")
    charge = actuator(bool, edge=True, doc="fill the hopper up to a batch (rising edge)")
    bridging = fault("%", low=0, high=100, doc="share of the flow that a bridge in the hopper "
                     "holds back")
    surge = fault("%", low=0, high=300, doc="amplitude by which the flow swings")
    overfeed = fault("%", low=-50, high=300, doc="share by which more is fed than the calibration "
                     "says")
    probe_clog = fault("%", low=0, high=100, doc="share of the probe's bore that powder or melt "
                       "has closed")

    def __init__(self, torch: PlasmaTorch, gas: PlasmaGas, reactor: Reactor, loop: QuenchLoop
                 ) -> None:
        super().__init__()
        self._torch, self._gas, self._reactor, self._loop = torch, gas, reactor, loop
        self.lots: list[PowderLot] = []
        self.content: Batch | None = None
        self.brushed: list[PowderLot] = []
        """What batches left in the hopper, too little to be fed."""
        self.fed_for = 0.0
        """s during which powder of the batch flowed."""
        self._due: float | None = None
        self._flow = 0.0  # kg/s that the drive gives
        self._seen = 0.0  # kg/s, loss in weight
        self._soot = 0.0  # kg told to the filter later

    # -- powder in the hopper -----------------------------------------------------------------

    def take(self, lots: Sequence[PowderLot]) -> None:
        """Put lots at the machine."""
        self.lots += [lot for lot in lots if lot.mass > 0]
        self._weigh()

    def recall(self, ids: Collection[str]) -> list[PowderLot]:
        """Take lots away again, as far as they are not in the hopper."""
        gone = [lot for lot in self.lots if lot.id in ids]
        self.lots = [lot for lot in self.lots if lot.id not in ids]
        self._weigh()
        return gone

    def give_back(self) -> list[PowderLot]:
        """All powder that was not fed, the parts of each lot together; then there is none."""
        parts = [*self.brushed, *(self.content.lots if self.content else ()), *self.lots]
        found: dict[str, PowderLot] = {}
        for part in parts:
            held = found.get(part.id)
            found[part.id] = part if held is None else renamed(
                blend([held, part], part.id), part.id, parents=part.parents, status=part.status)
        self.lots, self.content, self.brushed = [], None, []
        self.fed_for, self._flow = 0.0, 0.0
        self._weigh()
        self.settle("mass", 0.0)
        return list(found.values())

    def _weigh(self) -> None:
        self.supply = sum(lot.mass for lot in self.lots)

    def _fill(self) -> None:
        """Fill the hopper up to a batch out of the lots, the first ones first."""
        had = self.content.left if self.content is not None else 0.0
        if self.content is not None and self.content.fed > 0:
            return  # The batch in work is not mixed with another.
        need = min(self.batch, self.CAPACITY) - had
        drawn = list(self.content.lots) if self.content is not None else []
        while need > 1e-9 and self.lots:
            taken, rest = draw(self.lots[0], min(need, self.lots[0].mass))
            # A pinch that is left goes along, as nobody keeps it.
            if rest.mass < 1e-6 * self.lots[0].mass:
                taken = self.lots.pop(0)
            else:
                self.lots[0] = rest
            need -= taken.mass
            if drawn and drawn[-1].id == taken.id:
                taken = renamed(blend([drawn.pop(), taken], taken.id), taken.id,
                                parents=taken.parents)
            drawn.append(taken)
        self._weigh()
        if drawn:
            self.content = Batch(drawn)
            self.fed_for = 0.0
            self.settle("mass", self.content.left)
            self.log("process", "hopper charged", mass=self.content.mass,
                     lots=[lot.id for lot in drawn])

    def empty_out(self, rest: Sequence[PowderLot]) -> None:
        """The batch is closed; what was not fed is in the hopper as another one.

        What clings to an empty hopper is brushed out, and waits for the end of the job.
        """
        left = sum(lot.mass for lot in rest)
        self.content = Batch(rest) if left > self.EMPTY else None
        self.brushed += [lot for lot in rest if lot.mass > 0.0] if self.content is None else []
        self.fed_for, self._flow = 0.0, 0.0  # The gate below the hopper is shut.
        self.settle("mass", self.content.left if self.content is not None else 0.0)

    # -- grid ---------------------------------------------------------------------------------

    def driven(self, attribute: str) -> None:
        if attribute == "charge":
            if self.charge:
                self._fill()
            return
        if attribute == "batch":
            return
        if attribute == "probe_clog":
            self._gas.clog(0.6 * self.probe_clog)
        self.press()
        self.wake()

    def press(self) -> None:
        """Carrier gas or the probe's bore has changed."""
        if not hasattr(self, "plant"):
            return
        now = self.now
        self.sense(now)
        flow = self._gas._target("carrier_flow") / self.CARRIER
        bore = max(1 - self.probe_clog, 0.1)
        self.follow("probe_pressure", Relaxation(now, self.probe_pressure,
                                                 min(self.PROBE * flow**2 / bore**3, 9e4), 1.0))

    def tripped(self, power_lost: bool) -> None:
        self.demand = 0.0
        self.wake()

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._run(self._due))
        if "probe_pressure" not in self.trajectories:
            self.press()

    def wake(self) -> None:
        """Begin to tick if it rests."""
        if self._due is None:
            self._due = self.STEP * ceil(self.now / self.STEP + 1e-9)
            self.plant.run(self._run(self._due))

    def _run(self, due: float) -> Generator[Any, Any, None]:
        while True:
            yield self.plant.env.at(due)
            if self.demand <= 0 and self._flow < 1e-9 and self._seen < 1e-7:
                self._due = None
                self._rest()
                return
            self._tick(due)
            number = round(due / self.STEP) + 1
            due = self._due = number * self.STEP

    def _rest(self) -> None:
        self._flow = self._seen = 0.0
        self.settle("rate", 0.0)
        self.settle("drive", 0.0)
        self.settle("mass", self.content.left if self.content is not None else 0.0)
        self._pass_soot()

    @property
    def caught(self) -> float:
        """Share of the powder that gets into the flame: too slow a jet is blown aside, default."""
        thrust = self._carrier / self.CARRIER
        through = 1 - exp(-4.5 * thrust)
        return float(through * (1 - 0.7 * self.probe_clog))

    @property
    def _carrier(self) -> float:
        return float(self._gas.trajectories["carrier_flow"].at(self.now))

    def conditions(self, feed: float) -> Conditions:
        """Flame, probe and chamber as they are now."""
        gas, now = self._gas, self.now
        argon = sum(gas.trajectories[f"{name}_flow"].at(now)
                    for name in ("central", "sheath", "carrier"))
        hydrogen = max(gas.trajectories["hydrogen_flow"].at(now), 0.0)
        bore = max(1 - self.probe_clog, 0.1)
        speed = self.EXIT * self._carrier / self.CARRIER / bore
        heat = self.content.heat if self.content is not None else 0.0
        plasma = Plasma(self._torch.gas_power, max(argon, LITRE_PER_MIN), hydrogen,
                        self._reactor.absolute, feed * heat, max(speed, 0.2))
        return Conditions(plasma, self.caught, self._reactor.oxygen + self._reactor.steam,
                          self._loop.carried)

    def _tick(self, now: float) -> None:
        step = self.STEP
        self.sense(now)
        before, seen, mass = self._flow, self._seen, float(self.mass)
        wanted = self.demand if self.plant.energised else 0.0
        amplitude, period = self.PULSE
        swing = amplitude * sin(2 * pi * now / period) + self.surge * sin(
            2 * pi * now / self.SURGE_TIME)
        target = wanted * (1 - self.bridging) * (1 + self.overfeed) * max(1 + swing, 0.0)
        # Next to nothing is nothing, or a feeder would never come to rest.
        self._flow = target + (before - target) * exp(-step / self.LAG)
        if target == 0.0 and self._flow < 1e-7:
            self._flow = 0.0
        given = 0.0
        content = self.content
        if content is not None and content.left > 0 and self._flow > 0:
            given = min(self._flow * step, content.left)
            self._soot += content.step(given, self._flow, self.conditions(self._flow))
            self.fed_for += step
            self.take_feedstock(given)
        real = given / step
        self._seen = real + (seen - real) * exp(-step / self.SCALE)
        times = (now, now + step)
        self.follow("rate", Polyline(times, (seen, self._seen)))
        self.follow("mass", Polyline(times, (mass, content.left if content is not None else 0.0)))
        share = wanted / self.MOST
        self.follow("drive", Polyline(times, (float(self.drive), share)))
        if round(now / step) % 8 == 0:
            self._pass_soot()

    def _pass_soot(self) -> None:
        if self._soot > 0:
            self._loop.load(self._soot)
            self._soot = 0.0
            self._reactor.changed()

    # -- snapshots ----------------------------------------------------------------------------

    def hidden_state(self) -> dict[str, Any]:
        return {"lots": [lot.plain() for lot in self.lots],
                "brushed": [lot.plain() for lot in self.brushed],
                "content": None if self.content is None else self.content.plain(),
                "fed_for": self.fed_for, "due": self._due, "flow": self._flow,
                "seen": self._seen, "soot": self._soot}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.lots = [PowderLot.of(lot) for lot in hidden["lots"]]
        self.brushed = [PowderLot.of(lot) for lot in hidden["brushed"]]
        self.content = None if hidden["content"] is None else Batch.of(hidden["content"])
        self.fed_for, self._due = hidden["fed_for"], hidden["due"]
        self._flow, self._seen, self._soot = hidden["flow"], hidden["seen"], hidden["soot"]


class Collector(Equipment):
    """Drum below the reactor, with a scale and a particle camera; soot under the filter.

    Soot is made safe with a little air before anybody opens the filter.
    """

    PASSIVATION = 240.0  # s, default
    OXIDE = 0.03  # oxygen that soot takes up then, over its mass, default

    product_mass = measured("kg", low=0, high=5000, noise=0.001, quantum=0.001,
                            companion="Monitoring/Process/ProductMass",
                            doc="powder collected in this job")
    soot_mass = measured("kg", low=0, high=100, noise=0.0005, quantum=0.001,
                         doc="soot under the filter, on its load cell")
    sphericity = measured("%", low=0, high=100, noise=0.2, quantum=0.1,
                          companion="Monitoring/Process/Sphericity",
                          doc="share of round particles in the last batch, by image analysis")
    median_size = measured("um", low=0, high=1000, noise=0.2, quantum=0.1,
                           companion="Monitoring/Process/MedianSize",
                           doc="median size of the last batch, by image analysis")
    fines = measured("%", low=0, high=100, noise=0.05, quantum=0.01,
                     doc="share below 1 um in the last batch")
    batches = measured(int, low=0, high=1000, doc="batches collected in this job")
    passivated = measured(bool, start=True, doc="soot is covered by oxide, or there is none")
    collect = actuator(bool, edge=True, doc="close the batch: weigh it, look at a sample (rising "
                       "edge)")
    passivate = actuator(bool, doc="let a little air into the filter")
    discharge = actuator(bool, edge=True, doc="take drum and soot away (rising edge)")

    def __init__(self, feeder: ProbeFeeder, loop: QuenchLoop,
                 done: Callable[[Mapping[str, float]], None]) -> None:
        """`done` is told the figures of a batch that is closed."""
        super().__init__()
        self._feeder, self._loop, self._done = feeder, loop, done
        self.soot: list[Item] = []
        self._due: float | None = None

    def begin(self) -> None:
        """A job begins with an empty drum."""
        self.batches = 0
        self.product_mass = 0.0

    def driven(self, attribute: str) -> None:
        if attribute == "collect" and self.collect:
            self.close()
        elif attribute == "passivate":
            self._due = self.now + self.PASSIVATION if self.passivate and self.soot else None
            if self._due is not None:
                self.plant.run(self._oxidise(self._due))
        elif attribute == "discharge" and self.discharge:
            self._empty()

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._oxidise(self._due))

    def close(self) -> None:
        """A batch is over: what came of it; nothing if none was fed."""
        feeder, plant = self._feeder, self.plant
        content = feeder.content
        if content is None or content.fed <= 0:
            return
        feeder._pass_soot()
        ids = {"product": plant.new_id(), "soot": plant.new_id("soot"),
               "deposit": plant.new_id("deposit")}
        operation, rest, figures = content.close("spheroidize", plant.name, self.now, ids, {})
        plant.record_operation(operation)
        self.soot += [o for o in operation.outputs if isinstance(o, Item) and o.kind == "soot"]
        self.soot_mass = sum(item.mass for item in self.soot)
        self.passivated = self.passivated and not self.soot
        duration, fed = feeder.fed_for, content.fed
        feeder.empty_out(rest)
        self.batches += 1
        self.product_mass += figures["product"]
        self.sphericity = 1 - figures["irregular"]
        self.median_size, self.fines = figures["d50"], figures["fines"]
        self._done({**figures, "fed_for": duration, "fed": fed})

    def _oxidise(self, due: float) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        if self._due != due:
            return
        self._due = None
        if self.soot:
            self._merge(self.OXIDE, "passivate")
        self.passivated = True
        self.log("process", "soot passivated", mass=float(self.soot_mass))

    def _merge(self, oxide: float, name: str) -> None:
        """All soot as one, with so much more oxygen over its mass."""
        plant = self.plant
        elements: dict[str, float] = {}
        for item in self.soot:
            for element, mass in item.elements.items():
                elements[element] = elements.get(element, 0.0) + mass
        gained = oxide * sum(elements.values())
        elements["O"] = elements.get("O", 0.0) + gained
        elements = dict(sorted(elements.items()))
        made = Item(plant.new_id("soot"), "soot", self.soot[0].alloy, sum(elements.values()),
                    elements, {"passivated": True})
        plant.record_operation(Operation(
            name, plant.name, self.now, tuple(Draw.all(item) for item in self.soot), (made,),
            gained={"O": gained}))
        self.soot = [made]
        self.soot_mass = made.mass

    def make_safe(self) -> None:
        """Somebody lets a little air to the soot that is there, and waits, before he opens."""
        if not self.passivated and self.soot:
            self._merge(self.OXIDE, "passivate")
            self.passivated = True

    def burn(self) -> None:
        """Air came to soot that was not passivated: it burns."""
        if not self.passivated and self.soot:
            self.log("process", "soot burns in the air", mass=float(self.soot_mass))
            self._merge(0.3, "burn")
            self.passivated = True

    def _empty(self) -> None:
        self.burn()
        self.soot = []
        self.soot_mass = 0.0
        self._loop.clean()
        self.log("process", "drum and filter emptied", product=float(self.product_mass))

    def hidden_state(self) -> dict[str, Any]:
        return {"soot": [item.plain() for item in self.soot], "due": self._due}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.soot = [Item.of(item) for item in hidden["soot"]]
        self._due = hidden["due"]
