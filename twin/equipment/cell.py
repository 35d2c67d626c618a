"""The cell of the wire machines, with a flexible tent that can be made inert."""

from __future__ import annotations

from twin.equipment.chamber import AIR_OXYGEN, InertChamber

__all__ = ["Cell"]


class Cell(InertChamber):
    """Light-tight cell with a tent over the table; in it argon replaces air for reactive alloys."""

    VOLUME = 1.5  # m3 inside the tent, default

    @property
    def airy(self) -> float:
        """Share of air in the atmosphere, 0..1."""
        return min(self.oxygen / AIR_OXYGEN, 1.0)
