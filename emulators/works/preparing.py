"""Job summaries of a whole works at once: one process per processor, for they take long."""

from __future__ import annotations

import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context

from emulators.catalog import Progress, Settings
from emulators.works.keys import summary_key
from emulators.works.summaries import summarise
from plc_interfaces.home import home

__all__ = ["prepare"]


def _summarise(settings: Settings) -> None:
    # What goes wrong is told in the caller's process, which names machine and program.
    try:
        summarise(settings)
    except Exception:
        return


def prepare(jobs: Sequence[Settings], progress: Progress = lambda share: None) -> None:
    """See to it that the summaries of `jobs` are in the user's folder, as far as they can be.

    With one processor, or one summary missing, nothing is done: `summarise` will.
    """
    folder = home() / "summaries"
    missing = {key: job for job in jobs
               if not (folder / f"{(key := summary_key(job))}.npz").is_file()}
    workers = min(len(missing), os.cpu_count() or 1)
    if workers < 2:
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        waiting = [pool.submit(_summarise, job) for job in missing.values()]
        for number, _ in enumerate(as_completed(waiting), 1):
            progress(number / len(waiting))
