"""Alloy names, properties over temperature, and the checks on the data file."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import (
    ATMOSPHERE,
    DATA,
    GAS_CONSTANT,
    MaterialError,
    alloy,
    alloys,
    load,
)


@pytest.mark.parametrize(
    ("alias", "name"),
    [
        ("Ti64", "Ti-6Al-4V"),
        ("TiAl6V4", "Ti-6Al-4V"),
        ("ti 6al 4v", "Ti-6Al-4V"),
        ("Inconel 718", "IN718"),
        ("in-718", "IN718"),
        ("INCONEL_625", "IN625"),
        ("SS316L", "316L"),
        ("alsi10mg", "AlSi10Mg"),
        ("copper", "Cu"),
        ("tungsten", "W"),
        ("17-4 PH", "17-4PH"),
    ],
)
def test_usual_names_find_the_alloy(alias: str, name: str) -> None:
    assert alloy(alias).name == name
    assert alloy(alias) is alloy(name)


def test_unknown_alloy_lists_the_known_ones() -> None:
    with pytest.raises(MaterialError, match=r"'unobtainium' is unknown; known: Ti-6Al-4V, IN718"):
        alloy("unobtainium")


@pytest.mark.parametrize("name", alloys())
def test_every_alloy_is_physical(name: str) -> None:
    metal = alloy(name)
    t = np.linspace(300.0, metal.boiling, 200)
    assert np.all(np.diff(metal.density(t)) <= 0.0)
    assert float(metal.specific_heat(metal.liquidus)) > float(metal.specific_heat(300.0))
    infrared, green, blue = metal.absorptivity([1070e-9, 515e-9, 450e-9])
    assert 0.0 < infrared < green <= blue < 1.0
    assert metal.keyhole_absorptivity > infrared
    assert all(metal.sources.values())


def test_reactive_alloys_are_titanium_and_aluminium() -> None:
    reactive = ["Ti-6Al-4V", "AlSi10Mg", "Ti-48Al-2Cr-2Nb"]
    assert [name for name in alloys() if alloy(name).reactive] == reactive


def test_property_holds_the_published_points_and_joins_them_linearly() -> None:
    k = alloy("IN718").conductivity
    assert float(k(293.15)) == pytest.approx(11.1)
    assert float(k(0.5 * (293.15 + 1273.15))) == pytest.approx(0.5 * (11.1 + 27.7))
    assert k([[300.0, 400.0]]).shape == (1, 2)


@pytest.mark.parametrize("temperature", [100.0, 9000.0, float("nan"), [300.0, 9000.0]])
def test_outside_the_stated_range_is_an_error(temperature: float | list[float]) -> None:
    with pytest.raises(MaterialError, match=r"IN718 density: temperature .* allowed 250 to 4000 K"):
        alloy("IN718").density(temperature)


def test_wavelength_outside_the_bands_is_an_error() -> None:
    with pytest.raises(MaterialError, match=r"absorptivity: wavelength 1\.06e-05 m"):
        alloy("Cu").absorptivity(10.6e-6)


@given(st.sampled_from(alloys()), st.floats(255.0, 800.0))
def test_solid_mean_is_the_integral_mean(name: str, preheat: float) -> None:
    metal = alloy(name)
    t = np.linspace(preheat, metal.solidus, 20_001)
    for mean, curve in zip(
        metal.solid_means(preheat),
        (metal.density, metal.specific_heat, metal.conductivity),
        strict=True,
    ):
        assert float(mean) == pytest.approx(np.trapezoid(curve(t), t) / (t[-1] - t[0]), rel=1e-6)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("solidus = { value = 1913.0,", "solidus = { value = 2500.0,", "solidus < liquidus"),
        ('value = 290e3, unit = "J/kg"', 'value = 290e3, unit = "kJ/kg"', "latent_fusion: unit"),
        ("value = 290e3", "value = -5", r"latent_fusion: -5 is not a number from 10000"),
        ("value = [558, 763,", "value = [763,", "specific_heat: needs as many values"),
        ("Ti = 0.90,", "Ti = 0.95,", "composition: adds up to 1.05, allowed 1"),
        ("Ti = 0.90,", "Ti = -0.90,", "composition, Ti: -0.9 is not a number from 0 to 1"),
        ("reactive = true", "reactive = 1", "reactive: 1 is not true or false"),
        ("reactive = true", "reactive = ", "bad.toml: "),
        ('source = "computed from the nominal composition"', 'source = ""', "molar_mass: needs"),
    ],
)
def test_bad_data_names_file_alloy_and_figure(tmp_path, old: str, new: str, message: str) -> None:
    text = DATA.read_text(encoding="utf-8")
    assert old in text
    path = tmp_path / "bad.toml"
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(MaterialError, match=message) as error:
        load(path)
    assert "bad.toml" in str(error.value)


@pytest.mark.parametrize("name", alloys())
class TestHeat:
    def test_enthalpy_rises_by_capacity_and_by_the_latent_heat(self, name: str) -> None:
        metal = alloy(name)
        t = np.linspace(metal.density.low, metal.density.high, 20_001)
        h = metal.enthalpy(t)
        assert np.all(np.diff(h) > 0.0)
        middle = 0.5 * (300.0 + metal.solidus)
        slope = float(metal.enthalpy(middle + 0.5) - metal.enthalpy(middle - 0.5))
        capacity = float(metal.density(middle) * metal.specific_heat(middle))
        assert slope == pytest.approx(capacity, rel=2e-3)
        mushy = np.linspace(metal.solidus, metal.liquidus, 2001)
        sensible = np.trapezoid(metal.density(mushy) * metal.specific_heat(mushy), mushy)
        latent = float(metal.enthalpy(metal.liquidus) - metal.enthalpy(metal.solidus)) - sensible
        expected = float(metal.density(metal.solidus)) * metal.latent_fusion
        assert latent == pytest.approx(expected, rel=1e-3)

    def test_vapour_boils_at_one_atmosphere_and_follows_clapeyron(self, name: str) -> None:
        metal = alloy(name)
        assert float(metal.vapour_pressure(metal.boiling)) == pytest.approx(ATMOSPHERE)
        t = 0.9 * metal.boiling
        slope = np.log(metal.vapour_pressure(t + 1.0) / metal.vapour_pressure(t - 1.0)) / 2.0
        per_mole = metal.latent_vapour * metal.molar_mass
        assert float(slope) == pytest.approx(per_mole / (GAS_CONSTANT * t**2), rel=1e-5)
        assert np.all(np.diff(metal.evaporation_flux(np.linspace(1000.0, t, 50))) > 0.0)

    def test_a_bed_conducts_better_the_more_it_is_sintered(self, name: str) -> None:
        metal = alloy(name)
        solid = float(metal.conductivity(300.0))
        loose, half, sintered = (metal.bed_conductivity(s) for s in (0.0, 0.5, 1.0))
        assert 0.0 < loose < half < sintered < solid
        with pytest.raises(ValueError, match=r"sintering 1.5: allowed 0 to 1"):
            metal.bed_conductivity(1.5)


@pytest.mark.parametrize("name", alloys())
def test_a_melt_is_a_thin_liquid_of_high_surface_tension(name: str) -> None:
    """Ranges that hold for every clean liquid structural metal (Iida and Guthrie 1988)."""
    metal = alloy(name)
    assert 0.8 <= metal.surface_tension <= 2.6
    assert 1e-3 <= metal.viscosity <= 10e-3


@pytest.mark.parametrize(
    ("name", "tension", "viscosity"),
    [("Ti-6Al-4V", 1.52, 4.76e-3), ("Ti-48Al-2Cr-2Nb", 1.28, 9.2e-3)],
)
def test_titanium_melts_hold_the_published_figures(
    name: str, tension: float, viscosity: float
) -> None:
    """Wunderlich 2008, oscillating drops on parabolic flights."""
    metal = alloy(name)
    assert (metal.surface_tension, metal.viscosity) == (tension, viscosity)
    assert not metal.is_default("surface_tension")
