"""Several runs, side by side where that is asked for: each in a worker of joblib, or in a process of its own."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import joblib
import torch

from jamie.commands.run import run
from jamie.core.context import Progress
from jamie.core.errors import JamieError, OutputError

log = logging.getLogger(__name__)

THREADS = "OMP_NUM_THREADS"
_ALONE = threading.Lock()  # torch's generator and the notices belong to the process: one run at a time in each


@dataclass(frozen=True)
class Task:
    """One run to do, as plain values, so that it can be sent to another machine.

    Parameters
    ----------
    name
        Among the others.
    folder
        The run directory.
    spec
        As a mapping.
    resume
        Whether it goes on in the folder.
    """

    name: str
    folder: str
    spec: Mapping[str, Any]
    resume: bool = False


@dataclass(frozen=True)
class Done:
    """How a run ended; its results are in its folder.

    Parameters
    ----------
    name
        Of the task.
    error
        Why there are no results; empty where there are.
    warnings
        Notices of the run that its user must know.
    """

    name: str
    error: str = ""
    warnings: tuple[str, ...] = ()


def run_all(tasks: Sequence[Task], *, jobs: int | None, apart: bool, progress: Progress | None) -> Iterator[Done]:
    """Do all runs, and yield each as it ends; one that fails does not stop the others.

    Parameters
    ----------
    tasks
        In the order in which they are started.
    jobs
        How many at a time, as joblib counts them (-1 is one for each core); None as a surrounding
        ``joblib.parallel_config`` says, or else one.
    apart
        Whether each has a process of its own, so that its memory can be measured.
    progress
        Of a run that is done in this process.
    """
    at_a_time = joblib.effective_n_jobs(jobs)
    if at_a_time == 1:
        yield from (run_apart(task) if apart else run_task(task, progress=progress) for task in tasks)
        return
    threads = max(1, joblib.cpu_count() // at_a_time)
    work: Callable[..., Done] = run_apart if apart else run_task
    try:
        yield from _parallel(jobs)(joblib.delayed(work)(task, threads) for task in tasks)
    except joblib.externals.loky.process_executor.TerminatedWorkerError as error:
        raise OutputError(
            "a worker was killed by the system, often for lack of memory",
            where="sweep",
            fix="go on with --resume and fewer --jobs",
        ) from error


def _parallel(jobs: int | None) -> joblib.Parallel:
    """Take results as they come where the backend can give them so; not all can, such as that of ray."""
    try:
        return joblib.Parallel(n_jobs=jobs, return_as="generator_unordered", pre_dispatch="all", batch_size=1)
    except ValueError:
        return joblib.Parallel(n_jobs=jobs, pre_dispatch="all", batch_size=1)


def run_task(task: Task, threads: int | None = None, *, progress: Progress | None = None) -> Done:
    """Do a run in this process, with at most so many threads; whatever goes wrong is told, and noted in its folder."""
    with _ALONE, _warnings_kept() as warnings, _at_most(threads):
        error = ""
        try:
            run(task.spec, out=task.folder, resume=task.resume, progress=progress)
        except KeyboardInterrupt as stop:
            stop.__notes__ = []  # what to do about it concerns the sweep
            raise
        except JamieError as problem:
            error = str(problem)
        except Exception as problem:  # a fault, here or in a plugin: the other runs go on
            error = f"unexpected {type(problem).__name__}: {problem}"
        return Done(task.name, error, tuple(dict.fromkeys(warnings)))


def run_apart(task: Task, threads: int | None = None) -> Done:
    """Do a run in a process of its own."""
    limit = {} if threads is None else {THREADS: str(min(threads, int(os.environ.get(THREADS) or threads)))}
    ended = subprocess.run(
        [sys.executable, "-c", "from jamie.commands.multirun.workers import serve; serve()"],
        input=json.dumps(asdict(task)),
        env=os.environ | limit,
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode < 0:
        return Done(task.name, f"killed by signal {-ended.returncode}, often for lack of memory")
    if ended.returncode > 0:
        return Done(task.name, f"ended with exit code {ended.returncode}: {ended.stderr.strip()}")
    told = json.loads(ended.stdout.splitlines()[-1])
    return Done(told["name"], told["error"], tuple(told["warnings"]))


def serve() -> None:
    """Do the run that standard input names, and say on the last line of standard output how it ended."""
    done = run_task(Task(**json.load(sys.stdin)))
    print(json.dumps(asdict(done)))


@contextmanager
def _at_most(threads: int | None) -> Iterator[None]:
    """Let torch use no more threads than are left to a run beside others."""
    before = torch.get_num_threads()
    torch.set_num_threads(before if threads is None else min(before, threads))
    try:
        yield
    finally:
        torch.set_num_threads(before)


class _Keeper(logging.Handler):
    """Keeps warnings in place of showing them."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(record.getMessage())


@contextmanager
def _warnings_kept() -> Iterator[list[str]]:
    """Keep what a run says from the console and from the folder of the sweep; its own folder has it."""
    logger = logging.getLogger("jamie")
    before, propagate = list(logger.handlers), logger.propagate
    keeper = _Keeper()
    logger.handlers, logger.propagate = [keeper], False
    try:
        yield keeper.messages
    finally:
        logger.handlers, logger.propagate = before, propagate
