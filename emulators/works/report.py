"""The report of a works: orders, parts, use of machines, lots, the ledger and the balance."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from twin.powder.lot import PowderLot
from twin.works.account import Footprint, is_scrap
from twin.works.people import HOUR

if TYPE_CHECKING:
    from emulators.controllers.works import Dispatcher
    from emulators.works.build import BuiltWorks
    from twin.works.plant import Works

__all__ = ["figures", "report", "sheet"]

KWH = 3.6e6
_WAYS = ("working", "starting", "unloading", "held", "failed", "service", "no job")
_MOST_LOTS = 40
_BALANCE_SHOWN = 1e-6  # kg


def _table(head: Sequence[str], rows: Iterable[Sequence[Any]]) -> list[str]:
    """A table of Markdown; columns of figures stand to the right."""
    cells = [[str(cell) for cell in row] for row in rows]
    figures = [all(_figure(row[i]) for row in cells) for i in range(len(head))]
    lines = ["| " + " | ".join(head) + " |",
             "|" + "|".join("---:" if i and figures[i] else "---" for i in range(len(head))) + "|"]
    return [*lines, *("| " + " | ".join(row) + " |" for row in cells), ""]


def _figure(text: str) -> bool:
    try:
        float(text.strip("*").replace(",", "") or 0.0)
    except ValueError:
        return False
    return True


def _spent(found: Footprint) -> list[str]:
    return [f"{found.energy / KWH:.1f}", f"{found.gas:.2f}", f"{found.water / 1000:.3f}",
            f"{found.carbon:.1f}", f"{found.labour / HOUR:.2f}", f"{found.cost:.0f}"]


_SPENT = ("energy kWh", "gas m3", "water m3", "CO2e kg", "labour h", "cost")


def _named(emulator: Any) -> tuple[Works, Dispatcher | None]:
    return emulator.plant, emulator.controller


def figures(emulator: Any) -> dict[str, Any]:
    """What a works' summary tells, plain; `emulator` is that of the works, or a built works."""
    emulator = getattr(emulator, "works", emulator)
    works, dispatcher = _named(emulator)
    for _, component in works.walk():
        component.sense(emulator.time)
    ledger = works.ledger
    found: dict[str, Any] = {
        "energy_kwh": works.mains.energy / KWH,
        "peak_kw": works.mains.peak / 1e3,
        "gas_m3": {name: tank.taken for name, tank in works.gases.items()},
        "water_m3": works.water.evaporated / 1000,
        "labour_h": works.people.labour / HOUR,
        "carbon_kg": float(ledger.carbon),
        "cost": float(ledger.cost),
        "balance": works.close(),
        "worst_operation": ledger.worst,
        "stock_kg": {name: round(store.mass, 6) for name, store in works.stores.items()},
    }
    if dispatcher is not None:
        orders, dispatch = dispatcher.orders, dispatcher.dispatch
        found |= {
            "orders_done": int(orders.done), "orders_open": int(orders.open),
            "orders_late": int(orders.late), "parts": int(orders.parts_finished),
            "parts_rejected": int(orders.parts_rejected), "shipped": int(orders.parts_shipped),
            "jobs": int(dispatch.jobs_done), "jobs_failed": int(dispatch.jobs_failed)}
    return found


def report(built: BuiltWorks, summary: Mapping[str, Any]) -> str:
    """The report of a run of a works, with its `summary`, as Markdown."""
    name = built.plan.name
    lines = [f"# {name[:1].upper()}{name[1:]}", ""]
    if built.plan.about:
        lines += [built.plan.about, ""]
    lines += [f"Fidelity {built.fidelity}, plan {built.plan.digest[:12]}."]
    if "wall_s" in summary and summary.get("speed_factor"):
        lines += [f"Run in {summary['wall_s']:.1f} s, {summary['speed_factor']:.0f} times as fast "
                  "as real."]
    lines += ["", "Figures of the plan are defaults; so are prices and what a unit of energy, gas "
              "or metal brings with it.", ""]
    lines += [f"- {note}" for note in built.notes] + ([""] if built.notes else [])
    return "\n".join(lines) + "\n" + sheet(built.works)


def sheet(emulator: Any) -> str:
    """A works as it stands, as Markdown; `emulator` is that of the works."""
    works, dispatcher = _named(emulator)
    told = figures(emulator)
    now = emulator.time
    lines = [f"{now / HOUR:.2f} h simulated, seed {works.seed}.", ""]
    if dispatcher is not None:
        lines += _short(told, dispatcher)
        lines += _orders(dispatcher, now)
        lines += _parts(dispatcher)
        lines += _use(works, dispatcher, now)
        lines += _failed(dispatcher)
    lines += _supplies(works, now)
    lines += _stores(works)
    lines += _ledger(works, now, told)
    lines += _balance(works, told)
    return "\n".join(lines).rstrip() + "\n"


