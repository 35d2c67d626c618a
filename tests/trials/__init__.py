"""A quick trial of every machine type in the catalogue, one module each."""

from importlib import import_module

from emulators.catalog import MACHINES
from tests.trials.trial import Trial, block, recipe

__all__ = ["TRIALS", "Trial", "block", "recipe", "trial"]

TRIALS: dict[str, Trial] = {
    kind: import_module(f"tests.trials.{kind.replace('-', '_')}").TRIAL for kind in MACHINES
}


def trial(machine: str) -> Trial:
    """The trial of a machine type."""
    return TRIALS[machine]
