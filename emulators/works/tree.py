"""The signals of a works as declared, for lists and register tables."""

from __future__ import annotations

from emulators.controllers.works import Dispatcher
from twin.image import Readings
from twin.works.plant import BLOCK, BLOCKS, GasSupply, Place, Works

__all__ = ["trees"]


def trees() -> tuple[Works, Dispatcher]:
    """Plant and dispatcher with the first machine, store and gas of each block of twelve.

    A register table has room for twelve of every name, so this is room for all that a works may
    have; what a works does not have reads 0.
    """
    names = [f"{n + 1}" for n in range(BLOCKS)]
    works = Works(0, [Place(n) for n in names], names,
                  [GasSupply(n, 1.0, 1.0, 0.0, 0.0) for n in names], step=BLOCK)
    return works, Dispatcher(works, Readings(works, 0))