def _short(told: Mapping[str, Any], dispatcher: Dispatcher) -> list[str]:
    """The figures that somebody who has a minute wants to know."""
    orders = [o for o in dispatcher.book.orders.values() if not o.cancelled]
    ended = [o for o in orders if o.ended is not None]
    in_time = sum(o.ended is not None and o.ended <= o.due for o in ended)
    lines = [f"Of {len(orders)} orders {len(ended)} are done, {in_time} of them in time; "
             f"{told['orders_open']} are open, {told['orders_late']} of these late. "
             f"{told['shipped']} parts were shipped, {told['parts_rejected']} rejected; of "
             f"{told['jobs'] + told['jobs_failed']} jobs {told['jobs_failed']} failed. It took "
             f"{told['energy_kwh']:.0f} kWh, {told['labour_h']:.0f} h of labour, "
             f"{told['carbon_kg']:.0f} kg CO2e and {told['cost']:.0f} in the plan's currency."]
    return [*lines, ""]


def _orders(dispatcher: Dispatcher, now: float) -> list[str]:
    """By product, and one by one those that are not done or were not done in time."""
    orders = [*dispatcher.book.orders.values()]
    rows = []
    for product in dict.fromkeys(o.product for o in orders):
        own = [o for o in orders if o.product == product and not o.cancelled]
        ended = [(o, o.ended) for o in own if o.ended is not None]
        took = sum(end - o.placed for o, end in ended) / HOUR / len(ended) if ended else 0.0
        rows.append((product, len(own), sum(o.quantity for o in own),
                     sum(o.delivered for o in own), len(ended),
                     sum(end <= o.due for o, end in ended), f"{took:.0f}" if ended else ""))
    lines = ["## Orders", "", *_table(
        ("product", "orders", "quantity", "delivered", "done", "in time", "mean h to the end"),
        rows)]
    listed = []
    for order in orders:
        if order.cancelled:
            state = "cancelled"
        elif order.ended is None:
            state = "open, late" if now > order.due else "open"
        elif order.ended > order.due:
            state = f"{(order.ended - order.due) / HOUR:.1f} h late"
        else:
            continue
        listed.append((order.number, order.product, order.quantity, order.delivered,
                       f"{order.placed / HOUR:.1f}", f"{order.due / HOUR:.1f}", state))
    if listed:
        lines += ["Not done, or not in time:", "", *_table(
            ("number", "product", "quantity", "delivered", "placed h", "due h", "state"), listed)]
    return lines


def _failed(dispatcher: Dispatcher) -> list[str]:
    rows = [(job.id, job.machine, job.program.name, f"{(job.ended or 0.0) / HOUR:.1f}",
             job.why or "not told") for job in dispatcher.finished if job.failed]
    if not rows:
        return []
    return ["## Jobs that failed", "",
            *_table(("job", "machine", "program", "ended h", "why"), rows)]


def _parts(dispatcher: Dispatcher) -> list[str]:
    """What each product carries, from the melt on, through the lots it was made of."""
    by_product: dict[str, list[tuple[float, Footprint]]] = {}
    powder: dict[str, list[tuple[float, Footprint]]] = {}
    for product, _, carried, thing in dispatcher.material.delivered.values():
        kinds = powder if isinstance(thing, PowderLot) else by_product
        kinds.setdefault(product, []).append((thing.mass, carried))
    rows = []
    for product, found in sorted(by_product.items()):
        count = len(found)
        mean = Footprint.total(c for _, c in found) * (1 / count)
        rows.append((product, count, f"{sum(m for m, _ in found) / count:.4f}", *_spent(mean)))
    lines = ["## Shipped parts, mean of each part", "",
             "All that was spent on a part, on its powder and on the metal that was bought for it.",
             "", *_table(("product", "parts", "kg each", *_SPENT), rows)]
    if not powder:
        return lines
    rows = []
    for name, found in sorted(powder.items()):
        mass = sum(m for m, _ in found)
        rows.append((name, len(found), f"{mass:.1f}",
                     *_spent(Footprint.total(c for _, c in found) * (1 / mass))))
    return [*lines, "## Shipped powder, mean of each kg", "",
            *_table(("powder", "lots", "kg", *_SPENT), rows)]


def _use(works: Works, dispatcher: Dispatcher, now: float) -> list[str]:
    """Availability, as in overall equipment effectiveness, over all the time there was."""
    rows = []
    used = dispatcher.used(now)
    for name, ways in used.items():
        jobs = [j for j in dispatcher.finished if j.machine == name]
        failed = sum(j.failed for j in jobs)
        quality = f"{100 * (1 - failed / len(jobs)):.0f}" if jobs else ""
        total = sum(ways.values()) or 1.0
        rows.append((name, *(f"{100 * ways.get(w, 0.0) / total:.1f}" for w in _WAYS),
                     len(jobs) - failed, failed, quality, works.machines[name].failures))
    return ["## Use of machines, % of the time", "",
            "starting: fetched, being set up, or ready and waiting for people, power or gas.", "",
            *_table(("machine", *_WAYS, "jobs", "aborted", "jobs good %", "failures"), rows)]


