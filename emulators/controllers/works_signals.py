"""What the dispatcher of a works shows, takes and raises."""

from __future__ import annotations

from collections.abc import Callable

from emulators.controllers.base import AlarmBank
from emulators.controllers.states import MachineState
from twin.alarms import Priority
from twin.signals import Component, alarm, command, parameter, setpoint, status

__all__ = ["STEPS", "Dispatch", "Orders", "StationStatus", "WorksAlarms"]

STEPS = ("free", "setting up", "ready", "ordered", "running", "held", "unloading", "service")


class Orders(Component):
    """The order book."""

    open = status(int, low=0, high=100_000, doc="orders that are not done")
    done = status(int, low=0, high=1_000_000, doc="orders done")
    late = status(int, low=0, high=100_000, doc="open orders past their due date")
    parts_finished = status(int, low=0, high=10_000_000, doc="good parts made")
    parts_rejected = status(int, low=0, high=10_000_000, doc="parts that are not good")
    parts_shipped = status(int, low=0, high=10_000_000, doc="parts delivered for orders")
    list = status(str, length=16_384, start="[]",
                  doc="open orders, a JSON list of objects with number, product, quantity, "
                      "delivered, due (s), priority")

    def __init__(self, add: Callable[[str, int, float], str], cancel: Callable[[int], str],
                 rank: Callable[[int, int], str]) -> None:
        super().__init__()
        self._add, self._cancel, self._rank = add, cancel, rank

    @command(product=str, quantity=int, due=float)
    def add_order(self, product: str, quantity: int, due: float) -> str:
        """Order so many parts of a product, wanted in `due` hours from now; answers its number."""
        return self._add(product, quantity, due)

    @command(number=int)
    def cancel(self, number: int) -> str:
        """Cancel an open order; what is in work for it goes to the store."""
        return self._cancel(number)

    @command(number=int, priority=int)
    def priority(self, number: int, priority: int) -> str:
        """Give an open order a priority from 1, the most urgent, to 9."""
        return self._rank(number, priority)


class Dispatch(Component):
    """What the dispatcher does."""

    running = status(int, low=0, high=1000, doc="machines that work")
    idle = status(int, low=0, high=1000, doc="machines that could take a job")
    held = status(int, low=0, high=1000, doc="machines with an interrupted job")
    down = status(int, low=0, high=1000, doc="machines that have failed or are being served")
    waiting = status(int, low=0, high=1000, doc="machines that wait for people or supplies")
    jobs_done = status(int, low=0, high=1_000_000, doc="jobs that came to their end")
    jobs_failed = status(int, low=0, high=1_000_000, doc="jobs that were aborted")
    on_hold = status("kg", low=0, high=1e6, doc="powder on hold after its analysis")
    committed = status("kW", low=0, high=1e5, doc="power of the jobs in work at their highest, "
                       "and of the machines that stand")
    reason = status(str, length=64, doc="why the most urgent job that waits does not start")
    release_jobs = setpoint(bool, start=True, doc="the dispatcher begins jobs by itself; false: "
                            "only those that StartJob orders")
    power_limit = parameter("kW", low=0, high=1e5, start=250, doc="no job starts that would bring "
                            "the works beyond this power")
    water_limit = parameter("degC", low=5, high=60, start=24, doc="cooling water at which jobs "
                            "are paused")

    def __init__(self, begin: Callable[[str, str], str], decide: Callable[[str, bool], str],
                 again: Callable[[], str]) -> None:
        super().__init__()
        self._begin, self._decide, self._again = begin, decide, again

    @command(machine=str, program=str)
    def start_job(self, machine: str, program: str) -> str:
        """Have a program done on a machine that has no job: material, set-up, start, unloading;
        answers the job's number.
        """
        return self._begin(machine, program)

    @command(lot=str, release=bool)
    def decide_lot(self, lot: str, release: bool) -> str:
        """Release a lot that is on hold, or scrap it; answers the store that it is in now."""
        return self._decide(lot, release)

    @command()
    def try_again(self) -> str:
        """Let programs whose lots failed, or whose material was refused, try again."""
        return self._again()


