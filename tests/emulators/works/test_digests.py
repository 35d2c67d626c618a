"""Digests of program text and data: what means the same is the same, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from emulators.works.digests import meaning, module

TEXT = '''"""A module."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twin.signals import alarm, measured

if TYPE_CHECKING:
    from twin.machine import Plant


class Pump(Component):
    """A pump."""

    flow = measured("L/min", low=0, high=10, doc="flow of water")
    dry = alarm(doc="runs dry", cause="leak", priority=2)
    hot = like(HOT, response="wait", low=3)
    limit: float = 1.0
    """What it may do."""

    def turn(self, speed: float, plant: Plant) -> float:
        """Turn it."""
        # Half of it slips.
        if speed > 3:
            raise ValueError(f"{speed:{self.digits}} is too fast")
        return 0.5 * speed + self.loss(cause="friction")
'''


def _digest(folder: Path, old: str = "", new: str = "") -> str:
    assert not old or TEXT.count(old) == 1
    text = TEXT.replace(old, new) if old else TEXT
    path = folder / f"pump{len([*folder.iterdir()])}.py"
    path.write_text(text, encoding="utf-8")
    return module(path).meaning


@pytest.mark.parametrize(("old", "new"), [
    ('"""A module."""', '"""Another word for it."""'),
    ('        """Turn it."""\n', ""),
    ('"""What it may do."""', '"""What it is allowed."""'),
    ("# Half of it slips.", "# Guessed."),
    ("0.5 * speed + self", "(0.5*speed) + self"),
    ('doc="flow of water"', 'doc="water"'),
    ('cause="leak"', 'cause="no water"'),
    ('response="wait"', 'response="look at it"'),
    ("plant: Plant", "plant: object"),
    ("    from twin.machine import Plant", "    from twin.machine import Plant, Clockwork"),
])
def test_words_mean_nothing(tmp_path: Path, old: str, new: str) -> None:
    assert _digest(tmp_path, old, new) == _digest(tmp_path)


@pytest.mark.parametrize(("old", "new"), [
    ("speed > 3", "speed >= 3"),
    ("0.5 * speed", "0.6 * speed"),
    ('0.5 * speed + self.loss(cause="friction")', '0.5 * (speed + self.loss(cause="friction"))'),
    ("high=10", "high=11"),
    ("priority=2", "priority=3"),
    ("low=3", "low=4"),
    ("limit: float = 1.0", "limit: float = 1.5"),
    ("limit: float", "limit: int"),
    ("is too fast", "is fast"),
    ('cause="friction"', 'cause="wear"'),
    ("import alarm, measured", "import alarm, parameter as measured"),
])
def test_what_a_program_does_is_told(tmp_path: Path, old: str, new: str) -> None:
    assert _digest(tmp_path, old, new) != _digest(tmp_path)


def test_imports_for_the_checker_are_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "pump.py"
    path.write_text(TEXT, encoding="utf-8")
    assert module(path).imports == {"twin.signals", "twin.signals.alarm", "twin.signals.measured"}


def test_data_is_told_by_its_figures(tmp_path: Path) -> None:
    path, digests = tmp_path / "alloy.toml", []
    for text in (
        '# Figures.\ndensity = { value = 7.9, unit = "g/cm3", source = "default" }\n',
        'density = { value = 7.9, unit = "g/cm3", source = "a handbook" }  # measured\n',
        'density = { value = 7.8, unit = "g/cm3", source = "default" }\n',
        "density = {\n", "density = { \n",
    ):
        path.write_text(text, encoding="utf-8")
        digests.append(meaning(path))
    assert digests[0] == digests[1]
    assert len({*digests}) == 4
