"""Material in a works: what is wanted, what is there, where things go, what the laboratory says."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from typing import Any, Protocol

from emulators.controllers.works_jobs import Job, Wish
from emulators.controllers.works_laboratory import Laboratory
from emulators.works.plan import PARTS, RESIDUES, SCRAP, Plan, ProgramPlan, StorePlan
from twin.powder.lot import PowderLot
from twin.powder.operations import Draw, Item, Operation, renamed
from twin.powder.sizes import below
from twin.works.account import Footprint, is_scrap
from twin.works.plant import Works
from twin.works.stores import CRUMB, Thing

__all__ = ["Book", "Materials"]

POWDER, RECYCLING = 6, 7
"""Priority of making powder and of recycling it, behind usual orders."""
FITS, WANTED = 0.75, 0.5
"""Share of a lot that must lie in a store's cut for the lot to go there; less is enough where it
was made for the store, as the laboratory looks at it anyway; default."""
GOOD = ("part", "green part")


class Book(Protocol):
    """What is wanted of the order book."""

    @property
    def products(self) -> tuple[str, ...]:
        """All products."""
        ...

    def missing(self, product: str) -> int:
        """Parts that open orders want."""
        ...

    def urgent(self, product: str) -> Any:
        """The most urgent open order of a product."""
        ...

    def deliver(self, product: str, now: float, quantity: int = 1) -> Any:
        """Give parts (or kg) to the most urgent order; None if none wants it."""
        ...


class Materials:
    """Books of the works' material; moves it between stores and machines."""

    def __init__(self, works: Works, book: Book, plan: Plan | None,
                 say: Callable[..., None]) -> None:
        self.works, self.book, self.plan, self._say = works, book, plan, say
        self.stock: dict[str, list[str]] = {p: [] for p in plan.products} if plan else {}
        """Finished parts and intermediates in the parts store, ids by product."""
        self.shipped = 0
        self.delivered: dict[str, tuple[str, int, Footprint, Thing]] = {}
        """By part or lot: product, order, what it carries, the thing itself."""
        self._plans: dict[str, StorePlan] = {s.name: s for s in plan.stores} if plan else {}
        self._powders = [s for s in self._plans.values() if s.holds == "powder"]
        self._machines = plan.machines if plan else ()
        self._programs = [p for m in self._machines for p in m.programs]
        self._sold = [s.name for s in self._powders if s.sells]
        self.laboratory = Laboratory(works, self._powders, plan.laboratory if plan else "", say)

    # -- what is wanted -----------------------------------------------------------------------

    def low(self) -> list[str]:
        """Powder stores below their reorder level."""
        return [s.name for s in self._powders if self._there(s) < s.reorder_kg]

    def _there(self, store: StorePlan) -> float:
        """Powder (kg) of a store that may be used, will be once it is analysed, or comes back."""
        return (self.works.stores[store.name].available(("released", "new"))
                + self._coming_back(store))

    def wishes(self, jobs: Iterable[Job]) -> list[Wish]:
        """What should be made, the most urgent first."""
        jobs = [j for j in jobs if not j.failed]
        found: list[Wish] = []
        for product in self.stock:
            self._want(product, self.book.missing(product), jobs, found, None, 0)
        for name in self._sold:
            if ordered := self.book.missing(name):
                # Whoever orders powder does not empty the store of what is kept in it.
                store = self._plans[name]
                self._stock(store, ordered + store.reorder_kg, jobs, found,
                            self.book.urgent(name).rank, 0)
        for store in self._powders:
            there = self.works.stores[store.name].released
            back = self._coming_back(store)
            if store.reorder_kg > back and store.buys is None:
                rank = (POWDER, there / store.reorder_kg, 0)
                self._stock(store, store.reorder_kg - back, jobs, found, rank, 0)
        for program in self._programs:
            for take in program.takes:
                if program.makes.store and take.store and take.kg is not None:
                    used = self._plans[take.store]
                    if used.holds == "used powder":
                        heap = self.works.stores[take.store].available(self._states(take.store))
                        if heap >= take.kg:
                            found.append(Wish((RECYCLING, -heap / take.kg, 0),
                                              store=program.makes.store, source=take.store,
                                              about=f"used {take.store}"))
        return sorted(found, key=lambda w: w.rank)

    def _stock(self, store: StorePlan, level: float, jobs: list[Job], found: list[Wish],
               rank: tuple[int, float, int], depth: int) -> None:
        """A wish for powder below a level (kg), and for the powder that it is made of."""
        coming = sum(j.program.makes.kg for j in jobs if j.program.makes.store == store.name)
        there = self.works.stores[store.name].available((*self._states(store.name), "new"))
        if there + coming >= level or depth > 8:
            return
        found.append(Wish(rank, store=store.name, about=f"stock of {store.name}"))
        ways = [p for p in self._programs if p.makes.store == store.name]
        if not all(self.short_of(program) for program in ways):
            return  # there is something to make it of
        for program in ways:
            for take in program.takes:
                if take.kg is not None and not take.top_up:
                    self._stock(self._plans[take.store], take.kg, jobs, found, rank, depth + 1)

    def _coming_back(self, store: StorePlan) -> float:
        """Used powder (kg) that will be powder of a store again."""
        given_up = self.laboratory.given_up
        if not store.used or any(p.makes.store == store.name and given_up(m.name, p.name)
                                 for m in self._machines for p in m.programs):
            return 0.0
        return float(self.works.stores[store.used].mass)

    def _want(self, product: str, count: int, jobs: list[Job], found: list[Wish],
              rank: tuple[int, float, int] | None, depth: int) -> None:
        """A wish for what is missing of a product, and for what its making needs."""
        coming = sum(j.program.makes.count for j in jobs if j.program.makes.product == product)
        missing = count - len(self.stock[product]) - coming
        if missing <= 0 or depth > 8:
            return
        if rank is None:
            rank = self.book.urgent(product).rank
        found.append(Wish(rank, product=product, about=product))
        for program in self._programs:
            if program.makes.product != product:
                continue
            runs = -(-missing // program.makes.count)
            for take in program.takes:
                if take.product:
                    self._want(take.product, runs * take.count, jobs, found, rank, depth + 1)
                elif take.kg is not None and not take.top_up:
                    # What an order waits for goes before what only fills a store.
                    self._stock(self._plans[take.store], take.kg, jobs, found, rank, depth + 1)
            break

    def short_of(self, program: ProgramPlan) -> str:
        """What a program lacks; empty if it has all that it takes."""
        counts: dict[str, int] = {}
        masses: dict[str, float] = {}
        for take in program.takes:
            if take.product:
                counts[take.product] = counts.get(take.product, 0) + take.count
            elif not take.top_up:
                assert take.kg is not None
                masses[take.store] = masses.get(take.store, 0.0) + take.kg
        for product, count in counts.items():
            if len(self.stock[product]) < count:
                return f"{product}: {len(self.stock[product])} of {count}"
        for store, kg in masses.items():
            there = self.works.stores[store].available(self._states(store))
            if there < kg:
                return f"{store}: {there:.3g} of {kg:g} kg"
        return ""

    def _states(self, store: str) -> tuple[str, ...]:
        used = self._plans[store].holds == "used powder"
        return ("new", "released", "hold") if used else ("released",)

    def fetch(self, program: ProgramPlan,
              machine: str) -> tuple[list[Thing], dict[str, tuple[str, str]]] | None:
        """Hand over to a machine what a program takes; with store and product of each, by id.

        None, and all is put back, if a part of it is not there, for powder was taken by mistake.
        """
        things: list[Thing] = []
        came: dict[str, tuple[str, str]] = {}
        for take in program.takes:
            found: list[Thing] = []
            if take.product:
                ids = [self.stock[take.product].pop(0) for _ in range(take.count)]
                found += self.works.fetch_things(PARTS, ids, machine)
            else:
                assert take.kg is not None
                states, mass = self._states(take.store), take.kg
                if take.top_up:
                    mass = min(mass, self.works.stores[take.store].available(states, fresh=True))
                    if mass <= CRUMB:
                        continue
                try:
                    found += self.works.fetch(take.store, mass, machine, states, take.top_up)
                except ValueError as error:
                    self._say("Stores", f"{program.name} for {machine}: {error}"[:240])
                    for thing_id, (store, product) in came.items():
                        self.works.put_away(machine, thing_id, store)
                        if product:
                            self.stock[product].append(thing_id)
                    return None
            things += found
            came |= {t.id: (take.store or PARTS, take.product) for t in found}
        return things, came

    # -- accounts -----------------------------------------------------------------------------

    def standby(self, machine: str) -> None:
        """What a machine spent since its last job is nobody's."""
        spent = self.works.spend(machine)
        self.works.ledger.charge(machine, "standby", spent)
        self.works.ledger.unborne += spent

    def overhead(self, machine: str, step: str, labour: float) -> None:
        """Labour (s) that no part bears."""
        ledger = self.works.ledger
        spent = ledger.rates.spent(0.0, 0.0, "", labour)
        ledger.charge(machine, step, spent)
        ledger.unborne += spent

    # -- the end of a job ---------------------------------------------------------------------

    def clear(self, job: Job) -> tuple[int, int]:
        """Take everything from a machine to the stores; good and rejected parts."""
        works, machine = self.works, job.machine
        labour = job.take_labour()
        if not job.failed:
            self._transform(job)
        handed = {t.id for t in job.things}
        self._returned(job)
        at = [*works.at[machine].values()]
        spent = works.spend(machine, labour)
        works.ledger.charge(machine, "set-up and unloading", spent)
        works.ledger.bear([t for t in at if t.id not in handed], spent)
        parts = []
        for thing in at:
            if isinstance(thing, Item) and thing.kind in GOOD and thing.id not in handed:
                parts += self._single(thing, job)
            else:
                store = self._home(thing, job)
                works.put_away(machine, thing.id, store)
                if store == PARTS:
                    self.stock[job.came[thing.id][1]].append(thing.id)
                # What comes back as it was says nothing about what the program makes.
                self.laboratory.arrived(thing.id, None if _unchanged(thing, job) else job)
        if not job.failed and self._held_back(at, job):
            self.laboratory.held_back(job)
        good = bad = 0
        product = job.program.makes.product
        for part in parts:
            wrong = "the job failed" if job.failed else self._wrong(part, job)
            fine = not wrong and bool(product)
            if not fine:
                self._say("Inspection", f"{part.id} rejected: {wrong}"[:240], part=part.id)
            works.put_away(machine, part.id, PARTS if fine else SCRAP)
            good, bad = good + fine, bad + (not fine)
            if fine:
                self.stock[product].append(part.id)
        return good, bad

    def _returned(self, job: Job) -> None:
        """Powder that a machine gives back as it was needs no new analysis."""
        released = {t.id for t in job.things if isinstance(t, PowderLot)
                    and t.status == "released"}
        at = self.works.at[job.machine]
        for name, thing in at.items():
            if isinstance(thing, PowderLot) and thing.origin == "return" \
                    and thing.status == "new" and set(thing.parents) <= released:
                at[name] = renamed(thing, name, status="released")

    def _wrong(self, part: Item, job: Job) -> str:
        """What inspection finds wrong with a part; empty if it is good."""
        about, plan = part.about, self.plan
        assert plan is not None
        if not about.get("good", True):
            return "its machine found it faulty"
        if not about.get("complete", True):
            return "not finished"
        porosity, most = about.get("porosity", 0.0), plan.inspection.porosity_percent / 100
        if porosity > most:
            return f"porosity {porosity * 100:.2f} %, allowed {most * 100:g} %"
        for take in job.program.takes:
            rule = self.laboratory.rules.get(take.store)
            limit = rule.limits.get("oxygen") if rule else None
            oxygen = about.get("oxygen", 0.0)
            if plan.inspection.oxygen and limit is not None and oxygen > limit.high:
                return f"oxygen {oxygen * 1e6:.0f} ppm, allowed {limit.high * 1e6:.0f} ppm"
        return ""

    def sweep(self, machine: str, keep: Collection[str] = ()) -> None:
        """Put away what a job left that somebody else had ordered of the machine."""
        for thing in [*self.works.at[machine].values()]:
            if thing.id in keep:
                continue
            part = isinstance(thing, Item) and thing.kind in GOOD
            store = PARTS if part else SCRAP if is_scrap(thing) or isinstance(thing, Item) \
                else RESIDUES
            self.works.put_away(machine, thing.id, store)

    def _transform(self, job: Job) -> None:
        """The account of a machine that keeps none of what it does to parts, or of none at all."""
        works, program = self.works, job.program
        if job.operations or not program.makes.product:
            return
        items = [t for t in works.at[job.machine].values() if isinstance(t, Item)]
        count = program.makes.count
        mass = sum(t.mass for t in items) / count
        share: dict[str, float] = {}
        for item in items:
            for element, kg in item.elements.items():
                share[element] = share.get(element, 0.0) + kg / count
        name = items[0].alloy if items else program.alloy or ""
        done = Operation(
            program.name, job.machine, works.env.now, tuple(Draw.all(t) for t in items),
            tuple(Item(works.new_id("PART"), "part", name, mass, share) for _ in range(count)))
        job.operations.append(works.operation(job.machine, done, job.take_labour()))
        works.record_operation(job.operations[-1])

    def _single(self, item: Item, job: Job) -> list[Item]:
        """The parts that one item of a job is: a plate is cut into its parts."""
        works, at = self.works, self.works.at[job.machine]
        made = [t for t in at.values() if isinstance(t, Item) and t.kind in GOOD
                and t.id not in {x.id for x in job.things}]
        count = job.program.makes.count if len(made) == 1 and job.program.makes.product else 1
        if count == 1:
            return [item]
        pieces = tuple(
            replace(item, id=f"{item.id}.{n + 1}", mass=item.mass / count,
                    elements={e: kg / count for e, kg in item.elements.items()})
            for n in range(count))
        done = Operation("separate", works.name, works.env.now, (Draw.all(item),), pieces)
        works.ledger.operation(done, Footprint())
        works.record_operation(done)
        del at[item.id]
        at.update({p.id: p for p in pieces})
        return [*pieces]

    def _held_back(self, things: Iterable[Thing], job: Job) -> bool:
        """Whether all powder that a job made for its store is on hold by its maker's verdict."""
        store = self._plans.get(job.program.makes.store)
        if store is None or not store.used:
            return False
        made = [t.status for t in things if isinstance(t, PowderLot)
                and not _unchanged(t, job) and self._fits(t, store, WANTED) and not is_scrap(t)]
        return bool(made) and all(status == "hold" for status in made)

    def _source(self, lot: PowderLot, job: Job) -> StorePlan | None:
        """The store of which a job had a lot, or what it was made of."""
        names = [job.came[i][0] for i in (lot.id, *lot.parents) if i in job.came]
        stores = [self._plans[n] for n in [*names, *(t.store for t in job.program.takes)]
                  if n in self._plans]
        return next((s for s in stores if s.alloy == lot.alloy), None)

    def _home(self, thing: Thing, job: Job) -> str:
        """The store that something goes to after a job."""
        if isinstance(thing, Item):
            # Parts that no machine has had yet are as good as before.
            return PARTS if thing.id in job.came and job.started is None else SCRAP
        if is_scrap(thing):
            return SCRAP
        source = self._source(thing, job)
        untouched = thing.id in job.came or thing.status == "released"
        if source is not None and job.program.makes.product:
            if untouched and (not job.failed or job.started is None):
                return source.name
            return source.used or source.name
        if source is not None and _unchanged(thing, job):
            return source.name
        wanted = [self._plans[job.program.makes.store]] if job.program.makes.store else []
        for store in [*wanted, *self._powders]:
            if self._fits(thing, store, WANTED if store in wanted else FITS):
                # What its maker holds back is worked up once more.
                return store.used if thing.status == "hold" and store.used else store.name
        return RESIDUES

    def _fits(self, lot: PowderLot, store: StorePlan, least: float) -> bool:
        if lot.alloy != store.alloy or not lot.metal:
            return False
        inside = below(lot.masses, store.high_um * 1e-6) - below(lot.masses, store.low_um * 1e-6)
        return bool(inside >= least)

    # -- purchase -----------------------------------------------------------------------------

    def buy(self) -> None:
        """Take in what was delivered; order what is below its level and comes from a supplier."""
        for lot_id in self.works.arrived:
            self.laboratory.arrived(lot_id, None)
        self.works.arrived.clear()
        for plan in self._powders:
            store = self.works.stores[plan.name]
            if plan.buys is not None and self._there(plan) < plan.reorder_kg:
                store.order()

    # -- delivery -----------------------------------------------------------------------------

    def deliver(self, now: float) -> None:
        """Ship parts and powder that orders want."""
        self._sell(now)
        for product, ids in self.stock.items():
            while ids and self.book.missing(product) > 0:
                order = self.book.deliver(product, now)
                part = self.works.stores[PARTS].things[ids[0]]
                assert isinstance(part, Item)
                self.delivered[ids[0]] = (product, order.number, self.works.ledger.of(part), part)
                self.works.ship(PARTS, ids.pop(0))
                self.shipped += 1
                self._say("Orders", f"{product} {part.id} for order {order.number}",
                          number=order.number, part=part.id)

    def _sell(self, now: float) -> None:
        """Ship powder for the most urgent order of each store as soon as there is enough for it."""
        for name in self._sold:
            while (order := self.book.urgent(name)) is not None:
                mass = order.quantity - order.delivered
                if self.works.stores[name].available() < mass:
                    break
                lots = self.works.sell(name, mass)
                self.book.deliver(name, now, mass)
                for lot in lots:
                    self.delivered[lot.id] = (name, order.number, self.works.ledger.of(lot), lot)
                self._say("Orders", f"{mass} kg of {name} for order {order.number}",
                          number=order.number, mass=mass)


def _unchanged(thing: Thing, job: Job) -> bool:
    """Whether a job gave something back as it was handed over."""
    return thing.id in job.came or (isinstance(thing, PowderLot) and thing.origin == "return")
