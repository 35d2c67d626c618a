"""Plans of works: the packaged ones load, and a bad one gives one clear error."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from emulators.controllers.works_jobs import Expectation
from emulators.recipes import load_recipe
from emulators.settings import SettingsError
from emulators.works.build import settings_of
from emulators.works.hints import check_programs, hints
from emulators.works.plan import PlanError, load_plan, plan_names
from emulators.works.plant import make_works
from tests.works_bench import PLAN
from twin.works.people import DAY, HOUR


def plan(folder: Path, text: str, name: str = "bad.toml") -> Path:
    path = folder / name
    path.write_text(text)
    return path


@pytest.mark.parametrize("name", plan_names())
def test_packaged_plans_make_a_works(name: str) -> None:
    found = load_plan(name)
    works = make_works(found, 1)
    assert [*works.machines] == [m.name for m in found.machines]
    assert works.close() < 1e-12
    for store in found.stores:
        stock = sum(s.mass_kg * s.lots for s in store.stock)
        assert works.stores[store.name].mass == pytest.approx(stock)
    wanted = {o.product for o in found.orders}
    made = {name for m in found.machines for p in m.programs
            for name in (p.makes.product, p.makes.store)}
    assert wanted <= made


def test_yaml_says_the_same(tmp_path: Path) -> None:
    import tomllib

    import yaml

    data = tomllib.loads(PLAN)
    as_yaml = plan(tmp_path, yaml.safe_dump(data), "bench.yaml")
    as_toml = plan(tmp_path, PLAN, "bench.toml")
    assert load_plan(as_yaml) == load_plan(as_toml)
    assert load_plan(as_yaml).digest == load_plan(as_toml).digest


def test_simulated_0_is_where_the_plan_begins(tmp_path: Path) -> None:
    text = PLAN.replace('begins = "Mon 06:00"', 'begins = "Wed 13:30"')
    assert load_plan(plan(tmp_path, text)).start == 2 * DAY + 13.5 * HOUR


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("mass_kg = 40", "mass_kg = -1",
         "stores[0] (Ti64).stock[0].mass_kg must be above 0 to 1e+06, not -1"),
        ("capacity_m3 = 500", "capacity_m3 = 0",
         "gases[0] (argon).capacity_m3 must be above 0 to 1e+06, not 0"),
        ("priority = 3", "priority = 12", "orders[1].priority must be 1 to 9, not 12"),
        ("setup_h = 0\n", "setup_hours = 0\n",
         "machines[2] (OVEN-01).setup_hours is unknown; did you mean setup_h?"),
        ("count = 4 }\n  takes = [{ product", 'count = "x" }\n  takes = [{ product',
         "machines[2] (OVEN-01).programs[0] (rings).makes.count"),
        ('shift = "late"', 'shift = "night"',
         "people (Ben).shift must be one of early, late, not 'night'"),
        ('type = "recycling-line"', 'type = "oven"', "machines[3] (LINE-01).type must be one of"),
        ('store = "Ti64", kg = 10', 'store = "Ti65", kg = 10',
         "machines[1] (LB-02).programs (green).takes.store must be one of Ti64, Ti64 used, not "
         "'Ti65'"),
        ('store = "Ti64", kg = 10', 'store = "Ti64"',
         "machines[1] (LB-02).programs (green).takes.kg is missing"),
        ('gas = "argon"', 'gas = "neon"', "machines[0] (LB-01).gas must be one of argon"),
        ('alloy = "Ti-6Al-4V"', 'alloy = "unobtainium"',
         "stores[0] (Ti64).alloy must be a known alloy"),
        ('begins = "Mon 06:00"', 'begins = "Monday"', "begins must be a day (Mon, Tue"),
        ('begins = "06:00"', 'begins = "25:00"',
         "shifts[0] (early).begins must be a time 00:00 to 24:00, not '25:00'"),
        ('product = "pin"\nquantity', 'product = "bolt"\nquantity',
         "orders[0].product must be one of ring, green ring, pin, not 'bolt'"),
        ("start_m3 = 400", "start_m3 = 600",
         "gases (argon) start_m3 and reorder_m3 must be 0 to capacity_m3 (500)"),
        ('name = "LB-02"', 'name = "LB-01"', "machines has 'LB-01' more than once"),
        ('name = "Ti64"\n', 'name = "scrap"\n', "stores (scrap) is a store that every works has"),
        ("low_um = 15", "low_um = 90", "stores (Ti64).low_um must be below high_um (53)"),
        ('used = "Ti64 used"', 'used = "Ti64"', "stores (Ti64).used must be one of Ti64 used"),
        ('"laboratory"]', '"cooking"]', "laboratory must be one of cooking"),
        ('days = ["Mon", "Tue", "Wed", "Thu", "Fri"]', 'days = ["Monday"]', "shifts[0] (early)"),
        ("[[people]]", "[[peoples]]", "people is missing"),
        ("every_h = 96", "every_h = 1e-7", "orders[1].every_h must be 0 (once) or 0.1 to 100000"),
        ('products = ["ring"', 'products = ["ring", "ring"', "products has 'ring' more than once"),
        ('products = ["ring"', 'products = ["nut", "ring"', "'nut', which no program makes"),
        ('name = "LB-02"', 'name = "Works"', "machines[1] (Works).name is that of the works"),
        ("reserve_m3 = 20", "reserve_m3 = 500", "reserve_m3 must be below capacity_m3"),
        ("[[gases]]", "[gases", "is not a plan"),
        ('type = "recycling-line"\n', 'type = "pbf-eb"\ngas = "argon"\n',
         "machines[3] (LINE-01).gas is argon, but program 'recycle' takes helium"),
        ('name = "argon"\n', 'name = "argon"\nkind = "neon"\n', "gases[0] (argon).kind"),
        ("reorder_kg = 30", "buys = { mass_kg = 20, d50_um = 34 }",
         "stores (Ti64).buys is for powder with a reorder_kg above 0"),
        ('holds = "used powder"', 'holds = "used powder"\nsells = true',
         "stores (Ti64 used).sells is for powder, not for used powder"),
        ('product = "pin"\nquantity', 'product = "Ti64"\nquantity',
         "orders[0].product must be one of ring, green ring, pin, not 'Ti64'"),
        ("count = 4 }]", "count = 4, top_up = true }]",
         "machines[2] (OVEN-01).programs (rings).takes.top_up is for powder only"),
    ],
)
def test_a_bad_plan_gives_one_clear_error(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in PLAN
    text = PLAN.replace(old, new, -1 if old == "[[people]]" else 1)
    with pytest.raises(PlanError, match=re.escape(message)) as caught:
        load_plan(plan(tmp_path, text))
    assert str(caught.value).startswith("bad.toml: ")
    assert "\n" not in str(caught.value)
    assert len(str(caught.value)) < 400


def test_a_plan_that_is_not_there() -> None:
    with pytest.raises(PlanError, match="cannot be read"):
        load_plan("nowhere.toml")
    with pytest.raises(PlanError, match="no plan 'factory'; there are: cell"):
        load_plan("factory")


@pytest.mark.parametrize("name", plan_names())
def test_programs_of_packaged_plans_can_be_made(name: str) -> None:
    """Recipes are there and of the powder's alloy, and what is taken is made or stocked."""
    found = load_plan(name)
    made = {p.makes.store for m in found.machines for p in m.programs}
    for machine in found.machines:
        for program in machine.programs:
            settings = settings_of(machine, program, 0, "layer", 50.0)
            recipe = load_recipe(program.recipe or "", machine.type)
            assert settings.recipe == program.recipe
            stores = [found.store(t.store) for t in program.takes if t.store]
            assert {s.alloy for s in stores} <= {recipe.alloy}
            for store in stores:
                back = {s.name for s in found.stores if s.used == store.name}
                assert store.stock or store.name in made or back, store.name
            if program.makes.store:
                assert found.store(program.makes.store).alloy == recipe.alloy