class StationStatus(Component):
    """A machine as the dispatcher sees it."""

    name = status(str, length=32, doc="name of the machine")
    state = status(int, choices=tuple(s.name.lower() for s in MachineState), start=1,
                   doc="state of the machine's controller")
    step = status(int, choices=STEPS, doc="what the dispatcher does with it")
    job = status(str, length=32, doc="job in work, or the last one")
    program = status(str, length=64, doc="program of that job")
    waits_for = status(str, length=64, doc="what the job waits for")
    busy_time = status("h", low=0, high=1e6, doc="time at work on jobs so far, without the "
                       "present spell")


class WorksAlarms(AlarmBank):
    """The alarms of a works."""

    mains_lost = alarm(
        doc="mains voltage of the works lost", priority=Priority.URGENT,
        cause="failure of the grid or of the works' transformer",
        consequence="all machines stand; heat and time are lost, gas or vacuum may be",
        response="wait for the mains; jobs that can go on are resumed by themselves")
    power_limit = alarm(
        doc="power limit of the works reached", priority=Priority.MEDIUM,
        cause="the next job would take the works beyond its power limit",
        consequence="jobs wait",
        response="wait, raise Dispatch.PowerLimit if the contract allows, or reorder")
    gas_low = alarm(
        doc="a gas tank is below its reorder level", priority=Priority.LOW, off_delay=1.0,
        cause="gas was used; a delivery has been ordered",
        consequence="no job that needs the gas starts below the reserve",
        response="see that the delivery comes in time")
    gas_empty = alarm(
        doc="a gas tank is empty", priority=Priority.HIGH,
        cause="the delivery is late, or the tank leaks",
        consequence="jobs of all machines on it are paused",
        response="press the supplier; find the leak")
    water_warm = alarm(
        doc="cooling water too warm", priority=Priority.HIGH, source="ChilledWater."
        "SupplyTemperature", high="Dispatch.WaterLimit", deadband=1.0,
        cause="chillers have failed or the machines' heat is beyond their capacity",
        consequence="jobs are paused until it is cold again",
        response="repair the chiller, start fewer jobs at a time")
    machine_down = alarm(
        doc="a machine has failed", priority=Priority.HIGH,
        cause="a breakdown; Station and Machine of its number tell which",
        consequence="its job is held or lost; orders may be late",
        response="see that somebody repairs it")
    staff_missing = alarm(
        doc="work waits and nobody with the skill is there", priority=Priority.MEDIUM,
        on_delay=1800.0,
        cause="outside the shifts, or people are absent",
        consequence="machines stand, jobs that must be attended are paused",
        response="call somebody in")
    stock_low = alarm(
        doc="a powder is below its reorder level", priority=Priority.LOW, off_delay=1.0,
        cause="powder was used faster than it was made",
        consequence="jobs that need it will wait",
        response="see that an atomizer or the recycling line makes it; buy some")
    lot_on_hold = alarm(
        doc="a lot is on hold after its analysis", priority=Priority.MEDIUM,
        cause="a property is not safely inside its limit",
        consequence="its powder cannot be used",
        response="look at its readings and release or scrap it (Dispatch.DecideLot)")
    powder_stopped = alarm(
        doc="a program is given up", priority=Priority.MEDIUM,
        cause="lot after lot of it failed its analysis, or its machine refused its material",
        consequence="what it makes runs out",
        response="look at the readings, correct the recipe or the material, call "
        "Dispatch.TryAgain")
    order_late = alarm(
        doc="an order is late", priority=Priority.MEDIUM,
        cause="machines, powder or people were short",
        consequence="the customer waits",
        response="raise its priority, or tell the customer")
    job_failed = alarm(
        doc="a job was aborted", priority=Priority.MEDIUM, off_delay=1.0,
        cause="a trip or a breakdown; the machine's record tells which",
        consequence="its material is lost or has to be recycled; the job is done again",
        response="find out why before the next one fails, too")
