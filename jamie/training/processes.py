"""Several processes that train the members of an ensemble, by `torch.distributed`.

The first process does the run; the others wait for members to train. It starts them itself on one machine, or finds
them where torchrun has started all. Members are dealt out first, since they need nothing of each other; where there are
more processes than members, several share the minibatches of the same members.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import subprocess
import sys
import time
import traceback
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import torch
import torch.distributed as dist

from jamie.core import errors
from jamie.core.errors import DataError, JamieError, TrainingError
from jamie.model.shares import Share
from jamie.spec.sections import TrainingSection

log = logging.getLogger(__name__)

START_SECONDS = 300  # until started processes have imported what they need
STEP_SECONDS = 1800  # until a process that shares minibatches is given up
WAIT = timedelta(days=30)  # for work: a process that ends is noticed at once
POLL_SECONDS = 0.05
EXPLAIN_SECONDS = 5  # until a lost process has said why
CPU = torch.device("cpu")


def started_processes() -> int:
    """Return how many processes torchrun has started; 1 where it has not."""
    return int(os.environ.get("WORLD_SIZE", 1)) if "RANK" in os.environ else 1


def is_other_process() -> bool:
    """Whether torchrun has started this process to work for the first one."""
    return started_processes() > 1 and int(os.environ["RANK"]) > 0


def count_processes(section: TrainingSection, device: str) -> int:
    """Return the number of processes that `training.devices` asks for.

    Raises
    ------
    DataError
        If there are not as many GPUs, or the device is one that several processes cannot use.
    """
    if section.devices != 1 and not dist.is_available():
        raise _refused(f"expected 1, as this torch has no torch.distributed, found {section.devices}", "leave it out")
    if is_other_process():
        fix = "use jamie.run, or leave out torchrun and set training.devices"
        raise DataError("expected one process, found another one of torchrun's", where="torchrun", fix=fix)
    on_gpu = torch.device(device).type == "cuda"
    n_gpus = torch.cuda.device_count() if on_gpu else 0
    started = started_processes()
    if started > 1:
        if section.devices not in ("auto", 1, started):
            fix = f"leave it out, or give torchrun --nproc-per-node {section.devices}"
            raise _refused(f"expected {started}, as many as torchrun has started, found {section.devices}", fix)
        wanted, here = started, int(os.environ.get("LOCAL_WORLD_SIZE", started))
    else:
        wanted = here = max(n_gpus, 1) if section.devices == "auto" else section.devices
    if wanted == 1:
        return 1
    if device not in ("cpu", "cuda"):
        fix = "give training.device: cpu or cuda, or training.devices: 1"
        raise _refused(f"expected one device '{device}', found {wanted}", fix)
    if on_gpu and here > n_gpus:
        fix = f"give training.devices: {n_gpus} or auto, or training.device: cpu"
        raise _refused(f"expected at most {n_gpus}, as many GPUs as there are here, found {here}", fix)
    return wanted


def _refused(problem: str, fix: str) -> DataError:
    return DataError(problem, where="training.devices", fix=fix)


@dataclass(frozen=True)
class Team:
    """Processes that train the same members.

    Parameters
    ----------
    ranks
        Numbers of the processes; the first writes checkpoints, and hands in what was trained.
    members
        Numbers of the networks, trained side by side where they can be.
    """

    ranks: tuple[int, ...]
    members: tuple[int, ...]


def make_teams(n_processes: int, n_members: int) -> list[Team]:
    """Deal the members out to the processes, or the processes to the members; processes may be left over.

    Examples
    --------
    >>> [team.members for team in make_teams(2, 5)]
    [(0, 1, 2), (3, 4)]
    >>> [team.ranks for team in make_teams(5, 2)]
    [(0, 1), (2, 3)]
    """
    n_teams = min(n_processes, n_members)
    size = n_processes // n_teams
    few, more = divmod(n_members, n_teams)
    teams, first = [], 0
    for i in range(n_teams):
        last = first + few + (i < more)
        teams.append(Team(tuple(range(i * size, (i + 1) * size)), tuple(range(first, last))))
        first = last
    return teams


@dataclass
class World:
    """All processes, as one of them sees them.

    Parameters
    ----------
    rank, size
        Number of this process, and of all.
    store
        What they tell each other apart from tensors.
    started
        Those that this one has started.
    is_idle
        Whether no task is under way.
    """

    rank: int
    size: int
    store: dist.Store
    started: Sequence[subprocess.Popen[bytes]] = ()
    is_idle: bool = True
    _tasks: int = 0
    _backend: str = ""

    def join(self, device: str) -> None:
        """Meet the other processes; all of them call it."""
        self._backend = "cpu:gloo,cuda:nccl" if torch.device(device).type == "cuda" else "gloo"
        store = dist.PrefixStore("group", self.store)
        dist.init_process_group(self._backend, store=store, rank=self.rank, world_size=self.size, timeout=WAIT)

    def share_task(self, task: Any = None) -> Any:
        """Return the task of the first process; None of a first process that has no more."""
        self._tasks, self.is_idle = self._tasks + 1, False
        tasks = [task]
        dist.broadcast_object_list(tasks, src=0, device=CPU)
        return tasks[0]

    def place(self, n_members: int) -> tuple[Team, Share | None]:
        """Return the team of this process, and its share of the minibatches if there are more in the team.

        A process that is left over is a team without members.
        """
        mine: tuple[Team, Share | None] = Team((self.rank,), ()), None
        for team in make_teams(self.size, n_members):
            group = None
            if len(team.ranks) > 1:
                group = dist.new_group(list(team.ranks), timedelta(seconds=STEP_SECONDS), self._backend)
            if self.rank in team.ranks:
                share = Share(team.ranks.index(self.rank), len(team.ranks), group) if group is not None else None
                mine = team, share
        return mine

    def hand_in(self, result: Any) -> list[Any]:
        """Give the first process what was trained; it waits for that of all."""
        self.store.set(f"{self._done}.{self.rank}", "1")
        if self.rank == 0:
            keys = [f"{self._done}.{rank}" for rank in range(self.size)]
            if not self.store.check(keys):
                log.info("training: waiting for the other processes")
            while not self.store.check(keys):
                self.require_all()
                time.sleep(POLL_SECONDS)
        results = [None] * self.size
        dist.gather_object(result, results if self.rank == 0 else None, dst=0)
        self.is_idle = True
        return results

    def end(self) -> None:
        """Leave the others; the first process lets them end, unless a task was broken off, which they notice."""
        if self.is_idle and self.rank == 0:
            with suppress(RuntimeError):  # one that is lost by now is not missed
                self.share_task(None)
            self.is_idle = True
        dist.destroy_process_group()

    @property
    def _done(self) -> str:
        return f"done.{self._tasks}"

    def require_all(self) -> None:
        """Raise the error of a process that has ended.

        Raises
        ------
        JamieError
            That of the process, or a `TrainingError` where it could tell none.
        """
        if any(process.poll() is not None for process in self.started):
            raise self._loss()

    @contextmanager
    def explain_losses(self) -> Iterator[None]:
        """Let the error of a process that was lost stand in place of the broken connection."""
        try:
            yield
        except RuntimeError as error:
            if not is_broken_connection(error):
                raise
            raise self._loss() from error

    def _loss(self) -> JamieError:
        """Return why a process has ended."""
        until = time.monotonic() + EXPLAIN_SECONDS
        while time.monotonic() < until:
            if self.store.check(["error"]):
                name, problem, where, fix = json.loads(self.store.get("error"))
                return getattr(errors, name)(problem, where=where, fix=fix)
            ended = [(i, code) for i, p in enumerate(self.started, 1) if (code := p.poll()) is not None]
            if ended:
                rank, code = ended[0]
                how = f"by signal {-code}, often for lack of memory" if code < 0 else f"with exit code {code}"
                return _lost(f"process {rank + 1} of {self.size} ended {how}")
            time.sleep(POLL_SECONDS)
        return _lost(f"one of {self.size} processes was lost")

    def tell(self, error: Exception) -> None:
        """Let the first process know why this one ends; the first error counts."""
        if isinstance(error, JamieError):
            told = [type(error).__name__, error.problem, error.where, error.fix]
        else:
            traceback.print_exc()
            problem = f"process {self.rank + 1} of {self.size} ended with {type(error).__name__}: {error}"
            told = [TrainingError.__name__, problem, "training", "its traceback is above"]
        self.store.compare_set("error", "", json.dumps(told))


def _lost(problem: str) -> TrainingError:
    return TrainingError(problem, where="training", fix="go on with --resume")


def is_broken_connection(error: RuntimeError) -> bool:
    """Whether an error of torch says that another process does not answer."""
    return isinstance(error, dist.DistError) or "gloo" in str(error).lower()


@contextmanager
def start_processes(n_processes: int, device: str) -> Iterator[World]:
    """Yield the world of this process, the first, and others: those of torchrun, or new ones on this machine."""
    if started_processes() > 1:
        world = join_started(device)
        with world.explain_losses():
            yield world
        return
    if dist.is_initialized():
        raise _refused(
            "found a process group of torch.distributed already", "destroy it, or leave training.devices at 1"
        )
    store = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    threads = torch.get_num_threads()
    share = max(1, threads // n_processes)
    started = [_start(rank, n_processes, store.port, share, device) for rank in range(1, n_processes)]
    world = World(0, n_processes, dist.PrefixStore(_prefix(), store), started)
    torch.set_num_threads(share)
    try:
        with world.explain_losses():
            _await_start(world)
            world.join(device)
            yield world
    finally:
        if dist.is_initialized():
            world.end()
        for process in world.started:
            with suppress(subprocess.TimeoutExpired):
                process.wait(EXPLAIN_SECONDS if world.is_idle else 0)
            process.kill()
            process.communicate()
        torch.set_num_threads(threads)


def _start(rank: int, size: int, port: int, threads: int, device: str) -> subprocess.Popen[bytes]:
    """Start a process that ends when its standard input does, as it does when this process ends in whatever way."""
    variables: Mapping[str, object] = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": size,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": threads,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "jamie.training.worker", device],
        env={**os.environ, **{name: str(value) for name, value in variables.items()}},
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
    )


def _await_start(world: World) -> None:
    """Wait until the started processes are ready to meet."""
    keys, until = [f"here.{rank}" for rank in range(1, world.size)], time.monotonic() + START_SECONDS
    while not world.store.check(keys):
        world.require_all()
        if time.monotonic() > until:
            raise _lost(f"{world.size} processes have not started within {START_SECONDS} seconds")
        time.sleep(POLL_SECONDS)


_world: World | None = None  # of torchrun: processes can meet only once


def join_started(device: str) -> World:
    """Return the world that torchrun, or the first process, has started."""
    global _world
    if _world is None:
        rank, size = int(os.environ["RANK"]), int(os.environ["WORLD_SIZE"])
        keeps_store = rank == 0 and os.environ.get("TORCHELASTIC_USE_AGENT_STORE") != "True"
        address, port = os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"])
        store = dist.TCPStore(address, port, is_master=keeps_store, wait_for_workers=False)
        _world = World(rank, size, dist.PrefixStore(_prefix(), store))
        _world.store.set(f"here.{rank}", "1")
        _world.join(device)
        if rank == 0:
            atexit.register(_world.end)
    return _world


def _prefix() -> str:
    """Of what is stored: a second attempt of torchrun must not read what the first has stored."""
    return f"jamie.{os.environ.get('TORCHELASTIC_RESTART_COUNT', 0)}"
