"""Where certificates and users live on this computer."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["home"]


def home() -> Path:
    """$AMTWIN_HOME, or ``amtwin`` in the user's configuration folder."""
    chosen = os.environ.get("AMTWIN_HOME")
    if chosen:
        return Path(chosen)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "amtwin"
