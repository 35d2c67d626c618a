"""The plant of a works from its plan, its stores filled."""

from __future__ import annotations

from emulators.works.plan import (
    DAYS,
    PARTS,
    RESIDUES,
    SCRAP,
    Plan,
    StockPlan,
    StorePlan,
    UpkeepPlan,
    seconds,
)
from twin.works.account import Rates
from twin.works.people import DAY, HOUR, Person, Shift
from twin.works.plant import GasSupply, Place, Works
from twin.works.stores import Purchase
from twin.works.upkeep import Upkeep

__all__ = ["make_works"]


def make_works(plan: Plan, seed: int) -> Works:
    """The plant of a plan, its stores filled."""
    shifts = {}
    for s in plan.shifts:
        begins, ends = seconds(s.begins), seconds(s.ends)
        lasts = (ends - begins) % DAY or DAY
        shifts[s.name] = Shift(s.name, tuple(DAYS.index(d) for d in s.days), begins % DAY, lasts)
    people = [Person(p.name if p.count == 1 else f"{p.name} {n + 1}", frozenset(p.skills),
                     shifts[p.shift]) for p in plan.people for n in range(p.count)]
    ledger = plan.ledger
    rates = Rates(
        carbon_energy=ledger.carbon_kg_kwh / 3.6e6,
        carbon_gas={g.name: g.carbon_kg_m3 for g in plan.gases},
        carbon_metal=ledger.carbon_kg_per_kg_metal,
        water_heat=ledger.water_kg_kwh / 3.6e6,
        heat_share=ledger.heat_share,
        price_energy=ledger.price_kwh / 3.6e6,
        price_gas={g.name: g.price_m3 for g in plan.gases},
        price_metal=ledger.price_kg_metal,
        price_labour=ledger.price_labour_h / HOUR,
        price_water=ledger.price_kg_water)
    works = Works(
        seed,
        [Place(m.name, m.gas, _upkeep(m.upkeep)) for m in plan.machines],
        [SCRAP, RESIDUES, PARTS, *(s.name for s in plan.stores)],
        [GasSupply(g.name, g.capacity_m3, g.start_m3, g.reorder_m3, g.lead_time_h * HOUR,
                   g.reserve_m3)
         for g in plan.gases],
        people, start=plan.start, cooling=plan.cooling_kw * 1e3, rates=rates,
        purchases={s.name: _purchase(s, s.buys, s.buys.lead_time_h)
                   for s in plan.stores if s.buys is not None})
    for store in plan.stores:
        for stock in store.stock:
            for powder in _purchase(store, stock).lots(works.new_id, works.name, "released", 0.0):
                works.receive(powder, store.name)
    return works


def _purchase(store: StorePlan, stock: StockPlan, lead_time_h: float = 0.0) -> Purchase:
    return Purchase(
        store.alloy, stock.mass_kg, stock.lots, stock.d50_um * 1e-6, stock.spread,
        store.low_um * 1e-6 or None, store.high_um * 1e-6, stock.oxygen_ppm * 1e-6,
        stock.moisture_ppm * 1e-6, lead_time_h * HOUR)


def _upkeep(plan: UpkeepPlan) -> Upkeep:
    return Upkeep(plan.between_failures_h * HOUR, plan.repair_h * HOUR, plan.repair_spread,
                  plan.fatal_share, plan.service_every_h * HOUR, plan.service_h * HOUR, plan.skill)
