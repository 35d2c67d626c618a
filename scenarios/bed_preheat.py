"""A worked example: hold the bed temperature of an electron-beam machine from outside.

A machine whose preheat takes fixed times loses its bed when the beam brings less than it should:
the bed cools layer by layer, its powder sinters less, and in the end it smokes. This loop looks at
the bed surface after each layer and moves time and current of preheat 2. It is written against
`Device` only, so it runs unchanged over OPC UA, over Modbus and in process, on an emulated machine
and on a physical one that has the same signals::

    python -m scenarios.bed_preheat opc.tcp://127.0.0.1:4840/amtwin/ --user olive --password …
    python -m scenarios.bed_preheat "modbus://127.0.0.1:5020/1?map=pbf-eb"
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from scenarios.loop import INTERRUPTED, OVER, command_line, finished_layers, number, run
from twin.image import Device

__all__ = ["Step", "hold_bed"]


@dataclass(frozen=True)
class Step:
    """What was seen after a layer and done about it."""

    layer: int
    temperature: float
    """Bed surface after melting, degC."""
    effort: float
    """Heat asked of preheat 2 over that of the beginning."""
    time: float
    """Time of preheat 2 set for the layers to come, s."""
    current: float
    """Its current, mA."""
    saturated: bool
    """More heat than the loop may ask for would be needed: something must be repaired."""


@dataclass
class _Loop:
    """Proportional and integral action on the error; effort is a factor on preheat 2."""

    proportional: float
    integral: float
    most: float
    sum: float = 0.0

    def effort(self, error: float) -> tuple[float, bool]:
        """Factor for the next layer, and whether it is at its limit, for an error in K."""
        wanted = 1.0 + self.proportional * error + self.integral * (self.sum + error)
        bounded = min(max(wanted, 0.2), self.most)
        # What is at its limit is not wound up any further.
        if bounded == wanted:
            self.sum += error
        return bounded, bounded != wanted


async def hold_bed(
    device: Device,
    *,
    target: float | None = None,
    proportional: float = 0.04,
    integral: float = 0.012,
    most: float = 12.0,
    most_current: float = 2.5,
    layers: int | None = None,
    report: Callable[[Step], None] = lambda step: None,
) -> list[Step]:
    """Hold the bed surface after each layer at a `target` (degC), by default that of the recipe.

    The heat of preheat 2 is the one of the beginning times an effort of at most `most`, in current
    up to `most_current` times the first one (more charges the bed), the rest in time. With gains of
    0 it only watches. Ends after `layers` layers, or when the job ends or is interrupted.
    """
    if target is None:
        target = await number(device, "Process.BedTemperature")
    first_time = await number(device, "Process.Preheat2Time")
    first_current = await number(device, "Process.Preheat2Current")
    loop = _Loop(proportional, integral, most)
    passive = proportional == 0.0 and integral == 0.0
    steps: list[Step] = []
    async with aclosing(finished_layers(device, layers, (*OVER, INTERRUPTED))) as finished:
        async for layer in finished:
            temperature = await number(device, "Platform.SurfaceTemperature")
            effort, saturated = loop.effort(target - temperature)
            if passive:
                effort, saturated = 1.0, False
            share = min(max(effort, 1.0), most_current)
            current, time = round(first_current * share, 2), round(first_time * effort / share, 1)
            if not passive:
                await device.write("Process.Preheat2Current", current)
                await device.write("Process.Preheat2Time", time)
            steps.append(Step(layer, temperature, effort, time, current, saturated))
            report(steps[-1])
    return steps


def _main() -> None:
    parser = command_line("Hold the bed temperature by the preheat.", "pbf-eb")
    parser.add_argument("--target", type=float, help="bed surface, degC")
    options = parser.parse_args()

    def report(step: Step) -> None:
        warning = "  AT ITS LIMIT: calibrate the beam" if step.saturated else ""
        print(
            f"layer {step.layer}: bed {step.temperature:.0f} degC, preheat 2 {step.time:.1f} s "
            f"at {step.current:.1f} mA{warning}",
            flush=True,
        )

    run(options, lambda device: hold_bed(
        device, target=options.target, layers=options.layers, report=report))


if __name__ == "__main__":
    _main()
