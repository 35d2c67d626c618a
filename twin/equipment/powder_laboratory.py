"""The laboratory beside a powder line: a sample is taken, instruments report when they are done."""

from __future__ import annotations

from collections.abc import Generator
from math import isfinite
from typing import Any, Final

from twin.equipment.powder_station import PowderLine
from twin.machine import Equipment
from twin.powder.laboratory import METHODS, Method, analysed, measure
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, draw
from twin.powder.sizes import below
from twin.signals import actuator, fault, measured

__all__ = ["NO_FLOW", "TESTS", "PowderLaboratory", "oversize", "properties", "sigma"]

NO_FLOW: Final = 999.0
"""s per 50 g that is told for a powder that does not flow."""

TESTS: Final[dict[str, tuple[str, ...]]] = {
    "none": (),
    "sizes": ("psd", "hall"),
    "oxygen": ("oxygen",),
    "all": ("psd", "hall", "oxygen", "moisture", "foreign", "shape"),
    "full": ("psd", "hall", "oxygen", "moisture", "foreign", "shape", "hollow"),
}
"""Methods of a sample, by what is asked for."""
_PROPERTIES: Final = ("d10", "d50", "d90", "fines", "hall", "oxygen", "moisture", "foreign",
                      "satellites", "irregular", "hollow")
_OVERSIZE: Final = Method("oversize", ("oversize",), 300.0, absolute=0.002, relative=0.03)


def oversize(lot: PowderLot, mesh: float) -> float:
    """Mass share of grains coarser than a tenth over the mesh (m)."""
    return 1.0 - float(below(lot.masses, 1.1 * mesh)) if lot.metal else 0.0


def properties(tests: str) -> tuple[str, ...]:
    """What is known after so much testing, a key of `TESTS`."""
    found = [name for method in TESTS[tests] for name in METHODS[method].properties]
    return (*found, "oversize") if "d90" in found else tuple(found)


def sigma(name: str, reading: float, repeats: int = 1) -> float:
    """Standard deviation of a reading of a property, of the mean of ``repeats`` of it."""
    if name == "oversize":
        return float(_OVERSIZE.sigma(reading))
    able = [m for m in METHODS.values() if name in m.properties]
    return float(min(able, key=lambda m: m.time).sigma(reading) / repeats**0.5)


