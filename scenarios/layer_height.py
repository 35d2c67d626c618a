"""A worked example: hold the height of a deposition by moving its setpoints within passes.

What the scanner sees of the stand-off drives travel speed and feed: P at every look while a pass
is under way (20 Hz by default), I from layer to layer. It is written against `Device` only, so it
runs unchanged over OPC UA, over Modbus and in process, on an emulated machine and on a physical
one that has the same signals::

    python -m scenarios.layer_height ded-powder opc.tcp://127.0.0.1:4840/amtwin/ --user olive
    python -m scenarios.layer_height ded-arc "modbus://127.0.0.1:5020/1?map=ded-arc"

After height control on the sensed stand-off by PD on the feed rate (see the notes on DED control
in Arnold 2018 for laser wire, and vision of the stick-out for powder and wire); figures default.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import isfinite

from scenarios.loop import OVER, command_line, number, run
from twin.image import Device

__all__ = ["LOOPS", "HeightLoop", "LayerSeen", "Move", "hold_height"]

PERIOD = 0.05
"""Between two looks, s."""
WORTH = 0.004
"""A setpoint is written when it changes by more than this share."""


@dataclass(frozen=True)
class Move:
    """A setpoint that adds or takes height."""

    path: str
    sign: float
    """+1 if more of it adds height, -1 if it takes height."""
    weight: float
    """Share of the correction that it takes over."""
    limit: float
    """Most that it is moved, share of where it began."""


@dataclass(frozen=True)
class HeightLoop:
    """How a machine's height is held."""

    moves: tuple[Move, ...]
    gain: float
    """Correction (share) per mm that the surface lies too low."""
    layer_gain: float
    """What of it is kept from each layer on, per mm of the layer's mean error."""
    measure: str = "Head.StandOff"
    demand: str = "Process.StandOff"
    active: str = "Head.Depositing"
    reach: float = 20.0
    """Errors beyond this (mm) are no reading of the surface."""


LOOPS: dict[str, HeightLoop] = {
    "ded-powder": HeightLoop(
        # Slower travel adds at once, and heat too; more powder comes a hose's length later.
        moves=(Move("Process.TravelSpeed", -1.0, 0.5, 0.6),
               Move("Process.PowderFeed", 1.0, 0.9, 1.0)),
        gain=0.25,
        layer_gain=0.08,
    ),
    "ded-wire-laser": HeightLoop(
        # All wire goes into the bead, so that both act at once; the line scanner looks.
        moves=(Move("Process.WireFeed", 1.0, 1.0, 0.6),
               Move("Process.TravelSpeed", -1.0, 0.4, 0.3)),
        gain=0.35,
        layer_gain=0.05,
    ),
    "ded-arc": HeightLoop(
        # The arc itself is the sensor: less current means more distance.
        moves=(Move("Process.WireFeed", 1.0, 0.6, 0.5),
               Move("Process.TravelSpeed", -1.0, 0.6, 0.5)),
        gain=0.35,
        layer_gain=0.05,
        measure="Bead.TipDistance",
    ),
}
"""By type of machine."""


@dataclass(frozen=True)
class LayerSeen:
    """What was seen of a layer and done about it."""

    layer: int
    error: float
    """Mean of stand-off over demand, mm: above 0 where the surface lies too low."""
    correction: float
    """Share asked for at its end."""
    saturated: bool
    """A setpoint is at its limit: something is wrong that it cannot make good."""


async def hold_height(
    device: Device,
    loop: HeightLoop,
    *,
    layers: int | None = None,
    wait: Callable[[], Awaitable[object]] | None = None,
    report: Callable[[LayerSeen], None] = lambda seen: None,
) -> list[LayerSeen]:
    """Hold the stand-off of a job in work at its demand. Returns what was seen of each layer.

    Ends after `layers` layers, or with the job. `wait` passes the time between two looks, which
    is that of a clock if it is not given. The setpoints are left as they are at the end.
    """
    pause = wait or (lambda: asyncio.sleep(PERIOD))
    began = {move.path: await number(device, move.path) for move in loop.moves}
    written = dict(began)
    kept = 0.0
    errors: list[float] = []
    seen: list[LayerSeen] = []
    last = int(await number(device, "Job.Layer"))
    while layers is None or len(seen) < layers:
        if await number(device, "Job.State") in OVER:
            break
        layer = int(await number(device, "Job.Layer"))
        if layer != last:
            mean = sum(errors) / len(errors) if errors else 0.0
            bound = max((move.limit / move.weight for move in loop.moves), default=0.0)
            kept = min(max(kept + loop.layer_gain * mean, -bound), bound)
            at_limit = bool(loop.moves) and all(
                abs(move.weight * kept) >= 0.98 * move.limit for move in loop.moves)
            seen.append(LayerSeen(layer, mean, kept, at_limit))
            report(seen[-1])
            errors, last = [], layer
        if await _flag(device, loop.active):
            error = await number(device, loop.measure) - await number(device, loop.demand)
            if isfinite(error) and abs(error) < loop.reach:
                errors.append(error)
                await _correct(device, loop, kept + loop.gain * error, began, written)
        await pause()
    return seen


async def _correct(device: Device, loop: HeightLoop, share: float, began: dict[str, float],
                   written: dict[str, float]) -> None:
    for move in loop.moves:
        moved = min(max(move.sign * move.weight * share, -move.limit), move.limit)
        value = round(began[move.path] * (1 + moved), 4)
        if abs(value - written[move.path]) > WORTH * began[move.path]:
            written[move.path] = value
            await device.write(move.path, value)


async def _flag(device: Device, path: str) -> bool:
    return bool((await device.read(path)).value)


def _main() -> None:
    parser = command_line("Hold the height of a deposition.", *sorted(LOOPS))
    options = parser.parse_args()

    def report(seen: LayerSeen) -> None:
        warning = "  AT ITS LIMIT: look at feed and nozzle" if seen.saturated else ""
        print(f"layer {seen.layer}: {seen.error:+.2f} mm, correction {seen.correction:+.0%}"
              f"{warning}", flush=True)

    run(options, lambda device: hold_height(
        device, LOOPS[options.machine], layers=options.layers, report=report))


if __name__ == "__main__":
    _main()
