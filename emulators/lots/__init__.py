"""Powder lots and spools that a run can take: ready-made ones, files, what earlier runs left."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import numpy as np

from emulators.lots.book import LotError, find_feedstock, operations_of, read_lots
from emulators.recipes.files import (
    BaseRecipe,
    Quantity,
    RecipeError,
    Section,
    read_file,
    read_raw,
)
from twin.materials import alloy
from twin.powder.laboratory import METHODS, analysed, measure
from twin.powder.lot import PowderLot, density_of
from twin.powder.operations import Item, blend, renamed
from twin.powder.wire import spool

__all__ = ["LotError", "LotFile", "SpoolFile", "find_feedstock", "load_feedstock", "load_lot",
           "load_lots", "load_spools", "lot_names", "operations_of", "read_lots", "spool_names"]

_FOLDER = Path(__file__).parent
CERTIFICATE = ("psd", "hall", "density", "oxygen", "moisture", "hollow", "shape", "foreign")
"""What a ready-made lot was measured by."""
assert set(CERTIFICATE) <= set(METHODS)

MOST: Final = 1e5
"""kg that a lot of a file may have."""
WETTEST: Final = 0.05
"""kg of water per kg of metal, beyond which it is no powder."""

_Share = Annotated[float, Quantity("%", 0, 100)]
_Ppm = Annotated[float, Quantity("ppm", 0, 50_000)]
_Size = Annotated[float, Quantity("um", 0.5, 1000)]


class Sizes(Section):
    """A log-normal distribution and the cut taken of it."""

    d50: _Size
    """Mass median before the cut."""
    s: Annotated[float, Quantity("1", 1.01, 5)] = 1.4
    """Geometric standard deviation."""
    low: _Size = 0.5e-6
    """Nothing finer."""
    high: _Size = 1e-3
    """Nothing coarser."""


class Gases(Section):
    """Gases in and on the metal, by mass."""

    oxygen: _Ppm = 4e-4
    """In metal and oxide."""
    nitrogen: _Ppm = 0.0
    """In the metal."""
    hydrogen: _Ppm = 0.0
    """In the metal."""
    moisture: _Ppm = 3e-5
    """Adsorbed water."""


class Grains(Section):
    """Shape of the grains, mass shares."""

    hollow: _Share = 0.005
    """Hollow grains."""
    pore: Annotated[float, Quantity("%", 0, 90)] = 0.05
    """Gas in hollow ones, by volume."""
    satellites: _Share = 0.1
    """Grains with satellites."""
    irregular: _Share = 0.03
    """Grains that are not round."""


class Foreign(Section):
    """Grains of another alloy, of the same sizes."""

    alloy: str
    """Their alloy."""
    share: Annotated[float, Quantity("%", 0, 49)]
    """Mass share."""


class LotFile(BaseRecipe):
    """A powder lot as a file says it."""

    mass: Annotated[float, Quantity("kg", 0.001, MOST)]
    """With its water."""
    cycle: Annotated[int, Quantity("1", 0, 10_000, whole=True)] = 0
    """Times reused."""
    status: Literal["new", "hold", "released", "scrap"] = "released"
    """What the laboratory decided."""
    sizes: Sizes
    gases: Gases = Gases()
    grains: Grains = Grains()
    foreign: Foreign | None = None

    def lot(self) -> PowderLot:
        """The lot, measured as a supplier's laboratory would; the same file gives the same."""
        sizes, gases, grains = self.sizes, self.gases, self.grains

        def of(alloy: str, mass: float) -> PowderLot:
            return PowderLot.virgin(
                self.name, alloy, mass, sizes.d50, sizes.s, low=sizes.low, high=sizes.high,
                oxygen=gases.oxygen, moisture=gases.moisture, nitrogen=gases.nitrogen,
                hydrogen=gases.hydrogen, hollow=grains.hollow, satellites=grains.satellites,
                irregular=grains.irregular, pore=grains.pore)

        if self.foreign is None:
            whole = of(self.alloy, self.mass)
        else:
            other = self.foreign.share * self.mass
            whole = blend([of(self.alloy, self.mass - other), of(self.foreign.alloy, other)],
                          self.name)
        key = int.from_bytes(blake2b(self.name.encode(), digest_size=16).digest(), "little")
        noise = np.random.Generator(np.random.Philox(key=key))
        measured = analysed(whole, measure(whole, CERTIFICATE, noise))
        return renamed(measured, self.name, parents=(), origin="supplied", cycle=self.cycle,
                       status=self.status)


class SpoolFile(BaseRecipe):
    """A spool of wire as a file says it."""

    mass: Annotated[float, Quantity("kg", 0.001, 1000)]
    """Wire on it."""
    diameter: Annotated[float, Quantity("mm", 0.6, 2.4)]
    """Diameter of the wire."""
    heat: str = ""
    """Number of the melt that it was drawn from."""

    def spool(self) -> Item:
        """The spool, called like the file."""
        return spool(self.name, alloy(self.alloy), self.mass, self.diameter, self.heat)


