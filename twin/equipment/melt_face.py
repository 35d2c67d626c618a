"""Melting face of a rotating electrode: from arc and speed to drops, on a grid of one second."""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from math import exp, inf, pi
from typing import Any, Literal

from twin.equipment.gridded import next_tick
from twin.equipment.rod_feed import RodFeed
from twin.equipment.rotor import Spindle
from twin.equipment.transferred_arc import PlasmaArc
from twin.machine import AMBIENT, Equipment
from twin.materials import Alloy
from twin.physics import rotating_electrode as physics
from twin.signals import measured
from twin.trajectory import Polyline, Relaxation

__all__ = ["Atomizing", "Drops", "MeltFace"]


@dataclass(frozen=True)
class Atomizing:
    """How a metal atomizes, from the recipe."""

    alloy: Alloy
    model: Literal["force balance", "champagne-angers"]
    factor: float
    """Of the model: on the force balance's diameter, or Champagne and Angers' K in SI."""
    critical: float
    """Size (m) from which half-solid melt is torn off."""

    def size(self, diameter: float, omega: float, rate: float) -> float:
        """Mass median (m) of drops from a rod (m) at ``omega`` (rad/s), ``rate`` m3/s of melt."""
        metal = self.alloy
        density = physics.melt_density(metal)
        if self.model == "force balance":
            return self.factor * physics.force_balance(metal.surface_tension, density, diameter,
                                                       omega)
        return physics.ChampagneAngers(self.factor).size(metal.surface_tension, density, diameter,
                                                         omega, rate)


@dataclass(frozen=True)
class Drops:
    """What leaves the rim in a span of time."""

    mass: float
    """kg"""
    fume: float
    """Of it evaporated, kg."""
    median: float
    """m"""
    spread: float
    peeled: float
    """Mass share torn off half solid."""
    speed: float
    """Of the rim, m/s."""
    superheat: float
    """K"""
    mode: int


