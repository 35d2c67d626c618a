"""A worked example: layer-wise monitoring that holds the melt pool by moving the laser power.

It is written against `Device` only, so it runs unchanged over OPC UA, over Modbus and in process,
on an emulated machine and on a physical one that has the same signals::

    python -m scenarios.compensation opc.tcp://127.0.0.1:4840/amtwin/ --user olive --password …
    python -m scenarios.compensation "modbus://127.0.0.1:5020/1?map=pbf-lb"
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import aclosing
from dataclasses import dataclass

from scenarios.loop import command_line, finished_layers, number, run
from twin.image import Device

__all__ = ["Step", "compensate"]

# The photodiode of a keyhole-mode pool rises with about the 1.5th power of the laser power.
_EXPONENT = 1.5


@dataclass(frozen=True)
class Step:
    """What was seen of a layer and done about it."""

    layer: int
    photodiode: float
    """Mean over the layer's hatch, mV."""
    power: float
    """Laser power set for the layers to come, W."""
    saturated: bool
    """The correction is at its limit: something is wrong that power must not hide."""


async def compensate(
    device: Device,
    *,
    reference_layers: int = 3,
    gain: float = 0.6,
    limit: float = 0.15,
    layers: int | None = None,
    report: Callable[[Step], None] = lambda step: None,
) -> list[Step]:
    """Hold the layer mean of the photodiode at that of the first layers.

    After `reference_layers` layers the power of the next layer is moved by `gain` of what the
    deviation asks for, at most `limit` (share) from where it began. Ends after `layers` layers, or
    with the job. Returns what was done.
    """
    began = await number(device, "Process.LaserPower")
    steps: list[Step] = []
    references: list[float] = []
    async with aclosing(finished_layers(device, layers)) as finished:
        async for layer in finished:
            photodiode = await number(device, "Layer.PhotodiodeMean")
            power = await number(device, "Process.LaserPower")
            saturated = False
            if len(references) < reference_layers:
                references.append(photodiode)
            elif photodiode > 0:
                target = sum(references) / len(references)
                wanted = power * (target / photodiode) ** (gain / _EXPONENT)
                bounded = min(max(wanted, began * (1 - limit)), began * (1 + limit))
                saturated = bounded != wanted
                power = round(bounded, 1)
                await device.write("Process.LaserPower", power)
            steps.append(Step(layer, photodiode, power, saturated))
            report(steps[-1])
    return steps


def _main() -> None:
    parser = command_line("Hold the melt pool by moving the laser power.", "pbf-lb")
    options = parser.parse_args()

    def report(step: Step) -> None:
        warning = "  AT ITS LIMIT: look at window and laser" if step.saturated else ""
        print(
            f"layer {step.layer}: photodiode {step.photodiode:.0f} mV, "
            f"power {step.power:.1f} W{warning}",
            flush=True,
        )

    run(options, lambda device: compensate(device, layers=options.layers, report=report))


if __name__ == "__main__":
    _main()
