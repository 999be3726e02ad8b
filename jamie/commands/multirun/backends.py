"""Where the runs of a sweep are done: in processes of joblib, or by workers of dask or ray, here or elsewhere."""

from __future__ import annotations

import io
import logging
import os
import signal
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from typing import TYPE_CHECKING, Any, Literal

import joblib

from jamie.core.errors import OutputError
from jamie.training.processes import started_processes

if TYPE_CHECKING:
    from distributed import Client

log = logging.getLogger(__name__)

Backend = Literal["dask", "ray"]

CONNECT_SECONDS = 10  # ray itself would try for minutes
RETRIES = 3  # of a run whose worker is lost; dask's own number
THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")


@contextmanager
def use_workers(jobs: int | None, backend: Backend | None, scheduler: str | None) -> Iterator[None]:
    """Let the runs of joblib within this context be done by the workers of a backend.

    Parameters
    ----------
    jobs
        Runs at a time.
    backend
        ``dask`` or ``ray``; None for what surrounds the context, processes of joblib by default.
    scheduler
        Address of a cluster. Without one it is what the variable of the backend says (``DASK_SCHEDULER_ADDRESS``,
        ``RAY_ADDRESS``), or else `jobs` workers are started on this machine.

    Raises
    ------
    OutputError
        Where the backend is not installed or its cluster is not reached, and of settings that contradict each other.
    """
    _require_consistent(jobs, backend, scheduler)
    if started_processes() > 1:
        raise OutputError(
            f"expected one run for the {started_processes()} processes of torchrun, found several",
            where="torchrun",
            fix="leave out torchrun, and give --jobs",
        )
    if backend is None:
        yield
        return
    start = _START[backend](joblib.effective_n_jobs(jobs), scheduler)
    with start as options, joblib.parallel_config(backend, n_jobs=jobs, **options):
        yield


def _require_consistent(jobs: int | None, backend: Backend | None, scheduler: str | None) -> None:
    """Refuse 0 runs at a time, and a backend that would have nothing to spread."""
    if jobs == 0:
        raise OutputError("expected at least one job", where="--jobs", fix="give 1 or more, or -1 for one on each core")
    if backend is None and scheduler is not None:
        raise OutputError("expected a backend, found none", where="--scheduler", fix=f"add --backend {_listed()}")
    if backend is not None and backend not in _START:
        raise OutputError(f"expected {_listed()}, found '{backend}'", where="--backend", fix=f"give {_listed()}")
    if backend is not None and jobs in (None, 1):
        fix = "give --jobs 2 or more, or -1 for all cores, or leave out --backend"
        raise OutputError(f"expected several jobs for {backend} to spread, found one", where="--jobs", fix=fix)


def _listed() -> str:
    return " or ".join(_START)


@contextmanager
def _start_dask(n_workers: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Yield a client of a cluster of dask."""
    try:
        import dask
        from distributed import Client, LocalCluster
    except ImportError as error:
        raise _not_installed("dask", "distributed") from error
    address = scheduler or dask.config.get("scheduler-address", None)
    if address is None:
        # no limit of memory, as processes of joblib have none: a worker above it would be killed
        settings = {"threads_per_worker": 1, "memory_limit": 0, "dashboard_address": "localhost:0"}
        cluster = LocalCluster(n_workers=n_workers, env=_thread_variables(n_workers), **settings)
        with cluster, Client(cluster) as client:
            yield {"client": client}
        return
    try:
        client = Client(address, timeout=CONNECT_SECONDS)
    except (OSError, ValueError) as error:
        raise _not_reached("dask", address, error) from error
    with client:
        _await_workers(client, address)
        yield {"client": client}


def _await_workers(client: Client, address: str) -> None:
    """Wait until a cluster has a worker: those of a batch system may come late."""
    if not client.nthreads():
        log.info("%s has no worker yet; the runs begin when it has", address)
        client.wait_for_workers(1)
    if max(client.nthreads().values()) > 1:
        log.warning("a worker does one run at a time, however many threads it has: start more workers of one thread")


@contextmanager
def _start_ray(n_workers: int, scheduler: str | None) -> Iterator[dict[str, Any]]:
    """Connect to a cluster of ray, or start one, and yield how its workers are used."""
    try:
        import ray
        from ray.util.joblib import register_ray
    except ImportError as error:
        raise _not_installed("ray", "ray") from error
    address = scheduler or os.environ.get("RAY_ADDRESS")
    settings: dict[str, Any] = {"log_to_driver": False, "logging_level": logging.ERROR}
    if not address:
        environment = {"env_vars": _thread_variables(n_workers)}
        settings |= {"num_cpus": n_workers, "include_dashboard": False, "runtime_env": environment}
    with _keep_printed(), _keep_signals():
        try:
            _require_open_port(address)
            ray.init(address=address or "local", **settings)
        except (OSError, RuntimeError, ValueError) as error:
            raise _not_reached("ray", address, error) from error
    register_ray()
    with _keep_printed():
        try:
            yield {"ray_remote_args": {"max_restarts": RETRIES, "max_task_retries": RETRIES}}
        finally:
            ray.shutdown()


def _require_open_port(address: str | None) -> None:
    """Refuse an address that nothing listens at."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdigit():
        socket.create_connection((host, int(port)), CONNECT_SECONDS).close()


@contextmanager
def _keep_printed() -> Iterator[None]:
    """Keep standard output, which may be JSON, free of what ray prints of its workers."""
    printed = io.StringIO()
    with redirect_stdout(printed):
        yield
    if printed.getvalue():
        log.debug("ray: %s", printed.getvalue())


@contextmanager
def _keep_signals() -> Iterator[None]:
    """Bring back the handler of SIGTERM, which ray replaces."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, before)


def _thread_variables(n_workers: int) -> Mapping[str, str]:
    """Return the environment of one of several workers on this machine: its share of the cores, as joblib gives it."""
    share = str(max(1, joblib.cpu_count() // n_workers))
    return {name: os.environ.get(name, share) for name in THREADS}


def _not_installed(backend: str, package: str) -> OutputError:
    fix = f'pip install "jamie-toolkit[{backend}]"'
    return OutputError(f"expected the package {package}, found none", where=f"--backend {backend}", fix=fix)


def _not_reached(backend: str, address: str | None, error: Exception) -> OutputError:
    if not address:
        fix = "use --jobs without --backend"
        return OutputError(f"its workers cannot be started here ({error})", where=f"--backend {backend}", fix=fix)
    fix = "start the scheduler there, correct the address, or leave it out for workers on this machine"
    return OutputError(f"no scheduler of {backend} is reached at {address} ({error})", where="--scheduler", fix=fix)


_START: dict[str, Any] = {"dask": _start_dask, "ray": _start_ray}
