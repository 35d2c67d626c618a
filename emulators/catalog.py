"""The machines there are."""

from __future__ import annotations

from dataclasses import replace
from importlib import import_module

from emulators.controllers.base import Controller
from emulators.settings import (
    Built,
    Figure,
    MachineModule,
    MachineType,
    Progress,
    Settings,
    SettingsError,
)
from twin.machine import Plant

__all__ = [
    "MACHINES",
    "Built",
    "MachineType",
    "Progress",
    "Settings",
    "SettingsError",
    "build",
    "figures",
    "signal_trees",
]

MACHINES: dict[str, MachineType] = {
    "pbf-lb": MachineType("laser powder bed fusion", "PBF", "PBF-LB-01"),
    "pbf-eb": MachineType("electron beam powder bed fusion", "PBF", "PBF-EB-01"),
    "ded-powder": MachineType("directed energy deposition with laser and powder", "DED",
                              "DED-POWDER-01"),
    "ded-wire-laser": MachineType("directed energy deposition with laser and wire", "DED",
                                  "DED-WIRE-01"),
    "ded-arc": MachineType("directed energy deposition with arc and wire", "DED", "DED-ARC-01"),
    "binder-jet": MachineType("binder jetting with cure and depowdering", "BJT", "BJT-01"),
    "sinter-furnace": MachineType("debinding and sintering of green parts", "BJT",
                                  "SINTER-01", "segments"),
    "prep": MachineType("plasma rotating electrode process", "", "PREP-01", "rods"),
    "spheroidizer": MachineType("induction plasma spheroidization of powder", "", "SPHERO-01",
                                "batches"),
    "recycling-line": MachineType("recycling of used powder", "", "RECYCLING-01", "batches"),
    "gas-atomizer": MachineType("gas atomizer with crucible (VIGA) or rod (EIGA)", "",
                                "ATOMIZER-01", "charges"),
}
"""By name; how each is put together is in the module of `emulators.machines` named after it."""


_DEPOSITION = ("ded-powder", "ded-wire-laser", "ded-arc")
_PARTS = tuple(name for name, entry in MACHINES.items() if entry.technology)
_OF_SOME = {
    "lasers": ("pbf-lb",),
    "beams": ("pbf-eb",),
    "blade": ("pbf-lb",),
    "melt_pool": ("pbf-lb", "pbf-eb"),
    "melt_pool_cell_um": ("pbf-lb",),
    "melt_pool_lag": ("pbf-lb",),
    "supports": ("pbf-lb", "pbf-eb", *_DEPOSITION),
    "places": tuple(name for name in _PARTS if name != "sinter-furnace"),
    "unit": _PARTS,
    "pictures": ("pbf-lb", "pbf-eb", "binder-jet"),
}
"""Settings that only some machines take."""
EXAMPLE = "example:bracket"
"""What a machine builds that was given no part."""


def _module(machine: str) -> MachineModule:
    if machine not in MACHINES:
        raise SettingsError(f"no machine {machine!r}; there are: {', '.join(MACHINES)}")
    found: MachineModule = import_module(f"emulators.machines.{machine.replace('-', '_')}")
    return found


def build(settings: Settings, progress: Progress = lambda share: None) -> Built:
    """A machine from its settings; `SettingsError`, `PartError` or `RecipeError`.

    `progress` is told the share done of what takes long, such as a table of melt pools.
    """
    module = _module(settings.machine)
    for name, machines in _OF_SOME.items():
        if settings.machine not in machines and getattr(settings, name) != getattr(Settings, name):
            raise SettingsError(f"{name}: a {settings.machine} does not take it; what does: "
                                + ", ".join(machines))
    if MACHINES[settings.machine].technology:
        settings = replace(settings, parts=settings.parts or (EXAMPLE,))
    elif settings.parts:
        raise SettingsError(f"part: a {settings.machine} builds no parts, given "
                            + ", ".join(settings.parts))
    return module.build(settings, progress)


def signal_trees(machine: str) -> tuple[Plant, Controller]:
    """Plant and controller of a machine type, or of ``works``, for lists and register tables."""
    if machine == "works":
        from emulators.works.tree import trees

        return trees()
    return _module(machine).trees()


def figures(machine: str) -> tuple[Figure, ...]:
    """What a machine type's summary tells of the layers."""
    return _module(machine).FIGURES