class MeltFace(Equipment):
    """Heat-up, melting, burn-off and drops, ticking while anything turns, burns or moves.

    A tick integrates the span behind it with what was so in it, then looks ahead to the next, so
    readings in between lie on straight lines. Whatever changes in between is told beforehand and
    ends the span there.
    """

    STEP = 1.0  # s
    COLD = 25.0  # s in which a face without an arc cools, default
    SHAKES = 0.12  # standard deviation of ln d from second to second of a rim that shakes as at the
    # monitor's trip; with the square of vibration, for a little does not reach the drops: default
    SLOWEST = 500 / 60  # 1/s below which melt only drips, default

    temperature = measured("degC", low=0, high=4000, start=20, noise=3, quantum=1,
                           companion="Monitoring/Process/FaceTemperature",
                           doc="end face of the rod, two-colour pyrometer")

    def __init__(self, spindle: Spindle, arc: PlasmaArc, feed: RodFeed) -> None:
        super().__init__()
        self.spindle, self.arc, self.feed = spindle, arc, feed
        self.atomizing: Atomizing | None = None
        self.heated = 0.0  # progress 0..1 to the first melt
        self.settled = 0.0  # 0..1: how near the thermal layer is to that of steady state
        self._last = 0.0
        self._due: float | None = None
        self._true = AMBIENT
        self.gives: Callable[[Drops, float], None] = lambda drops, step: None
        """Told of what has left the rim in a span (s)."""
        self.ends: Callable[[], None] = lambda: None
        """Told of a span in which nothing left it."""

    # -- waking -------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether anything turns, burns or moves."""
        return bool(self.spindle.turning or self.arc.enable or self.arc.burning
                    or self.feed.moving)

    def before(self) -> None:
        """Something is about to change: end the span here."""
        if self._due is not None:
            self._integrate(self.now)

    def after(self) -> None:
        """Something has changed: look ahead anew."""
        if self._due is None:
            if not self.busy:
                return
            self._cool()
            self._due = next_tick(self.now, self.STEP)
            self.plant.run(self._run(self._due))
        self._look_ahead(self._due)

    def _cool(self) -> None:
        """Catch up with the time in which nothing ticked."""
        self._true = AMBIENT + (self._true - AMBIENT) * exp((self._last - self.now) / self.COLD)
        if self.atomizing is not None:
            self.heated = min((self._true - AMBIENT) / (self.atomizing.alloy.solidus - AMBIENT),
                              1.0)
        self._last = self.now

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._run(self._due))

    def _run(self, due: float) -> Generator[Any, Any, None]:
        while True:
            yield self.plant.env.at(due)
            self._integrate(due)
            if not self.busy:
                self._due = None
                self.spindle.rest()
                self.feed.halt()
                return
            due = self._due = next_tick(due, self.STEP)
            feed, arc = self.feed, self.arc
            if arc.burning:
                arc.judge()
                rod = feed.rod
                if arc.burning and rod is not None and rod.length <= feed.LIMIT:
                    feed.limit_switch = True
                    arc.out("shortest stub reached")
            feed.steer(arc.column(feed.gap), bool(arc.burning), self.STEP)
            arc.balance()
            self._look_ahead(due)

    # -- what happens in a span ---------------------------------------------------------------

    def _net(self) -> tuple[float, float]:
        """Heat (W) into the rod, and the face's temperature (K) in steady state with it."""
        rod, make = self.feed.rod, self.atomizing
        if rod is None or make is None or not self.arc.burning:
            return 0.0, AMBIENT
        taken = self.arc.watts * self.arc.efficiency(self.feed.gap)
        face = physics.face_temperature(make.alloy, taken, rod.diameter)
        return max(taken - physics.radiated(make.alloy, face, rod.diameter), 0.0), face

    def _advance(self, step: float) -> tuple[float, float, float, float, float]:
        """After a span: (heated, settled, melt kg, K, mean settled); changes nothing."""
        rod, make = self.feed.rod, self.atomizing
        net, face = self._net()
        if rod is None or make is None or net <= 0.0:
            cooled = AMBIENT + (self._true - AMBIENT) * exp(-step / self.COLD)
            melts = make.alloy.solidus if make else inf
            return min((cooled - AMBIENT) / (melts - AMBIENT), 1.0), 0.0, 0.0, cooled, 0.0
        metal = make.alloy
        until = physics.heat_up_time(metal, net, rod.diameter, AMBIENT) * (1.0 - self.heated)
        if until > step:
            heated = self.heated + step / until * (1.0 - self.heated)
            # The face of a half-space under a constant flux warms with the root of time.
            return heated, 0.0, 0.0, AMBIENT + (metal.solidus - AMBIENT) * heated**0.5, 0.0
        melting = step - until
        steady = net / physics.melt_enthalpy(metal, AMBIENT, face - metal.liquidus)
        tau = physics.settling_time(metal, physics.burn_rate(steady, metal, rod.diameter), AMBIENT)
        gone = 1.0 - exp(-melting / tau)
        settled = self.settled + (1.0 - self.settled) * gone
        mean = 1.0 - (1.0 - self.settled) * gone * tau / melting if melting > 0.0 else self.settled
        melt = min(steady * mean * melting, rod.mass)
        hot = metal.solidus + (face - metal.solidus) * settled
        return 1.0, settled, melt, hot, mean

    def _integrate(self, to: float) -> None:
        step = to - self._last
        if step <= 0.0:
            return
        rod, make, spindle = self.feed.rod, self.atomizing, self.spindle
        self.spindle.lived(step, self.settled > 0.0)
        heated, settled, melt, hot, mean = self._advance(step)
        _, face = self._net()
        burnt = 0.0
        if rod is not None and make is not None and melt > 0.0:
            burnt = melt / (rod.density * rod.area)
            rod.length = max(rod.length - burnt, 0.0)
            spindle.rod_mass = rod.mass
            self.gives(self._drops(melt, mean, face, step, to), step)
        else:
            self.ends()
        if rod is not None:
            self.feed.gap = max(self.feed.gap + burnt - self.feed.true_rate * step, 0.0)
        self.heated, self.settled, self._true = heated, settled, hot
        self._last = to

    def _drops(self, melt: float, mean: float, face: float, step: float, to: float) -> Drops:
        rod, make, spindle = self.feed.rod, self.atomizing, self.spindle
        assert rod is not None
        assert make is not None
        metal = make.alloy
        density = physics.melt_density(metal)
        course = spindle.trajectories.get("speed")
        middle = to - 0.5 * step
        speed = max(course.at(middle) if course else float(spindle.speed), 1e-3)
        omega, rate = 2.0 * pi * speed, melt / step / density
        vibration = max(spindle.whirl(speed)[:2])
        number = physics.hinze_milborn(rate, density, metal.viscosity, metal.surface_tension,
                                       rod.diameter, omega)
        # One draw for each second of the grid, however it is divided.
        draw = self.plant.stream("drops", int(middle // self.STEP)).standard_normal()
        median = make.size(rod.diameter, omega, rate) * rod.drops \
            * exp(self.SHAKES * (vibration / spindle.TRIP) ** 2 * float(draw))
        dripping = speed < self.SLOWEST
        fume = float(metal.evaporation_flux(min(face, metal.boiling))) * rod.area * step * mean
        return Drops(
            mass=melt, fume=min(fume, 0.5 * melt), median=min(median, 5e-3),
            spread=physics.spread(number, vibration),
            peeled=physics.STEADY_PEEL + physics.PEEL * (1.0 - mean),
            speed=0.0 if dripping else omega * rod.diameter / 2.0,
            superheat=max(face - metal.liquidus, 0.0) * mean,
            mode=int(physics.formation_mode(number)))

    # -- what is shown ------------------------------------------------------------------------

    def _look_ahead(self, until: float) -> None:
        now = self.now
        step = until - now
        if step <= 0.0:
            return
        _, _, melt, hot, _ = self._advance(step)
        rod = self.feed.rod
        burn = melt / (rod.density * rod.area) / step if rod is not None else 0.0
        self.sense(now)
        if self.arc.burning:
            self.follow("temperature", Polyline((now, until), (self._true, hot)))
        elif self._true > AMBIENT:
            self.follow("temperature", Relaxation(now, self._true, AMBIENT, self.COLD))
        self.feed.show(burn, until)
        later = self.feed.gap + (burn - self.feed.true_rate) * step
        self.arc.show(self.feed.gap, later, until)
        self.spindle.look_ahead(until)

    def cold(self) -> None:
        """Another rod: its face is cold."""
        self.heated = self.settled = 0.0
        self._true = AMBIENT
        self.settle("temperature", AMBIENT)

    def hidden_state(self) -> dict[str, Any]:
        return {"heated": self.heated, "settled": self.settled, "last": self._last,
                "due": self._due, "true": self._true}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self.heated, self.settled = hidden["heated"], hidden["settled"]
        self._last, self._due, self._true = hidden["last"], hidden["due"], hidden["true"]
