"""Settings that all jobs with wire have."""

from __future__ import annotations

from typing import Annotated

from emulators.recipes.files import Quantity, Section

__all__ = ["Wire"]


class Wire(Section):
    """The wire, its feed, and what is done when it sticks or the surface is not where it should."""

    diameter: Annotated[float, Quantity("mm", 0.6, 2.4)] = 1.2e-3
    """Diameter of the wire."""
    feed: Annotated[float, Quantity("m/min", 0.2, 25)]
    """Wire feed of a pass."""
    retract: Annotated[float, Quantity("mm", 0, 50)] = 10e-3
    """How far the wire is drawn back when it has struck or the source has failed."""
    restart_overlap: Annotated[float, Quantity("mm", 0, 50)] = 8e-3
    """How much of a pass is run again when it goes on after a failure."""
    height_control: bool = True
    """Let the scanner trim the wire feed by the height of the surface."""
    height_gain: Annotated[float, Quantity("%", 0, 100)] = 0.4
    """Wire added for an error of one layer step."""
    height_authority: Annotated[float, Quantity("%", 0, 60)] = 0.4
    """Most wire that is added or taken."""
    track_surface: bool = True
    """Let the next step follow a stand-off that the feed cannot hold."""
    pass_dwell: Annotated[float, Quantity("s", 0, 600)] = 10.0
    """Least pause between the passes of a layer."""
