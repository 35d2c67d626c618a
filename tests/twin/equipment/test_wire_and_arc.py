"""Wire drive, hot-wire source, welding source and torch: their equations, and faults in order."""

from __future__ import annotations

import numpy as np
import pytest

from twin.equipment.arc_source import ArcSource, Torch
from twin.equipment.wire_feeder import HotWireSource, WireFeeder
from twin.machine import Plant
from twin.materials import alloy
from twin.physics.arc import arc_for

STEEL, D = alloy("ER70S-6"), 1.2e-3
FEED, GAP, SETTING = 6 / 60, 0.015, 26.5


class Rig(Plant):
    """A torch over a plate, without a machine around it."""

    def __init__(self) -> None:
        super().__init__(1)
        self.feeder = self.add("Feeder", WireFeeder())
        self.torch = self.add("Torch", Torch())
        self.source = self.add("Source", ArcSource(self.feeder, self.torch))
        self.hot = self.add("Hot", HotWireSource())
        self.gap = GAP
        self.assemble()
        self.feeder.load(float(STEEL.density(293.15)), D)
        self.source.load(arc_for(STEEL, D))
        self.source.changed = self.burn

    def burn(self) -> None:
        if self.source.burning:
            self.source.burn(np.array([self.env.now]), self.steady())

    def steady(self):  # type: ignore[no-untyped-def]
        return self.source.steady(np.array([self.gap]))

    def read(self, time: float) -> Rig:
        self.advance(time)
        for _, component in self.walk():
            component.sense(time)
        return self


def burning() -> Rig:
    rig = Rig()
    rig.drive("Torch.GasDemand", 16e-3 / 60)
    rig.drive("Source.VoltageDemand", SETTING)
    rig.drive("Feeder.FeedDemand", FEED)
    rig.drive("Source.Enable", True)
    rig.source.strike()
    rig.read(1.0)
    return rig


def test_arc_strikes_and_settles() -> None:
    rig = Rig()
    rig.drive("Source.VoltageDemand", SETTING)
    rig.drive("Feeder.FeedDemand", FEED)
    rig.drive("Source.Enable", True)
    rig.source.strike()
    rig.read(0.05)
    assert rig.source.voltage == pytest.approx(65.0, rel=0.01)  # open circuit until it touches
    assert rig.source.current == 0.0
    rig.read(ArcSource.STRIKE - 1e-3)
    assert rig.source.current > 300.0  # touch start: short circuit
    rig.read(2.0)
    wanted = rig.steady()
    assert rig.source.arc_established
    assert rig.source.current == pytest.approx(float(wanted.current[0]), rel=1e-3)
    assert rig.source.voltage == pytest.approx(float(wanted.voltage[0]), rel=1e-3)


def test_stub_shows_in_order() -> None:
    rig = burning()
    before = rig.source.voltage, rig.source.current, rig.feeder.motor_torque
    rig.source.short("feed above melting rate")
    volts, amps, torque = [], [], []
    for step in range(200):
        time = 1.0 + step * 1e-3
        rig.read(time)
        volts.append(rig.source.voltage), amps.append(rig.source.current)
        torque.append(rig.feeder.motor_torque)
    fell = next(i for i, v in enumerate(volts) if v < 0.4 * before[0])
    rose = next(i for i, a in enumerate(amps) if a > 1.6 * before[1])
    strained = next(i for i, t in enumerate(torque) if t > 1.5 * before[2])
    assert fell < rose < strained
    assert volts[-1] < 6.0
    assert rig.source.short_circuit
    assert not rig.source.arc_established
    assert [e.message for e in rig.happened][-1] == "wire stub: feed above melting rate"


def test_arc_loss_shows_open_circuit_and_no_current() -> None:
    rig = burning()
    rig.drive("Source.ArcDisturbance", True)
    rig.read(1.02)
    assert rig.source.voltage == pytest.approx(65.0, rel=0.01)
    assert rig.source.current == pytest.approx(0.0, abs=0.1)
    assert not rig.source.arc_established
    torque = rig.feeder.motor_torque
    rig.read(1.5)
    assert rig.feeder.motor_torque == pytest.approx(torque, rel=0.01)


def test_cold_start_stubs() -> None:
    rig = Rig()
    rig.drive("Source.IgnitionFailure", True)
    rig.drive("Feeder.FeedDemand", FEED)
    rig.drive("Source.Enable", True)
    rig.source.strike()
    rig.read(1.0)
    assert rig.source.short_circuit
    rig.drive("Source.Enable", False)
    rig.read(1.5)
    assert rig.source.current == pytest.approx(0.0, abs=1e-6)
    assert rig.source.state == "off"


def test_where_an_arc_fails() -> None:
    rig = burning()
    state = rig.source.steady(np.array([0.015]))
    assert [bool(x.any()) for x in rig.source.fails(state)] == [False, False]
    rig.drive("Source.VoltageError", -8.0)
    assert rig.source.fails(rig.source.steady(np.array([0.015])))[0].all()
    rig.drive("Source.VoltageError", 12.0)
    assert rig.source.fails(rig.source.steady(np.array([0.015])))[1].all()


