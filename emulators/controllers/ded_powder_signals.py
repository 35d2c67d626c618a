"""What the controller of a powder deposition machine shows and takes: setpoints and alarms."""

from __future__ import annotations

from emulators.controllers.ded_signals import (
    LAYER_PHASES,
    POOL_SATURATED,
    WINDOW_DIRTY,
    WINDOW_HOT,
    DedAlarms,
    DedProcess,
    Machine,
)
from emulators.controllers.shared_alarms import OXYGEN_HIGH, like
from emulators.recipes.ded_powder import Recipe
from twin.alarms import Priority
from twin.signals import alarm, parameter, setpoint

__all__ = ["Alarms", "Machine", "Process"]


class Process(DedProcess):
    """Setpoints and parameters of a powder deposition job; laser and powder act within a pass."""

    laser_power = setpoint("W", low=0, high=10_000, start=950, doc="laser power of a pass")
    powder_feed = setpoint("rpm", low=0, high=20, start=2.2,
                           doc="speed of the metering discs together")
    second_share = setpoint("%", low=0, high=100, doc="share of the second hopper; a graded recipe "
                            "sets it for each layer")
    carrier_flow = setpoint("L/min", low=1, high=20, start=6, doc="carrier gas flow")
    shield_flow = setpoint("L/min", low=0, high=40, start=18, doc="shield gas flow")
    pool_width = setpoint("mm", low=0, high=20, doc="pool width that the regulator holds; 0: none")
    pool_regulation = parameter(bool, doc="let the camera regulate laser power by pool width")
    regulator_authority = parameter("%", low=0, high=50, start=15,
                                    doc="most that the regulator may add or take")
    feed_lead = parameter("s", low=0, high=60, start=6,
                          doc="feed before the first pass of a layer")
    shield_low = parameter("L/min", low=0, high=40, start=14.4,
                           doc="shield gas below which the warning comes; 80 % of the demand at a "
                               "job's start")
    shield_lost = parameter("L/min", low=0, high=40, start=9,
                            doc="shield gas below which the job ends; half the demand at a job's "
                                "start")
    carrier_low = parameter("L/min", low=0, high=20, start=4.2,
                            doc="carrier gas below which the job is held; 70 % of the demand at a "
                                "job's start")

    def adopt_own(self, recipe: Recipe) -> None:
        laser, powder = recipe.laser, recipe.powder
        self.laser_power = laser.power
        # The recipe counts turns per minute without a unit.
        self.powder_feed = powder.disc_speed / 60
        self.second_share = recipe.grading.first_share if recipe.grading else 0.0
        self.carrier_flow, self.feed_lead = powder.carrier_flow, powder.lead
        self.shield_flow = recipe.atmosphere.shield_flow
        self.pool_width = laser.pool_width
        self.pool_regulation, self.regulator_authority = laser.regulate, laser.authority
        self.shield_low = 0.8 * self.shield_flow
        self.shield_lost = 0.5 * self.shield_flow
        self.carrier_low = 0.7 * self.carrier_flow


class Alarms(DedAlarms):
    """The alarms of a powder deposition machine."""

    oxygen_high = like(
        OXYGEN_HIGH,
        doc="oxygen above the limit in the enclosure",
        source="Enclosure.OxygenBottom",
        phases=LAYER_PHASES,
        cause="leak, glove, gas out",
    )
    window_dirty = like(WINDOW_DIRTY)
    window_hot = like(WINDOW_HOT)
    pool_saturated = like(POOL_SATURATED)
    power_low = alarm(
        doc="laser power below the demand",
        priority=Priority.MEDIUM,
        source="Laser.PowerRatio",
        low=95,
        deadband=1,
        on_delay=1,
        phases=LAYER_PHASES,
        cause="ageing diodes, fibre, drift",
        consequence="small pool, lack of fusion",
        response="calibrate the laser",
    )
    shield_low = alarm(
        doc="shield gas low",
        priority=Priority.HIGH,
        source="Gas.ShieldFlow",
        low="Process.ShieldLow",
        deadband=0.5,
        on_delay=1,
        phases=LAYER_PHASES,
        cause="leaking hose, regulator, bottle nearly empty",
        consequence="oxide on the beads",
        response="pause, mend the hose, resume",
    )
    shield_lost = alarm(
        doc="shield gas lost",
        priority=Priority.URGENT,
        action="A",
        source="Gas.ShieldFlow",
        low="Process.ShieldLost",
        deadband=0.5,
        on_delay=0.2,
        phases=("pass",),
        cause="hose off, bottle empty",
        consequence="the pool burns, the optics are without their gas curtain; job ended",
        response="restore the gas, scrap or machine back to sound metal",
    )
    carrier_low = alarm(
        doc="carrier gas low",
        priority=Priority.HIGH,
        action="B",
        source="Gas.CarrierFlow",
        low="Process.CarrierLow",
        deadband=0.2,
        on_delay=0.5,
        phases=("pass",),
        cause="gas supply, blocked hose",
        consequence="powder settles in the hose; job held",
        response="restore the gas, clear the hose, resume",
    )
    powder_flow_low = alarm(
        doc="powder flow below the demand",
        priority=Priority.HIGH,
        on_delay=12,
        phases=("pass",),
        cause="clog, bridging, worn disc, hopper empty",
        consequence="thin layers, stand-off grows, composition drifts",
        response="pause, clear feeder and hose (Service), resume; or feed more until the job ends",
    )
    powder_lost = alarm(
        doc="no powder flows",
        priority=Priority.HIGH,
        action="B",
        on_delay=1,
        phases=("pass",),
        cause="clogged hose or nozzle, bridged hopper, broken disc drive",
        consequence="job held: the laser would remelt and lay nothing",
        response="clear feeder and hose (Service), resume; dress the layer if it was remelted",
    )
    powder_flow_high = alarm(
        doc="powder flow above the demand",
        priority=Priority.HIGH,
        on_delay=12,
        phases=("pass",),
        cause="disc calibration, other powder than said",
        consequence="thick layers, the head comes too near",
        response="pause, recalibrate the feeder (Service), resume; or travel faster",
    )
    powder_low = alarm(
        doc="powder supply low",
        priority=Priority.LOW,
        on_delay=1,
        cause="powder used up",
        consequence="the hopper runs empty",
        response="refill at the next pause",
    )
    powder_empty = alarm(
        doc="powder supply empty",
        priority=Priority.HIGH,
        action="B",
        on_delay=0.5,
        phases=("pass",),
        cause="powder used up",
        consequence="job held: nothing would be deposited",
        response="refill (Service) and resume",
    )
