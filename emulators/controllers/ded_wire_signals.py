"""What the controllers of the wire machines show and take in common."""

from __future__ import annotations

from typing import Any

from emulators.controllers.ded_signals import LAYER_PHASES, DedAlarms, DedProcess
from emulators.controllers.shared_alarms import OXYGEN_HIGH, like
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["SHIELD_LOW", "WireAlarms", "WireProcess"]


class WireProcess(DedProcess):
    """Setpoints and parameters of a job with wire; wire feed acts within a pass."""

    wire_feed = setpoint("m/min", low=0, high=25, start=6, doc="wire feed of a pass")
    shield_flow = setpoint("L/min", low=0, high=30, start=16, doc="shielding gas at the head")
    height_control = setpoint(bool, doc="let the scanner trim the wire feed by the surface's "
                                        "height")
    pass_dwell = setpoint("s", low=0, high=600, start=10, doc="least pause between the passes of a "
                          "layer")
    height_gain = parameter("%", low=0, high=100, start=40,
                            doc="wire added for an error of one layer step")
    height_authority = parameter("%", low=0, high=60, start=40, doc="most wire added or taken")
    track_surface = parameter(bool, doc="let the next step follow a stand-off that the feed cannot "
                                        "hold")
    retract_length = parameter("mm", low=0, high=50, start=10,
                               doc="how far the wire is drawn back after a failure; 5 to 20 mm "
                                   "frees it and keeps it in the tip")
    restart_overlap = parameter("mm", low=0, high=50, start=8,
                                doc="how much of a pass is run again when it goes on")
    wire_reference = parameter("m/min", low=0.1, high=25, start=6,
                               doc="wire feed that the recipe's voltage or current is for")
    shield_low = parameter("L/min", low=0, high=30, start=12,
                           doc="shielding gas below which the job is held; 75 % of the demand at "
                               "a job's start")
    monitoring = parameter(bool, start=True,
                           doc="hold the job when wire or source fail; without it the head goes on")

    def adopt_own(self, recipe: Any) -> None:
        wire = recipe.wire
        self.wire_feed = self.wire_reference = wire.feed
        self.height_control, self.height_gain = wire.height_control, wire.height_gain
        self.height_authority, self.track_surface = wire.height_authority, wire.track_surface
        self.retract_length, self.restart_overlap = wire.retract, wire.restart_overlap
        self.pass_dwell = wire.pass_dwell
        self.shield_flow = recipe.atmosphere.shield_flow
        self.shield_low = 0.75 * self.shield_flow
        self.monitoring = True


SHIELD_LOW = alarm(
    doc="shielding gas low",
    priority=Priority.HIGH,
    action="B",
    low="Process.ShieldLow",
    deadband=0.5,
    on_delay=1,
    phases=LAYER_PHASES,
    cause="bottle empty, hose, valve",
    consequence="job held; oxide and pores in the bead",
    response="mend the gas (Service.MendGas), grind back, resume",
)
"""For `like`: a machine says at which nozzle, after its alarms of all wire machines."""


class WireAlarms(DedAlarms):
    """The alarms that the wire machines have."""

    oxygen_high = like(
        OXYGEN_HIGH,
        doc="oxygen above the limit in the cell",
        source="Enclosure.OxygenBottom",
        phases=LAYER_PHASES,
    )
    interpass_high = alarm(
        doc="a layer was laid on a part too hot",
        priority=Priority.HIGH,
        phases=("pass",),
        cause="dwell too short, table cooling lost, more power than the part can give away",
        consequence="wide and low beads, coarse grains, sagging edges",
        response="dwell until below the limit (adaptive dwell), restore cooling, lower the power",
    )
    interpass_runaway = alarm(
        doc="interpass temperature runs away",
        priority=Priority.HIGH,
        action="B",
        on_delay=1,
        phases=("pass",),
        cause="interpass temperature was left to rise from layer to layer",
        consequence="the bead does not stand; job held",
        response="let it cool, dwell adaptively, resume",
    )
    wire_stub = alarm(
        doc="wire strikes the part",
        priority=Priority.HIGH,
        action="B",
        on_delay=0.1,
        phases=("pass",),
        cause="more wire than melts, cold start, tip too near, voltage or power too low",
        consequence="job held: wire drawn back, source off, place marked; a lump is left",
        response="scan and grind the lump (Service.DressStop), find the cause, resume with overlap",
    )
    source_lost = alarm(
        doc="wire melts no more: source or wire lost",
        priority=Priority.HIGH,
        action="B",
        on_delay=0.1,
        phases=("pass",),
        cause="arc blown out or too long, wire end, wire melted off, no power",
        consequence="job held, place marked; a gap is left",
        response="find the cause, dress the stop (Service.DressStop), resume with overlap",
    )
    restart_failed = alarm(
        doc="source failed again right after the restart",
        priority=Priority.URGENT,
        action="A",
        phases=("pass",),
        cause="wire still frozen in the bead, cause not removed",
        consequence="the head tears at the part: the job ends",
        response="cut the wire, dress part and wire, look for the cause before the next job",
    )
    wire_slips = alarm(
        doc="wire slower than the rolls",
        priority=Priority.MEDIUM,
        source="WireFeeder.Slippage",
        high=6,
        deadband=1,
        on_delay=2,
        phases=("pass",),
        cause="worn rolls, low pressure, tight liner",
        consequence="layers too low",
        response="pause, set the rolls (Service.ServiceFeeder), resume; or feed more meanwhile",
    )
    drive_strained = alarm(
        doc="wire drive strained",
        priority=Priority.MEDIUM,
        source="WireFeeder.MotorTorque",
        high=0.33,
        deadband=0.03,
        on_delay=1,
        phases=("pass",),
        cause="dirty liner, bent wire, wire presses on the part",
        consequence="uneven feed, then a stub",
        response="change the liner (Service.ServiceFeeder), look at the contact of the wire",
    )
    spool_low = alarm(
        doc="wire nearly used up",
        priority=Priority.LOW,
        source="WireFeeder.SpoolMass",
        low=1.0,
        deadband=0.1,
        on_delay=1,
        cause="wire used up",
        consequence="the wire ends in a pass",
        response="change the spool between layers (Service.ChangeSpool)",
    )
    spool_empty = alarm(
        doc="no wire",
        priority=Priority.HIGH,
        action="B",
        phases=LAYER_PHASES,
        cause="spool empty, wire drawn out of the tip",
        consequence="job held: nothing is deposited",
        response="change the spool and thread the wire (Service.ChangeSpool), resume",
    )
    bead_oxidised = alarm(
        doc="bead discoloured",
        priority=Priority.HIGH,
        source="Bead.Discolouration",
        high=25,
        deadband=5,
        on_delay=1,
        phases=("pass",),
        cause="too little shielding gas, draught, nozzle too far or blocked",
        consequence="oxide and pores in the bead",
        response="stop, restore the shielding, grind back to sound metal",
    )
    height_saturated = alarm(
        doc="height regulator at its limit",
        priority=Priority.MEDIUM,
        on_delay=2,
        phases=("pass",),
        cause="wire slips, wrong layer step, wrong travel speed",
        consequence="the regulator can no longer hide it: layers come out too high or too low",
        response="find what is wrong with feed or step",
    )
