"""Lack of fusion, pores, evaporation and seeded samples."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import Alloy, alloy
from twin.meltpool import Laws, MeltPool, Mode, defects
from twin.meltpool.defects import DefectCounts, DefectKind

RECIPE = {"hatch_spacing": 110e-6, "layer_thickness": 40e-6}
sizes = st.floats(20e-6, 500e-6)


def counts_of(pool: MeltPool, metal: Alloy, **changes: float) -> DefectCounts:
    settings = RECIPE | {"vector_length": 5e-3, "speed": 0.96, "sigma": 20e-6} | changes
    return defects.expected_defects(pool, metal, **settings)


@given(sizes, sizes, st.floats(10e-6, 400e-6), st.floats(10e-6, 200e-6))
def test_fully_fused_exactly_where_the_criterion_says(
    width: float, depth: float, hatch: float, layer: float
) -> None:
    found = defects.lack_of_fusion(width, depth, hatch, layer)
    criterion = (hatch / width) ** 2 + (layer / depth) ** 2
    assert found.criterion[0] == pytest.approx(criterion)
    assert 0.0 <= found.fraction[0] <= 1.0
    if criterion < 1.0:
        assert found.fraction[0] == 0.0
    if criterion > 1.0 and layer > depth:
        assert found.fraction[0] > 0.0


def test_unfused_fraction_of_a_single_deep_enough_layer() -> None:
    # Layer thicker than the pool is deep: no later layer reaches down, so the gap is geometry:
    # 1 - (area of the half ellipse) / (hatch * layer).
    found = defects.lack_of_fusion(100e-6, 50e-6, 200e-6, 60e-6)
    assert found.fraction[0] == pytest.approx(1.0 - np.pi / 4 * 100 * 50 / (200 * 60), abs=0.01)


def test_later_layers_close_gaps_between_deep_tracks() -> None:
    shallow, deep = defects.lack_of_fusion(100e-6, [45e-6, 300e-6], 120e-6, 40e-6).fraction
    assert shallow > 20.0 * deep > 0.0


@given(st.floats(60e-6, 300e-6))
def test_wider_hatch_leaves_more(width: float) -> None:
    hatch = np.linspace(20e-6, 600e-6, 100)
    for jitter in (0.0, 0.1):
        found = defects.lack_of_fusion(width, 80e-6, hatch, 40e-6, jitter)
        assert np.all(np.diff(found.fraction) >= -1e-12)
    assert found.fraction[-1] > 0.3


def test_jitter_opens_gaps_in_a_marginal_hatch() -> None:
    marginal = (140e-6, 60e-6, 100e-6, 40e-6)
    assert defects.lack_of_fusion(*marginal).fraction[0] == 0.0
    assert defects.lack_of_fusion(*marginal, jitter=0.1).fraction[0] > 0.0


def test_nothing_molten_is_all_unfused() -> None:
    found = defects.lack_of_fusion([0.0, 100e-6], [0.0, 0.0], 100e-6, 40e-6, 0.1)
    assert np.all(found.fraction == 1.0)
    assert np.all(np.isinf(found.criterion))


def test_bad_hatch_is_refused() -> None:
    with pytest.raises(ValueError, match="hatch_spacing 0 m: allowed above 0 m"):
        defects.lack_of_fusion(1e-4, 1e-4, 0.0, 40e-6)


def test_keyhole_pores_need_a_deep_keyhole(rising: MeltPool) -> None:
    rate = defects.keyhole_pore_rate(rising, 20e-6)
    assert np.all(np.diff(rate) >= 0.0)
    assert np.all(rate[rising.mode != Mode.KEYHOLE] == 0.0)
    assert np.all(rate[rising.depth < 2.5 * 80e-6] == 0.0)
    assert rate[-1] > 0.0


def test_keyhole_pores_of_the_narrow_spot_only(metal: Alloy) -> None:
    # AM-Bench 2022-03: the 49 um spot drills an unstable keyhole, a wide spot does not.
    sigma = np.array([49e-6, 120e-6]) / 4.0
    pool = Laws().pools(metal, 285.0, 0.96, sigma, 297.0)
    narrow, wide = defects.keyhole_pore_rate(pool, sigma)
    assert narrow > 100.0
    assert wide == 0.0


def test_evaporation_is_hertz_knudsen(rising: MeltPool, metal: Alloy) -> None:
    rate = defects.evaporation_rate(rising, metal)
    assert np.all(np.diff(rate) >= 0.0)
    assert rate[0] == 0.0
    # At most the flux at the boiling point over the whole surface.
    flux = (
        0.82 * 101_325.0 * np.sqrt(metal.molar_mass / (2.0 * np.pi * 8.314462618 * metal.boiling))
    )
    area = np.pi / 4.0 * rising.length * rising.width
    assert np.all(rate <= flux * area)
    # Fume of a usual recipe: 0.1 to 1 % of what is melted, give or take.
    melted = 0.96 * rising.width * rising.depth * 0.7 * 7500.0
    share = rate[30] / melted[30]
    assert 1e-3 < share < 2e-2


def test_spatter_follows_evaporation(rising: MeltPool, metal: Alloy) -> None:
    spatter = defects.spatter_rate(rising, metal)
    assert spatter == pytest.approx(
        spatter[-1]
        / defects.evaporation_rate(rising, metal)[-1]
        * defects.evaporation_rate(rising, metal)
    )
    doubled = defects.spatter_rate(rising, metal, entrainment=2.0 * defects.ENTRAINMENT)
    assert doubled == pytest.approx(2.0 * spatter)


def test_balling_index(rising: MeltPool) -> None:
    index = defects.balling_index(rising)
    molten = rising.width > 0.0
    assert np.all(index[~molten] == 0.0)
    assert index[molten] * np.pi == pytest.approx(rising.length[molten] / rising.width[molten])


def test_beads_only_on_slender_tracks(rising: MeltPool) -> None:
    rate = defects.balling_rate(rising)
    index = defects.balling_index(rising)
    assert np.all(rate[index < defects.BALLING_INDEX[0]] == 0.0)
    slender = replace(rising, length=100.0 * rising.width)
    molten = rising.width > 0.0
    # All of the track in beads: one per Plateau-Rayleigh wavelength, pi times the width.
    assert 1.0 / defects.balling_rate(slender)[molten] == pytest.approx(
        np.pi * rising.width[molten]
    )


def test_cracks_of_tungsten_need_a_cold_bed_and_of_nickel_none(metal: Alloy) -> None:
    tungsten = alloy("W")
    pool = Laws().pools(tungsten, 400.0, 0.3, 20e-6, [353.0, 1300.0])
    settings = RECIPE | {"vector_length": 5e-3, "speed": 0.3, "sigma": 20e-6}
    cold, hot = defects.expected_defects(
        pool, tungsten, preheat=[353.0, 1300.0], **settings
    ).cold_cracks
    assert cold > 10.0
    assert hot == 0.0
    assert np.all(counts_of(pool, tungsten).cold_cracks == 0.0)
    usual = Laws().pools(metal, 285.0, 0.96, 20e-6, 353.0)
    counts = counts_of(usual, metal)
    for figure in (counts.balling, counts.solidification_cracks, counts.cold_cracks):
        assert figure[0] == 0.0


def test_power_has_a_window_between_two_kinds_of_porosity(metal: Alloy) -> None:
    pool = Laws().pools(metal, [120.0, 285.0, 900.0], 0.96, 20e-6, 353.0)
    counts = counts_of(pool, metal)
    porosity = defects.porosity_estimate(counts, vector_length=5e-3, **RECIPE)
    assert porosity[1] < 2e-3
    assert porosity[0] > 10.0 * porosity[1]
    assert porosity[2] > 10.0 * porosity[1]
    assert counts.lack_of_fusion[0] > 0.1 > counts.lack_of_fusion[2]
    assert counts.keyhole_pores[2] > 1.0 > counts.keyhole_pores[0]


def test_gassy_powder_makes_gas_pores(rising: MeltPool, metal: Alloy) -> None:
    clean = counts_of(rising, metal, gas_porosity=0.0)
    usual, gassy = (counts_of(rising, metal, gas_porosity=p).gas_pores for p in (1e-4, 1e-3))
    assert np.all(clean.gas_pores == 0.0)
    assert gassy == pytest.approx(10.0 * usual)
    assert np.all(gassy[rising.width == 0.0] == 0.0)
    density = float(defects.gas_pore_density(1e-3))
    assert gassy[-1] == pytest.approx(density * 5e-3 * 110e-6 * 40e-6)


def test_porosity_carries_the_unfused_volume(metal: Alloy) -> None:
    dark = Laws().pools(metal, [0.0], 1.0, 20e-6, 353.0)
    counts = counts_of(dark, metal)
    assert defects.porosity_estimate(counts, vector_length=5e-3, **RECIPE) == pytest.approx(1.0)


class TestSamples:
    """Drawing defects along vectors."""

    N = 400

    @pytest.fixture
    def drawn(self, metal: Alloy) -> tuple[DefectCounts, MeltPool]:
        pool = Laws().pools(metal, np.linspace(100.0, 900.0, self.N), 0.96, 20e-6, 353.0)
        return counts_of(pool, metal), pool

    def sample(self, drawn: tuple[DefectCounts, MeltPool], seed: int, **settings: object):
        y = np.arange(self.N) * 110e-6
        start = np.stack([np.zeros(self.N), y], axis=1)
        counts, pool = drawn
        return defects.sample_defects(
            np.random.default_rng(seed),
            counts,
            start,
            start + np.array([5e-3, 0.0]),
            width=pool.width,
            hatch_spacing=110e-6,
            **settings,
        )

    def test_same_seed_same_defects(self, drawn: tuple[DefectCounts, MeltPool]) -> None:
        assert np.array_equal(self.sample(drawn, 7), self.sample(drawn, 7))
        assert not np.array_equal(self.sample(drawn, 7), self.sample(drawn, 8))

    def test_numbers_are_as_expected(self, drawn: tuple[DefectCounts, MeltPool]) -> None:
        found, counts = self.sample(drawn, 1), drawn[0]
        for kind, expected in (
            (DefectKind.LACK_OF_FUSION, counts.lack_of_fusion.sum()),
            (DefectKind.KEYHOLE_PORE, counts.keyhole_pores.sum()),
            (DefectKind.GAS_PORE, counts.gas_pores.sum()),
            (DefectKind.SPATTER, counts.spatter.sum()),
        ):
            assert expected > 50.0
            number = int(np.count_nonzero(found["kind"] == kind))
            assert abs(number - expected) < 5.0 * np.sqrt(expected)

    def test_places_and_sizes(self, drawn: tuple[DefectCounts, MeltPool]) -> None:
        found = self.sample(drawn, 2, drift=(0.0, 0.05))
        track = found["vector"] * 110e-6
        inside = found[found["kind"] != DefectKind.SPATTER]
        assert np.all((inside["x"] >= 0.0) & (inside["x"] <= 5e-3))
        keyhole = found["kind"] == DefectKind.KEYHOLE_PORE
        assert found["y"][keyhole] == pytest.approx(track[keyhole])
        void = found["kind"] == DefectKind.LACK_OF_FUSION
        assert np.abs(found["y"] - track)[void] == pytest.approx(55e-6)
        spatter = found["kind"] == DefectKind.SPATTER
        assert np.mean((found["y"] - track)[spatter]) == pytest.approx(0.05, abs=0.005)
        assert np.all(found["size_m"] > 0.0)
        gas = found["size_m"][found["kind"] == DefectKind.GAS_PORE]
        assert np.median(gas) == pytest.approx(defects.GAS_SIZE, rel=0.1)
        assert np.all(np.diff(found["vector"]) >= 0)

    def test_spatter_flies_with_the_gas(self, drawn: tuple[DefectCounts, MeltPool]) -> None:
        found = self.sample(drawn, 2, gas=(0.0, -1.0))
        spatter = found[found["kind"] == DefectKind.SPATTER]
        away = spatter["y"] - spatter["vector"] * 110e-6
        assert np.mean(away) < -0.04
        assert 0.01 < np.std(spatter["x"]) < 0.3
        # The other defects are drawn before and stay where they are.
        plain = self.sample(drawn, 2)
        for kind in (DefectKind.LACK_OF_FUSION, DefectKind.KEYHOLE_PORE):
            assert np.array_equal(found[found["kind"] == kind], plain[plain["kind"] == kind])

    def test_beads_and_cracks_are_drawn_on_their_tracks(
        self, drawn: tuple[DefectCounts, MeltPool]
    ) -> None:
        counts, pool = drawn
        many = replace(
            counts, balling=np.full(self.N, 0.5), solidification_cracks=np.full(self.N, 1.0),
            cold_cracks=np.full(self.N, 2.0),
        )
        found = self.sample((many, pool), 3)
        for kind, expected in (
            (DefectKind.BALLING, 0.5), (DefectKind.SOLIDIFICATION_CRACK, 1.0),
            (DefectKind.COLD_CRACK, 2.0),
        ):
            own = found[found["kind"] == kind]
            assert abs(len(own) - expected * self.N) < 5.0 * np.sqrt(expected * self.N)
            assert own["y"] == pytest.approx(own["vector"] * 110e-6)

    def test_wrong_shapes_are_refused(self, drawn: tuple[DefectCounts, MeltPool]) -> None:
        with pytest.raises(ValueError, match=r"need \(400, 2\) points"):
            defects.sample_defects(
                np.random.default_rng(0),
                drawn[0],
                np.zeros((3, 2)),
                np.zeros((3, 2)),
                width=1e-4,
                hatch_spacing=1e-4,
            )
