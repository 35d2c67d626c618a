"""Job summaries of a whole works at once: one process per processor, for they take long."""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from multiprocessing import active_children, get_context, parent_process
from typing import Any, TypeVar

from emulators.catalog import Progress, Settings
from emulators.works.keys import summary_key
from emulators.works.summaries import kept, summarise

__all__ = ["missing", "prepare"]

Name = TypeVar("Name")

_LOOK = 0.5  # wall s between looks at what is done


def missing(jobs: Mapping[Name, Settings]) -> dict[Name, Settings]:
    """Those of which there is no summary yet, each once; without those that cannot be done."""
    keyed: dict[str, tuple[Name, Settings]] = {}
    for name, job in jobs.items():
        try:
            keyed.setdefault(summary_key(job), (name, job))
        except ValueError:  # told when it is built, with the names of machine and program
            continue
    return dict(found for key, found in keyed.items() if kept(key) is None)


_shares: Any = None
"""What each job of a process pool has done of its work."""


def _join(shares: Any) -> None:
    """Begin a worker process: it ends with the one that it works for, however that ends."""
    global _shares
    _shares = shares
    parent = parent_process()
    assert parent is not None

    def follow() -> None:
        parent.join()
        os._exit(1)

    threading.Thread(target=follow, daemon=True).start()


def _summarise(number: int, settings: Settings) -> None:
    def progress(share: float) -> None:
        _shares[number] = share

    # What goes wrong is told in the caller's process, which names machine and program.
    try:
        summarise(settings, progress)
    except Exception:
        return


def prepare(jobs: Sequence[Settings], progress: Progress = lambda share: None) -> None:
    """See to it that the summaries of `jobs` are there, as far as they can be.

    `progress` is told the share that is done. With one processor, or one job, nothing is done:
    `summarise` will.
    """
    workers = min(len(jobs), os.cpu_count() or 1)
    if workers < 2:
        return
    context = get_context("spawn")
    shares = context.Array("d", len(jobs))
    before = {*active_children()}
    with ProcessPoolExecutor(workers, context, _join, (shares,)) as pool:
        try:
            waiting = {pool.submit(_summarise, number, job) for number, job in enumerate(jobs)}
            while waiting:
                _, waiting = wait(waiting, _LOOK, FIRST_COMPLETED)
                progress(sum(shares[:]) / len(jobs))
        except BaseException:  # whoever presses Ctrl-C does not wait for minutes
            pool.shutdown(wait=False, cancel_futures=True)
            for child in {*active_children()} - before:
                child.kill()
            raise