def test_worn_tip_lowers_the_arc() -> None:
    rig = burning()
    before = float(rig.steady().length[0])
    rig.drive("Torch.TipWear", 8e-3)
    assert float(rig.steady().length[0]) < before - 1e-3
    rig.torch.wear(3000.0)
    assert rig.torch.resistance == pytest.approx(11e-3)


def test_gas_covers_the_pool_until_it_is_lost() -> None:
    rig = burning()
    assert float(rig.torch.cover(GAP, np.array([5.0]))[0]) == pytest.approx(1.0)
    rig.drive("Torch.GasLoss", 0.8)
    rig.read(6.0)
    assert rig.torch.gas_flow == pytest.approx(0.2 * 16e-3 / 60, rel=1e-3)
    assert float(rig.torch.cover(GAP, np.array([6.0]))[0]) < 0.3
    rig.drive("Torch.GasLoss", 0.0)
    rig.drive("Torch.Draught", 3.5)
    rig.read(12.0)
    assert float(rig.torch.cover(GAP, np.array([12.0]))[0]) < 0.5


def test_wire_drive_follows_and_slips() -> None:
    rig = Rig()
    rig.drive("Feeder.FeedDemand", 0.1)
    rig.read(1.0)
    assert rig.feeder.speed == pytest.approx(0.1)
    lag = rig.feeder.fed(0.0, 1.0)
    assert lag == pytest.approx(0.1 * (1.0 - WireFeeder.RESPONSE), rel=1e-6)
    rig.drive("Feeder.Slip", 0.4)
    rig.read(2.0)
    assert rig.feeder.motor_speed == pytest.approx(0.1)
    assert rig.feeder.speed == pytest.approx(0.06)


def test_spool_gets_lighter_and_ends() -> None:
    rig = Rig()
    rig.drive("Feeder.SpoolMissing", WireFeeder.SPOOL - 0.1)
    rig.drive("Feeder.FeedDemand", 0.2)
    rate = 0.2 * float(STEEL.density(293.15)) * np.pi * D**2 / 4
    rig.read(20.0)
    assert rig.feeder.spool_mass == pytest.approx(0.1 - 20 * rate, abs=1e-3)
    rig.read(0.1 / rate + 5)
    assert not rig.feeder.wire_present
    assert rig.feeder.speed == pytest.approx(0.0, abs=1e-9)
    rig.feeder.fresh()
    rig.read(0.1 / rate + 10)
    assert rig.feeder.speed == pytest.approx(0.2)


@pytest.mark.parametrize(("length", "free", "threaded"), [
    (3e-3, False, True), (10e-3, True, True), (40e-3, True, False)])
def test_retraction_frees_a_frozen_wire(length: float, free: bool, threaded: bool) -> None:
    rig = Rig()
    rig.drive("Feeder.FeedDemand", 0.1)
    rig.read(1.0)
    rig.feeder.stick("bead")
    rig.read(2.0)
    assert rig.feeder.speed == pytest.approx(0.0)
    assert rig.feeder.motor_torque > 1.2
    rig.drive("Feeder.FeedDemand", 0.0)
    rig.drive("Feeder.RetractLength", length)
    rig.drive("Feeder.Retract", True)
    rig.read(2.1 + length / WireFeeder.DRAW)
    assert (rig.feeder.stuck == "") is free
    assert rig.feeder.at_tip is threaded


def test_hot_wire_tells_of_its_contact() -> None:
    rig = Rig()
    rig.drive("Hot.CurrentDemand", 150.0)
    rig.drive("Hot.Enable", True)
    rig.read(1.0)
    assert rig.hot.current == 0.0  # blocked between passes
    times = np.array([1.0, 2.0, 3.0])
    rig.hot.show(times, np.array([1.0, 0.5, 1.0]), np.array([6.0, 9.0, 6.0]))
    rig.read(1.5)
    assert rig.hot.current == pytest.approx(150.0)
    assert rig.hot.resistance == pytest.approx(6.0 / 150 + HotWireSource.TIP, rel=1e-3)
    rig.read(2.5)
    assert rig.hot.current == pytest.approx(75.0)
    rig.hot.tip = lambda: 20e-3
    rig.hot.show(times, np.array([1.0, 0.5, 1.0]), np.array([6.0, 9.0, 6.0]))
    rig.read(3.5)
    assert rig.hot.voltage == pytest.approx(6.0 + 150 * (20e-3 + HotWireSource.TIP), rel=1e-3)
    rig.drive("Hot.CurrentError", 0.2)
    assert rig.hot.heating == pytest.approx(180.0)
    assert rig.hot.current == pytest.approx(150.0)  # its own meter does not see it
    rig.hot.rest()
    rig.read(4.0)
    assert rig.hot.voltage == pytest.approx(0.0, abs=1e-6)


def test_state_survives_a_snapshot() -> None:
    rig = burning()
    rig.drive("Source.Enable", False)
    rig.drive("Feeder.FeedDemand", 0.0)
    rig.read(3.0)
    kept, again = rig.snapshot(), Rig()
    again.reinstate(kept)
    for each in (rig, again):
        each.drive("Feeder.FeedDemand", FEED)
        each.read(5.0)
    assert again.feeder.keep() == rig.feeder.keep()
    assert again.torch.keep() == rig.torch.keep()