def _supplies(works: Works, now: float) -> list[str]:
    rows = [("electricity, kWh", f"{works.mains.energy / KWH:.1f}",
             f"peak {works.mains.peak / 1e3:.1f} kW")]
    for name, tank in works.gases.items():
        rows.append((f"{name}, m3", f"{tank.taken:.1f}", f"delivered {tank.delivered:.1f}, in the "
                     f"tank {tank.level:.1f}, missing {tank.missing:.2f}"))
    rows.append(("cooling water evaporated, m3", f"{works.water.evaporated / 1000:.3f}", ""))
    people = works.people
    rows.append(("labour, h", f"{people.labour / HOUR:.1f}",
                 f"overtime {people.overtime / HOUR:.1f} h, {len(people.people)} people"))
    return ["## Supplies and people", "", *_table(("what", "used", "remarks"), rows)]


def _stores(works: Works) -> list[str]:
    rows = [(name, f"{s.mass:.3f}", f"{s.released:.3f}", f"{s.waiting:.3f}", s.count)
            for name, s in works.stores.items()]
    lines = ["## Stores", "",
             *_table(("store", "kg", "released kg", "waiting kg", "lots and items"), rows)]
    lots = [(name, lot) for name, store in works.stores.items() for lot in store.lots()
            if not is_scrap(lot)]
    lots.sort(key=lambda pair: -pair[1].mass)
    found = [(lot.id, name, lot.alloy, lot.status, f"{lot.mass:.3f}", f"{lot.d50 * 1e6:.1f}",
              f"{lot.oxygen * 1e6:.0f}", f"{lot.moisture * 1e6:.0f}", lot.cycle,
              *_per_kg(works, lot)) for name, lot in lots[:_MOST_LOTS]]
    lines += ["## Lots in store", ""]
    if len(lots) > _MOST_LOTS:
        lines += [f"The {_MOST_LOTS} largest of {len(lots)}.", ""]
    return [*lines, *_table(("lot", "store", "alloy", "status", "kg", "d50 um", "O ppm",
                             "H2O ppm", "reuse", "kWh/kg", "CO2e kg/kg", "cost/kg"), found)]


def _per_kg(works: Works, lot: PowderLot) -> tuple[str, str, str]:
    each = works.ledger.carried.get(lot.id, Footprint())
    return f"{each.energy / KWH:.2f}", f"{each.carbon:.2f}", f"{each.cost:.2f}"


def _ledger(works: Works, now: float, told: Mapping[str, Any]) -> list[str]:
    ledger = works.ledger
    rows = [(f"{line.machine}: {line.step}", line.times, f"{line.mass:.3f}", *_spent(line.spent))
            for line in sorted(ledger.lines.values(), key=lambda x: (x.machine, x.step))]
    running = Footprint.total(
        ledger.rates.spent(energy - before[0], gas - before[1], works.places[name].gas, 0.0)
        for name, machine in works.machines.items()
        for energy, gas in [machine.read_meters()] for before in [works.charged[name]])
    rows.append(("not yet entered: steps under way", "", "", *_spent(running)))
    rows.append(("bought metal and powder", "", f"{sum(ledger.received.values()):.3f}",
                 *_spent(ledger.bought)))
    total = Footprint.total([*(line.spent for line in ledger.lines.values()), running,
                             ledger.bought])
    rows.append(("**total**", "", "", *_spent(total)))
    entered = total.energy
    metered = works.mains.energy
    lines = ["## Ledger by step", "",
             *_table(("step", "times", "kg out", *_SPENT), rows)]
    lines += [f"Steps together {entered / KWH:.3f} kWh, mains meter {metered / KWH:.3f} kWh.", "",
              "Where it went, without steps under way:", ""]
    stock = Footprint.total(map(ledger.of, works.things))
    whole = ledger.spent
    lines += _table(("borne by", *_SPENT), [
        ("what was shipped", *_spent(ledger.gone)),
        ("what is in the works", *_spent(stock)),
        ("nothing: standby, repairs, what was lost", *_spent(ledger.unborne)),
        ("**together**", *_spent(ledger.gone + stock + ledger.unborne)),
        ("steps and purchases", *_spent(whole))])
    return lines


def _balance(works: Works, told: Mapping[str, Any]) -> list[str]:
    ledger, present = works.ledger, works.present()
    rows = []
    for element, (handled, error) in ledger.balance(present).items():
        if handled < _BALANCE_SHOWN:
            continue
        parts = [d.get(element, 0.0) for d in
                 (ledger.received, ledger.gained, present, ledger.lost, ledger.shipped)]
        rows.append((element, *(f"{p:.6f}" for p in parts), f"{error / handled:.1e}"))
    return ["## Balance of elements, kg", "",
            *_table(("element", "received", "gained", "present", "lost", "shipped",
                     "relative error"), rows),
            f"Largest relative error of any element {told['balance']:.1e}, of any single operation "
            f"{told['worst_operation']:.1e}."]
