"""Several runs, each in a worker of joblib or in a process of its own; side by side if several jobs are given."""

from __future__ import annotations

import json
import logging
import os
import shutil
import socket
import subprocess
import sys
import textwrap
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from logging.handlers import BufferingHandler
from pathlib import Path
from typing import Any

import joblib
import torch
from joblib.parallel import (
    LokyBackend,
    MultiprocessingBackend,
    SequentialBackend,
    ThreadingBackend,
    get_active_backend,
)

from jamie.commands.run import run
from jamie.core.context import Progress
from jamie.core.errors import JamieError, OutputError
from jamie.runs.directory import OutputDirectory
from jamie.runs.file_names import MANIFEST, RESOLVED_SPEC

THREADS = "OMP_NUM_THREADS"
LOST_WORKER = ("TerminatedWorkerError", "KilledWorker", "ActorDiedError")  # of joblib, dask and ray
_ONE_RUN = threading.Lock()  # torch's generator and the notices belong to the process: one run at a time in each


@dataclass(frozen=True)
class RunTask:
    """One run to do, as plain values, so that it can be sent to another machine.

    Parameters
    ----------
    name
        Distinguishes it from the others.
    folder
        The run directory.
    spec
        As a mapping.
    """

    name: str
    folder: str
    spec: Mapping[str, Any]


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; its results are in its folder.

    Parameters
    ----------
    name
        Of the task.
    error
        Why there are no results; empty where there are.
    warnings
        Warnings of the run, each once.
    """

    name: str
    error: str = ""
    warnings: Sequence[str] = ()


def run_all(
    tasks: Sequence[RunTask], *, jobs: int | None, own_process: bool, progress: Progress | None
) -> Iterator[RunOutcome]:
    """Do all runs, and yield the outcome of each as it ends; one that fails does not stop the others.

    Parameters
    ----------
    tasks
        In the order in which they are started.
    jobs
        How many at a time, as joblib counts them (-1 is one for each core); None for the number of a surrounding
        ``joblib.parallel_config``, or else one.
    own_process
        Whether each has a process of its own, so that its memory can be measured.
    progress
        Of a run that is done in this process.
    """
    backend, _ = get_active_backend()
    is_here = type(backend) in (LokyBackend, MultiprocessingBackend, SequentialBackend, ThreadingBackend)
    at_a_time = joblib.effective_n_jobs(jobs)
    if at_a_time == 1 and is_here:
        yield from (run_in_process(task) if own_process else run_task(task, progress=progress) for task in tasks)
        return
    threads = max(1, joblib.cpu_count() // at_a_time) if is_here else None  # others have what their cluster gives
    work = joblib.delayed(run_in_process if own_process else run_task)
    try:
        yield from _parallel(jobs)(work(task, threads) for task in tasks)
    except Exception as error:  # what goes wrong in a run is its outcome; this is of the workers
        raise _workers_error(error, tasks) from error


def _workers_error(error: Exception, tasks: Sequence[RunTask]) -> OutputError:
    """Say that the workers of a sweep cannot go on, and which runs were under way."""
    name, fix = type(error).__name__, "go on with --resume"
    if name in LOST_WORKER:
        problem, fix = "a worker was killed by the system, often for lack of memory", f"{fix} and fewer --jobs"
    else:
        problem = f"the workers cannot go on ({name}: {textwrap.shorten(str(error), 200)})"
    started = [
        task.name for task in tasks if Path(task.folder).exists() and _status(task) not in ("finished", "failed")
    ]
    under_way = f"; under way: {', '.join(started)}" if started else ""
    return OutputError(problem + under_way, where="sweep", fix=fix)


def _parallel(jobs: int | None) -> joblib.Parallel:
    """Take results as they come where the backend can give them so; not all can, such as that of ray."""
    try:
        # the workers of a cluster may be more than the jobs that are wanted at a time
        at_a_time = "all" if jobs is None or jobs < 0 else jobs
        return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch=at_a_time, batch_size=1)
    except ValueError:
        return joblib.Parallel(n_jobs=jobs, pre_dispatch="all", batch_size=1)


def _status(task: RunTask) -> str:
    """Return how a run stands, as its manifest says; empty of one that has not got so far."""
    folder = Path(task.folder)
    return str(OutputDirectory(folder).manifest["status"]) if is_started(folder) else ""


def is_started(folder: Path) -> bool:
    """Whether a run has got so far that it can be gone on with."""
    return (folder / MANIFEST).is_file() and (folder / RESOLVED_SPEC).is_file()


def run_task(task: RunTask, threads: int | None = None, *, progress: Progress | None = None) -> RunOutcome:
    """Do a run in this process, with at most `threads` threads; an error is returned, and noted in its folder.

    It goes on with what its folder holds, from before an interruption or from a worker that was lost.
    """
    with _ONE_RUN, _collect_warnings() as warnings, _limit_threads(threads):
        error = ""
        try:
            _require_shared_folder(task)
            if _status(task) != "finished":
                run(task.spec, out=task.folder, resume=_is_resumed(Path(task.folder)), progress=progress)
        except KeyboardInterrupt as stop:
            stop.__notes__ = []  # how to go on is said by the sweep
            raise
        except JamieError as problem:
            error = str(problem)
        except Exception as problem:  # a fault, here or in a plugin: the other runs go on
            error = f"unexpected {type(problem).__name__}: {problem}"
        return RunOutcome(task.name, error, tuple(dict.fromkeys(warning.getMessage() for warning in warnings.buffer)))


def _require_shared_folder(task: RunTask) -> None:
    """Refuse to write into a folder that only this machine would see."""
    folder = Path(task.folder).parents[1]
    if not folder.is_dir():
        problem = f"the folder of the sweep is not seen from {socket.gethostname()}"
        raise OutputError(problem, where=str(folder), fix="give --out a folder on a file system that all workers share")


def _is_resumed(folder: Path) -> bool:
    """Whether a run goes on; what is left of one that had hardly begun is removed."""
    if folder.exists() and not is_started(folder):
        shutil.rmtree(folder)
    return folder.exists()


def run_in_process(task: RunTask, threads: int | None = None) -> RunOutcome:
    """Do a run in a process of its own; one whose worker was lost is not repeated, as its process may go on."""
    if Path(task.folder).exists():
        return RunOutcome(task.name, "its worker was lost; when nothing writes there any more, go on with --resume")
    limit = {} if threads is None else {THREADS: str(min(threads, int(os.environ.get(THREADS) or threads)))}
    process = subprocess.run(
        [sys.executable, "-c", "from jamie.commands.multirun.workers import serve; serve()"],
        input=json.dumps(asdict(task)),
        env=os.environ | limit,
        capture_output=True,
        text=True,
        check=False,
    )
    if process.returncode < 0:
        return RunOutcome(task.name, f"killed by signal {-process.returncode}, often for lack of memory")
    if process.returncode > 0:
        return RunOutcome(task.name, f"ended with exit code {process.returncode}: {process.stderr.strip()}")
    return RunOutcome(**json.loads(process.stdout.splitlines()[-1]))


def serve() -> None:
    """Do the run that standard input describes, and print its outcome as the last line of standard output."""
    print(json.dumps(asdict(run_task(RunTask(**json.load(sys.stdin))))))


@contextmanager
def _limit_threads(threads: int | None) -> Iterator[None]:
    """Let torch use no more threads than are left to a run beside others."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if threads is None else min(before, threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def _collect_warnings() -> Iterator[BufferingHandler]:
    """Keep what a run logs from the console and from the folder of the sweep; its own folder has it."""
    logger = logging.getLogger("jamie")
    before, propagate = list(logger.handlers), logger.propagate
    collector = BufferingHandler(sys.maxsize)
    collector.setLevel(logging.WARNING)
    logger.handlers, logger.propagate = [collector], False
    try:
        yield collector
    finally:
        logger.handlers, logger.propagate = before, propagate
