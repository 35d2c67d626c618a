"""What a build machine tells of its powder or wire: what a job needs, and what it has used."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

from twin.machine import Plant
from twin.powder.ageing import Use

__all__ = ["FeedstockPlant"]


class FeedstockPlant(Plant, ABC):
    """A build machine whose feedstock is followed from where it came to what became of it."""

    @abstractmethod
    def feedstock_needed(self, job: Any) -> dict[str, float]:
        """Feedstock (kg) by alloy without which a job cannot be finished."""

    @abstractmethod
    def feedstock_used(self) -> dict[str, Use]:
        """What the job in work has made of its feedstock so far, by alloy."""