def lot_names() -> list[str]:
    """Names of the powder lots that come with the package."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def spool_names() -> list[str]:
    """Names of the spools of wire that come with the package."""
    return sorted(path.stem for path in (_FOLDER / "spools").glob("*.toml"))


def load_lots(references: Sequence[str]) -> tuple[PowderLot, ...]:
    """The lots of some references; `LotError` for one that is named twice or empty."""
    lots = tuple(map(load_lot, references))
    for number, lot in enumerate(lots):
        if lot.id in {other.id for other in lots[:number]}:
            raise LotError(f"powder lot {lot.id} is named twice")
        if not lot.metal > 0.0:
            raise LotError(f"powder lot {lot.id} is empty")
    return lots


def load_spools(references: Sequence[str]) -> tuple[Item, ...]:
    """The spools of some references; `LotError` for one that is no spool, or named twice."""
    found: list[Item] = []
    for reference in references:
        thing = load_feedstock(reference)
        if not isinstance(thing, Item):
            raise LotError(f"{thing.id} is a powder lot; this machine takes spools of wire: "
                           f"{', '.join(spool_names())}, a file, or RUN:ID")
        if thing.id in {other.id for other in found}:
            raise LotError(f"spool {thing.id} is named twice")
        found.append(thing)
    return tuple(found)


def _of_json(data: Any) -> PowderLot:
    """A lot of a file that anybody may have written, or that a record kept however small."""
    lot = PowderLot.of(data)
    if lot.mass > MOST:
        raise ValueError(f"mass {lot.mass:g} kg must be at most {MOST:g}")
    if lot.moisture > WETTEST:
        raise ValueError(f"{lot.moisture:.3g} kg of water per kg of metal, at most {WETTEST:g}")
    for grains in lot.constituents:
        if grains.mass:
            density_of(grains.alloy, grains.elements)
    return lot


def _spool_of_json(data: Any) -> Item:
    """A spool of a file that anybody may have written; `ValueError` names field and range."""
    found = Item.of(data)
    if not isinstance(found.about, Mapping):
        raise ValueError(f"about must be a table, not {found.about!r}")
    numbers = {"mass": found.mass, **{f"elements {e}": m for e, m in found.elements.items()},
               "diameter": found.about.get("diameter", 1.2e-3)}
    for name, value in numbers.items():
        low, high = (0.6e-3, 2.4e-3) if name == "diameter" else (0.0, MOST)
        if isinstance(value, bool) or not isinstance(value, int | float) \
                or not low <= value <= high:
            raise ValueError(f"{name} must be a number of {low:g} to {high:g} (SI), not {value!r}")
    alloy(found.alloy)
    whole = sum(found.elements.values())
    if abs(whole - found.mass) > 1e-6 * found.mass:
        raise ValueError(f"its elements are {whole:g} kg, its mass is {found.mass:g} kg")
    return found


def load_lot(reference: str) -> PowderLot:
    """A powder lot by its reference, as for `load_feedstock`; `LotError` for a spool."""
    found = load_feedstock(reference)
    if isinstance(found, Item):
        raise LotError(f"{found.id} is a spool of wire, no powder lot")
    return found


def _of_file(path: Path) -> PowderLot | Item:
    """What a file tells of: wire has a diameter, powder has sizes."""
    if read_raw(path, "powder lot or spool").keys() & {"diameter", "heat"}:
        return read_file(SpoolFile, path, "spool").spool()
    return read_file(LotFile, path, "powder lot").lot()


def load_feedstock(reference: str) -> PowderLot | Item:
    """A powder lot or a spool by its reference; `LotError` in one sentence if there is none.

    A name of `lot_names` or `spool_names`; a ``.toml``, ``.yaml`` or ``.yml`` file like those, or
    a ``.json`` file of plain data; or ``RUN:ID``, a lot that a recorded run made, or what it left
    on a spool.
    """
    names = {name.casefold(): _FOLDER / f"{name}.toml" for name in lot_names()}
    names |= {name.casefold(): _FOLDER / "spools" / f"{name}.toml" for name in spool_names()}
    path = names.get(reference.casefold(), Path(reference))
    suffix = path.suffix.lower()
    try:
        if suffix in (".toml", ".yaml", ".yml"):
            return _of_file(path)
        if suffix == ".json":
            data = json.loads(path.read_text(encoding="utf-8"))
            wire = isinstance(data, dict) and data.get("kind") == "spool"
            return _spool_of_json(data) if wire else _of_json(data)
    except RecipeError as error:
        raise LotError(str(error)) from None
    except OSError as error:
        raise LotError(f"{path}: cannot be read: {error.strerror}") from None
    except ValueError as error:
        raise LotError(f"{path.name}: is not a powder lot or spool: {error}") from None
    run, colon, identity = reference.rpartition(":")
    if colon and run:
        return find_feedstock(run, identity)
    raise LotError(f"no powder lot {reference!r}; known: {', '.join(lot_names())}, a .toml, .yaml "
                   "or .json file, or RUN:ID of a recorded run; spools of wire: "
                   + ", ".join(spool_names()))