class PowderLaboratory(Equipment):
    """Instruments side by side, each with its own time and error; one sample of the batch.

    A reading stays until the next sample. A badly mixed batch gives samples that differ from it.
    """

    SAMPLE = 0.1  # kg, default
    POWER = 1500.0  # W while measuring, default

    ready = measured(bool, doc="the sample's results are there")
    samples = measured(int, low=0, high=100_000, doc="samples measured")
    d10 = measured("um", low=0, high=1000, doc="size below which a tenth lies")
    d50 = measured("um", low=0, high=1000, companion="Monitoring/Process/D50",
                   doc="median size, laser diffraction")
    d90 = measured("um", low=0, high=1000, doc="size below which nine tenths lie")
    fines = measured("%", low=0, high=100, doc="share below 10 um")
    oversize = measured("%", low=0, high=100, doc="share coarser than the mesh allows")
    hall = measured("s", low=0, high=1000, doc="Hall flow time of 50 g; 999: does not flow")
    oxygen = measured("ppm", low=0, high=50_000, companion="Monitoring/Process/PowderOxygen",
                      doc="oxygen by inert gas fusion, by mass")
    moisture = measured("ppm", low=0, high=10_000, companion="Monitoring/Process/PowderMoisture",
                        doc="water by Karl Fischer titration, by mass")
    foreign = measured("%", low=0, high=100, doc="share of other alloys, X-ray fluorescence")
    satellites = measured("%", low=0, high=100, doc="share of grains with satellites")
    irregular = measured("%", low=0, high=100, doc="share of grains that are not round")
    hollow = measured("%", low=0, high=100, doc="share of hollow grains, computed tomography")
    tests = actuator(int, choices=tuple(TESTS), start=3, doc="what is measured")
    repeats = actuator(int, low=1, high=5, start=1, doc="determinations of oxygen")
    mesh = actuator("um", low=10, high=1000, start=63, doc="mesh that the powder was sieved by")
    sample = actuator(bool, edge=True, doc="take a sample and measure it (rising edge)")
    oxygen_error = fault("ppm", low=-5000, high=5000, doc="error of the oxygen instrument")
    psd_error = fault("%", low=-50, high=100, doc="error of the size instrument, share of a size")
    moisture_error = fault("ppm", low=-1000, high=1000, doc="error of the titrator")

    def __init__(self, line: PowderLine) -> None:
        super().__init__()
        self._line = line
        self.specified = ""
        """Alloy that the powder should be, what else is in it counts as foreign; "": the main."""
        self._due: float | None = None
        self._results: dict[str, float] = {}

    def started(self) -> None:
        if self._due is not None:
            self.plant.run(self._report(self._due))

    @property
    def busy(self) -> bool:
        """Whether a sample is being measured."""
        return self._due is not None

    def driven(self, attribute: str) -> None:
        if attribute == "sample" and self.sample and self._due is None:
            self._take()

    def _take(self) -> None:
        line, batch = self._line, self._line.batch
        self.ready = False
        if batch is None or batch.metal <= 0.0:
            self._wait(1.0)
            return
        chance = self.plant.stream("laboratory", self.samples)
        # What a sample of a bad mixture differs by: its parts are not in proportion. That it holds
        # so many grains only (Gy 1979) is next to nothing: 0.1 g of titanium with 2 % of spatter
        # of 120 um with twice the oxygen differ by 2 ppm, the instrument by 20.
        astray = line.unmixed * line.contrast * float(chance.standard_normal())
        asked = tuple(TESTS)[self.tests]
        names = TESTS[asked]
        if not names:
            self._wait(1.0)
            return
        found = measure(batch, names, chance)
        values = dict(found.values)
        if "oxygen" in names:
            more = [measure(batch, ("oxygen",), chance).values["oxygen"]
                    for _ in range(self.repeats - 1)]
            mean = (values["oxygen"] + sum(more)) / self.repeats
            values["oxygen"] = max(mean + astray + self.oxygen_error, 0.0)
        times = [METHODS[name].time * (self.repeats if name == "oxygen" else 1) for name in names]
        if "moisture" in names:
            values["moisture"] = max(values["moisture"] + self.moisture_error, 0.0)
        if "foreign" in names and self.specified:
            # Fluorescence counts what is not the alloy on the order, even if it is the larger part.
            own = sum(c.mass for c in batch.constituents if c.alloy == self.specified)
            besides = 1.0 - own / batch.metal - batch.foreign
            values["foreign"] = min(max(values["foreign"] + besides, 0.0), 1.0)
        if "psd" in names:
            for name in ("d10", "d50", "d90"):
                values[name] *= 1.0 + self.psd_error
            truth = oversize(batch, self.mesh / (1.0 + self.psd_error))
            values["oversize"] = max(
                truth + _OVERSIZE.sigma(truth) * float(chance.standard_normal()), 0.0)
            if not isfinite(values["hall"]):
                values["hall"] = NO_FLOW
        self._results = values
        used = min(self.SAMPLE, 0.01 * batch.mass)
        part, rest = draw(batch, used)
        spread = {name: sigma(name, value, self.repeats if name == "oxygen" else 1)
                  for name, value in values.items()}
        item = Item(line.new_id("sample"), "sample", batch.alloy, part.mass, part.elements,
                    about={"lot": batch.id})
        # Readings are entered in the lot now and known when the instruments report.
        known = analysed(rest, type(found)(rest.id, values, spread, found.time))
        made = line.operate("sample", [Draw.all(batch)], [known, item])
        line.batch = next(o for o in made if isinstance(o, PowderLot))
        line.changed()
        # Instruments work side by side; each takes the sample's next portion when it is free.
        self._wait(max(times))

    def _wait(self, time: float) -> None:
        self.draw(self.POWER)
        self._due = self.now + time
        self.plant.run(self._report(self._due))

    def _report(self, due: float) -> Generator[Any, Any, None]:
        yield self.plant.env.at(due)
        self._due = None
        for name, value in self._results.items():
            if name in (*_PROPERTIES, "oversize"):
                setattr(self, name, min(value, NO_FLOW) if name == "hall" else value)
        self._results = {}
        self.draw(0.0)
        self.samples += 1
        self.ready = True

    def hidden_state(self) -> dict[str, Any]:
        return {"due": self._due, "results": dict(self._results), "specified": self.specified}

    def restore_hidden(self, hidden: dict[str, Any]) -> None:
        self._due, self._results = hidden["due"], dict(hidden["results"])
        self.specified = hidden["specified"]
