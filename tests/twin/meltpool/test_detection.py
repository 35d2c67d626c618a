"""Marks of defects in the signals, alarms, ROC, and the signals over time."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twin.materials import Alloy, alloy
from twin.meltpool import Laws, MeltPool, defects
from twin.meltpool.acoustics import KEYHOLE_BAND, keyhole_frequency, plume_pressure
from twin.meltpool.defects import DefectKind
from twin.meltpool.detection import (
    MONITORS,
    Channel,
    Monitor,
    Signature,
    alarms,
    detection_probability,
    imprint,
    indications,
    roc,
    signatures,
    spot_detection,
    windows,
)
from twin.meltpool.radiometry import Detector, RatioPyrometer
from twin.meltpool.traces import keyhole_flicker, traces

SPEED = 0.96


@pytest.fixture(scope="module")
def pool() -> MeltPool:
    return Laws().pools(alloy("IN718"), [285.0], SPEED, 20e-6, 353.0)


def mark(
    kind: DefectKind, channel: Channel, pool: MeltPool, metal: Alloy, size: float = 60e-6
) -> Signature:
    return signatures(kind, size, channel, pool, metal, speed=SPEED)


class TestProbability:
    """The analytic probability against simulated signals."""

    CASES = (
        (DefectKind.LACK_OF_FUSION, Channel.PHOTODIODE),
        (DefectKind.KEYHOLE_PORE, Channel.PHOTODIODE),
        (DefectKind.KEYHOLE_PORE, Channel.ACOUSTIC),
        (DefectKind.SPATTER, Channel.PYROMETER),
        (DefectKind.SPATTER, Channel.CAMERA),
        (DefectKind.SOLIDIFICATION_CRACK, Channel.ACOUSTIC),
        (DefectKind.GAS_PORE, Channel.PHOTODIODE),
    )

    @pytest.mark.parametrize(("kind", "channel"), CASES)
    @pytest.mark.parametrize("false_alarm", [1e-3, 0.1])
    def test_is_what_the_alarm_does(
        self,
        kind: DefectKind,
        channel: Channel,
        false_alarm: float,
        pool: MeltPool,
        metal: Alloy,
    ) -> None:
        signature, monitor = mark(kind, channel, pool, metal), MONITORS[channel]
        wanted = float(detection_probability(signature, monitor, false_alarm)[0])
        seen = alarms(
            windows(np.random.default_rng(1), signature, monitor, 20_000), monitor, false_alarm
        ).mean()
        # Five standard errors, and 0.02 for oscillations that do not fill whole periods.
        assert seen == pytest.approx(wanted, abs=5.0 * np.sqrt(wanted / 20_000) + 0.02)

    @given(st.floats(1e-5, 0.5), st.sampled_from(list(Channel)), st.floats(5e-5, 5e-3))
    def test_sound_track_alarms_as_often_as_asked(
        self, false_alarm: float, channel: Channel, duration: float
    ) -> None:
        nothing = Signature(*(np.array([x]) for x in (0.0, 0.0, 1e4, duration)))
        assert detection_probability(nothing, MONITORS[channel], false_alarm) == pytest.approx(
            false_alarm, rel=1e-6
        )

    @given(st.floats(-0.5, 0.5), st.floats(0.0, 0.5), st.floats(1.0, 2.0), st.floats(1e-4, 0.2))
    def test_stronger_marks_and_laxer_alarms_find_more(
        self, change: float, flicker: float, factor: float, false_alarm: float
    ) -> None:
        monitor = MONITORS[Channel.PHOTODIODE]
        weak = Signature(*(np.array([x]) for x in (change, flicker, 1e4, 2e-4)))
        strong = weak._replace(change=factor * weak.change, flicker=factor * weak.flicker)
        found = detection_probability(weak, monitor, false_alarm)
        assert found <= detection_probability(strong, monitor, false_alarm) + 1e-9
        assert found <= detection_probability(weak, monitor, 2.0 * false_alarm) + 1e-9
        assert false_alarm - 1e-9 <= found <= 1.0

    def test_roc_rises_from_corner_to_corner(self, pool: MeltPool, metal: Alloy) -> None:
        curve = roc(mark(DefectKind.KEYHOLE_PORE, Channel.PHOTODIODE, pool, metal),
                    MONITORS[Channel.PHOTODIODE])
        assert (curve.false_alarm[0], curve.detection[0]) == (0.0, 0.0)
        assert (curve.false_alarm[-1], curve.detection[-1]) == (1.0, 1.0)
        assert np.all(np.diff(curve.detection) >= 0.0)
        assert 0.85 < curve.area < 0.999
        blind = roc(mark(DefectKind.GAS_PORE, Channel.PHOTODIODE, pool, metal),
                    MONITORS[Channel.PHOTODIODE])
        assert blind.area == pytest.approx(0.5, abs=1e-3)

    def test_larger_defects_are_found_more_often(self, pool: MeltPool, metal: Alloy) -> None:
        for kind, channel in self.CASES[:-1]:
            found = [
                float(detection_probability(mark(kind, channel, pool, metal, size),
                                            MONITORS[channel])[0])
                for size in (15e-6, 40e-6, 80e-6, 130e-6)
            ]
            assert np.all(np.diff(found) >= 0.0)
            assert found[-1] > found[0]

    def test_each_defect_shows_where_it_should(self, pool: MeltPool, metal: Alloy) -> None:
        def change(kind: DefectKind, channel: Channel) -> float:
            return float(mark(kind, channel, pool, metal).change[0])

        assert change(DefectKind.LACK_OF_FUSION, Channel.PHOTODIODE) < 0.0
        assert change(DefectKind.SPATTER, Channel.PHOTODIODE) > 0.0
        assert change(DefectKind.SPATTER, Channel.PYROMETER) < 0.0
        keyhole = mark(DefectKind.KEYHOLE_PORE, Channel.PHOTODIODE, pool, metal)
        assert keyhole.flicker[0] > 0.0
        assert 5e3 <= keyhole.frequency[0] <= 50e3
        for kind in (DefectKind.SOLIDIFICATION_CRACK, DefectKind.COLD_CRACK):
            assert mark(kind, Channel.PHOTODIODE, pool, metal).flicker[0] == 0.0
            assert mark(kind, Channel.ACOUSTIC, pool, metal).flicker[0] > 0.0

    def test_bad_input_is_refused(self, pool: MeltPool, metal: Alloy) -> None:
        keyhole = mark(DefectKind.KEYHOLE_PORE, Channel.PHOTODIODE, pool, metal)
        with pytest.raises(ValueError, match="false_alarm 0 to 0: allowed above 0 to below 1"):
            detection_probability(keyhole, MONITORS[Channel.PHOTODIODE], 0.0)
        with pytest.raises(ValueError, match="monitor noise 0"):
            Monitor(noise=0.0, drift=0.1, bandwidth=1e3)
        with pytest.raises(ValueError, match="speed 0 m/s"):
            signatures(1, 1e-5, Channel.CAMERA, pool, metal, speed=0.0)
        with pytest.raises(ValueError, match="false_alarm 2"):
            spot_detection(1e-4, pixel=1e-4, blur=0.0, contrast=1.0, noise=0.1, false_alarm=2.0)


class TestIndications:
    """What a monitor reports of a layer."""

    N = 300

    def layer(self, metal: Alloy) -> tuple[MeltPool, np.ndarray, np.ndarray, np.ndarray]:
        pool = Laws().pools(metal, np.linspace(100.0, 900.0, self.N), SPEED, 20e-6, 353.0)
        counts = defects.expected_defects(
            pool, metal, vector_length=5e-3, speed=SPEED, sigma=20e-6, hatch_spacing=110e-6,
            layer_thickness=40e-6, gas_porosity=0.0,
        )
        start = np.stack([np.zeros(self.N), np.arange(self.N) * 110e-6], axis=1)
        end = start + np.array([5e-3, 0.0])
        found = defects.sample_defects(
            np.random.default_rng(0), counts, start, end, width=pool.width, hatch_spacing=110e-6
        )
        return pool, start, end, found

    def test_numbers_places_and_repeatability(self, metal: Alloy) -> None:
        pool, start, end, found = self.layer(metal)

        def report(seed: int, false_alarm: float = 1e-3) -> np.ndarray:
            return indications(
                np.random.default_rng(seed), found, pool, metal, start, end, speed=SPEED,
                channel=Channel.PHOTODIODE, false_alarm=false_alarm,
            )

        first = report(1)
        assert np.array_equal(first, report(1))
        assert not np.array_equal(first, report(2))
        true = first[first["defect"] >= 0]
        assert 0 < len(true) < len(found)
        assert np.array_equal(found["vector"][true["defect"]], true["vector"])
        own = MeltPool(*(getattr(pool, f)[found["vector"]] for f in MeltPool.__slots__))
        wanted = detection_probability(
            signatures(found["kind"], found["size_m"], Channel.PHOTODIODE, own, metal,
                       speed=SPEED),
            MONITORS[Channel.PHOTODIODE], 1e-3,
        ).sum()
        assert abs(len(true) - wanted) < 5.0 * np.sqrt(wanted)
        false = report(1, 0.05)
        expected = 0.05 * self.N * 5e-3 / SPEED / 500e-6
        assert abs((false["defect"] < 0).sum() - expected) < 5.0 * np.sqrt(expected)
        assert np.all(false["x"][false["defect"] < 0] >= 0.0)
        assert np.all(np.diff(false["vector"]) >= 0)


class TestTraces:
    """Signals over time."""

    RATE = 200e3

    def still(self, metal: Alloy, power: float, n: int = 4000) -> tuple[np.ndarray, MeltPool]:
        return np.arange(n) / self.RATE, Laws().pools(
            metal, np.full(n, power), SPEED, 20e-6, 353.0
        )

    def test_flicker_comes_before_the_pores(self, rising: MeltPool) -> None:
        flicker = keyhole_flicker(rising, 20e-6)
        pores = defects.keyhole_pore_rate(rising, 20e-6)
        molten = rising.width > 0.0
        assert np.all(np.diff(flicker[molten]) >= 0.0)
        assert np.all(flicker[~molten] == 0.0)
        assert np.any((flicker > 0.05) & (pores == 0.0))

    def test_unstable_keyhole_is_heard_and_seen_in_its_band(self, metal: Alloy) -> None:
        energy = {}
        for power in (150.0, 900.0):
            t, pool = self.still(metal, power)
            got = traces(np.random.default_rng(0), t, pool, metal, sigma=20e-6,
                         photodiode=Detector(bandwidth=80e3))
            for name, signal in got._asdict().items():
                spectrum = np.abs(np.fft.rfft(signal - signal.mean())) ** 2
                energy[name, power] = spectrum / max(signal.mean() ** 2, 1e-30)
            frequency = np.fft.rfftfreq(len(t), 1.0 / self.RATE)
        tone = float(keyhole_frequency(pool, metal)[0])
        assert KEYHOLE_BAND[0] <= tone <= KEYHOLE_BAND[1]
        for name in ("photodiode", "sound"):
            assert frequency[np.argmax(energy[name, 900.0])] == pytest.approx(tone, rel=0.02)
        assert energy["photodiode", 900.0].sum() > 20.0 * energy["photodiode", 150.0].sum()

    def test_marks_of_defects_are_in_the_signal(self, metal: Alloy) -> None:
        t, pool = self.still(metal, 200.0)
        one = Laws().pools(metal, 200.0, SPEED, 20e-6, 353.0)
        gap = signatures(DefectKind.LACK_OF_FUSION, 200e-6, Channel.PHOTODIODE, one, metal,
                         speed=SPEED)
        got = traces(np.random.default_rng(0), t, pool, metal, sigma=20e-6,
                     events={Channel.PHOTODIODE: (gap, [10e-3])})
        inside = (t > 10e-3 + 5e-5) & (t < 10e-3 + gap.duration[0])
        drop = got.photodiode[inside].mean() / got.photodiode[t < 9e-3].mean()
        assert drop == pytest.approx(1.0 + gap.change[0], abs=0.03)

    def test_sound_is_the_rate_of_change_of_evaporation(self, metal: Alloy) -> None:
        t = np.arange(1000) / self.RATE
        swing = 1e-7 * np.sin(2.0 * np.pi * 1e3 * t)
        assert np.all(plume_pressure(np.full(10, 1e-7), self.RATE, metal) == 0.0)
        sound = plume_pressure(2e-7 + swing, self.RATE, metal, distance=0.3)
        doubled = plume_pressure(2e-7 + 2.0 * swing, self.RATE, metal, distance=0.6)
        assert doubled == pytest.approx(sound)
        # rho0 V'' / (2 pi r), V of nickel vapour at 3000 K and 1 bar: 0.236 kg/m3.
        vapour = 101_325.0 * metal.molar_mass / (8.314462618 * metal.boiling)
        argon = 101_325.0 * 0.039948 / (8.314462618 * 300.0)
        peak = argon / vapour * 1e-7 * 2.0 * np.pi * 1e3 / (2.0 * np.pi * 0.3)
        assert np.abs(sound[5:-5]).max() == pytest.approx(peak, rel=1e-3)

    def test_imprint_leaves_the_rest_alone(self) -> None:
        t = np.linspace(0.0, 1.0, 101)
        signature = Signature(
            np.array([0.5, -0.5]), np.zeros(2), np.full(2, 5.0), np.array([0.09, 0.2])
        )
        got = imprint(np.random.default_rng(0), t, np.ones(101), signature, [0.205, 0.605])
        assert got[21:30] == pytest.approx(1.5)
        assert got[61:81] == pytest.approx(0.5)
        assert np.count_nonzero(got != 1.0) == 9 + 20

    def test_bad_times_are_refused(self, metal: Alloy, pool: MeltPool) -> None:
        with pytest.raises(ValueError, match=r"times shape \(3,\): needs \(1,\)"):
            traces(np.random.default_rng(0), [0.0, 1.0, 2.0], pool, metal, sigma=20e-6)
        two = Laws().pools(metal, [200.0] * 3, SPEED, 20e-6, 353.0)
        with pytest.raises(ValueError, match="must be even"):
            traces(np.random.default_rng(0), [0.0, 1e-5, 5e-5], two, metal, sigma=20e-6)
        with pytest.raises(ValueError, match="rate 0"):
            plume_pressure([1.0, 2.0], 0, metal)


def test_keyhole_swings_slower_when_it_is_wider(rising: MeltPool, metal: Alloy) -> None:
    tone = keyhole_frequency(rising, metal)
    molten = rising.width > 0.0
    assert np.all(np.diff(tone[molten]) <= 0.0)
    wide = replace(rising, width=np.full(len(rising), 100e-6))
    # Rayleigh 1879: (8 gamma / (rho R^3))^0.5 / (2 pi), 1.8 N/m, R 50 um.
    wanted = np.sqrt(8 * 1.8 / (float(metal.density(metal.liquidus)) * (50e-6) ** 3)) / (2 * np.pi)
    assert keyhole_frequency(wide, metal) == pytest.approx(wanted)

    def test_a_smaller_stop_sees_the_hotter_middle(self) -> None:
        metal, count = alloy("IN718"), 400
        pool = Laws().pools(metal, np.full(count, 285.0), 0.96, 67e-6 / 4, 353.0)
        wide, narrow = (
            traces(np.random.default_rng(0), np.arange(count) / 1e5, pool, metal, sigma=67e-6 / 4,
                   pyrometer=RatioPyrometer(field_of_view=view)).pyrometer.mean()
            for view in (200e-6, 40e-6))
        assert metal.solidus < wide < narrow - 30.0
        assert narrow < metal.boiling