@pytest.mark.parametrize(("changes", "message"), [
    ({"recipe": "316Q"}, "programs (recycle).recipe cannot be"),
    ({"recipe": "316L"}, "programs (recycle).takes must have powder of 316L, which recipe 316L is "
                         "for, not only of Ti-6Al-4V"),
    ({"parts": ("nowhere.stl",)}, "programs (recycle).parts has 'nowhere.stl', and there is no"),
])
def test_what_cannot_be_run_is_told_before_anything_is_made(
    tmp_path: Path, changes: dict[str, object], message: str
) -> None:
    found = load_plan(plan(tmp_path, PLAN))
    line = found.machine("LINE-01")
    program = line.programs[0].model_copy(update=changes)
    changed = found.model_copy(update={
        "machines": (line.model_copy(update={"programs": (program,)}),)})
    with pytest.raises(SettingsError, match=re.escape(f"machines (LINE-01).{message}")):
        check_programs(changed)


def test_a_program_that_builds_says_what(tmp_path: Path) -> None:
    """On its own a machine without a part builds an example; in a works nobody ordered that."""
    with pytest.raises(SettingsError, match=r"\(LB-01\).programs \(\w+\).parts is missing"):
        check_programs(load_plan(plan(tmp_path, PLAN)))


def test_what_will_never_happen_is_hinted_at(tmp_path: Path) -> None:
    """A job beyond power, cooling or any shift; gas of no tank; powder of nowhere."""
    text = PLAN.replace('used = "Ti64 used"\n', "").replace("power_limit_kw = 20.0",
                                                            "power_limit_kw = 30.0")
    found = load_plan(plan(tmp_path, text))
    works = make_works(found, 1)
    for machine in found.machines:
        works.metered(machine.name, 1e3, 0.0)
    expected = {(m.name, p.name): Expectation(9 * HOUR, 8e3)
                for m in found.machines for p in m.programs}
    expected["LB-01", "pins"] = Expectation(HOUR, 28e3)
    expected["LINE-01", "recycle"] = Expectation(17 * HOUR, 8e3)
    told = hints(found, works, expected)
    assert len(told) == 4
    assert "LB-01, pins: never starts, with all other machines at rest it takes the works to " \
           "31.0 kW, beyond power_limit_kw (30)" in told
    assert any("nobody with skill 'operator' is there for more than 16.0 h" in t for t in told)
    assert "LINE-01, recycle: takes argon, but no tank is named; its gas is not in the ledger" \
        in told
    assert any(t.startswith("store Ti64 used: nobody makes or buys its powder") for t in told)


def test_packaged_plans_need_no_hints_about_their_powder() -> None:
    for name in plan_names():
        found = load_plan(name)
        check_programs(found)
        works = make_works(found, 1)
        expected = {(m.name, p.name): Expectation() for m in found.machines for p in m.programs}
        assert hints(found, works, expected) == ()
