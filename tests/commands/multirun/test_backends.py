"""Runs done by workers of joblib, dask and ray, two of each on this machine, one of which is killed within a run."""

import json
import re
import shlex
import shutil
import sys
from pathlib import Path

import pytest

import jamie
from jamie.commands.multirun import backends
from jamie.commands.multirun.workers import RunTask, run_in_process, run_task
from jamie.core.errors import OutputError

PAGE = (Path(__file__).parents[3] / "docs" / "scaling.md").read_text()
PACKAGES = {"dask": "distributed", "ray": "ray"}
DEADLY = '''
import os
import signal
from pathlib import Path

import jamie


class Deadly(jamie.Loss):
    """Kills the process in its fifth minibatch, unless the file is there: once in all runs."""

    name = "deadly"

    def __init__(self, *, file: str):
        super().__init__()
        self.file, self.count = Path(file), 0

    def forward(self, batch, output):
        self.count += 1
        if self.count == 5 and not self.file.exists():
            self.file.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        return sum(0 * z.sum() for z in output.z.values())
'''


def write_sweep(place):
    """Write a sweep of four runs, of which the first to come to its fifth minibatch takes its worker with it."""
    (place.folder / "deadly.py").write_text(DEADLY)
    spec = {
        "plugins": ["deadly.py"],
        "losses": {"deadly": {"weight": 1, "file": str(place.folder / "killed")}},
        "training": {"ensemble": 1, "min_epochs": 8, "max_epochs": 8, "checkpoint_seconds": 0},
        "evaluate": {"metrics": ["foscttm"], "holdout": {"fraction": 0}, "seeds": [0, 1]},
        "sweep": {"model.latent_dim": [2, 3]},
    }
    place.write_spec(None, **spec)
    shutil.copy(place.folder / "spec.yaml", place.folder / "sweep.yaml")


@pytest.fixture
def deadly(place):
    write_sweep(place)
    return place


@pytest.fixture(scope="module")
def undisturbed(place_in, tmp_path_factory):
    """The table of the same sweep, two runs at a time on this machine, of which none is killed."""
    place = place_in(tmp_path_factory.mktemp("undisturbed"))
    write_sweep(place)
    (place.folder / "killed").touch()
    place.works(place.call("run", place.folder / "sweep.yaml", "--out", place.out, "--jobs", 2))
    return (place.out / "sweep.csv").read_text()


@pytest.fixture(params=["dask", "ray"])
def backend(request):
    pytest.importorskip(PACKAGES[request.param], reason=f'needs pip install "jamie-toolkit[{request.param}]"')
    return request.param


def test_a_worker_that_is_killed_is_replaced_and_numbers_are_those_of_jobs(deadly, backend, undisturbed):
    (example,) = re.findall(rf"^jamie (run sweep\.yaml .*--jobs 2 --backend {backend})$", PAGE, re.M)
    found = deadly.call(*shlex.split(example), "--json")
    deadly.works(found)
    assert (deadly.folder / "killed").exists()
    assert len(json.loads(found.stdout)["runs"]) == 4
    assert (Path("runs") / backend / "sweep.csv").read_text() == undisturbed


def test_a_cluster_that_runs_already_does_no_more_runs_at_a_time_than_jobs(deadly, undisturbed):
    distributed = pytest.importorskip("distributed", reason='needs pip install "jamie-toolkit[dask]"')
    (deadly.folder / "killed").touch()
    with distributed.LocalCluster(n_workers=3, threads_per_worker=1, dashboard_address=None) as cluster:
        address = ("--backend", "dask", "--scheduler", cluster.scheduler_address)
        deadly.works(deadly.call("run", "sweep.yaml", "--out", deadly.out, "--jobs", 2, *address))
    assert (deadly.out / "sweep.csv").read_text() == undisturbed
    runs = [json.loads(path.read_text()) for path in (deadly.out / "runs").glob("*/manifest.json")]
    spans = [(run["started"], run["updated"]) for run in runs]
    assert max(sum(begin <= start < end for begin, end in spans) for start, _ in spans) <= 2


def test_a_process_that_is_killed_stops_the_sweep_which_goes_on_to_the_same_numbers(deadly, undisturbed):
    sweep = ("run", "sweep.yaml", "--jobs", 2, "--out", deadly.out)
    stopped = deadly.call(*sweep)
    deadly.refused(stopped, "sweep: a worker was killed by the system, often for lack of memory; under way: 00")
    assert stopped.stderr.endswith("\n  go on with --resume and fewer --jobs\n")
    deadly.works(deadly.call(*sweep, "--resume"))
    assert (deadly.out / "sweep.csv").read_text() == undisturbed


def test_workers_that_cannot_go_on_say_why(deadly, monkeypatch):
    def refuse(*_, **__):
        raise ValueError("only 4 CPUs")

    monkeypatch.setattr(backends.joblib.parallel.LokyBackend, "configure", refuse)
    done = deadly.call("run", "sweep.yaml", "--jobs", 2, "--out", deadly.out)
    deadly.refused(done, "sweep: the workers cannot go on (ValueError: only 4 CPUs)\n  go on with --resume\n")


def test_a_scheduler_that_is_not_reached(deadly, backend, monkeypatch):
    monkeypatch.setattr(backends, "CONNECT_SECONDS", 1)
    address = {"dask": "tcp://127.0.0.1:1", "ray": "127.0.0.1:1"}[backend]
    options = ("--out", deadly.out, "--jobs", 2, "--backend", backend, "--scheduler", address)
    done = deadly.call("run", "sweep.yaml", *options)
    deadly.refused(done, f"--scheduler: no scheduler of {backend} is reached at {address} (")
    assert "\n  start the scheduler there, correct the address, or leave it out" in done.stderr
    assert not deadly.out.exists()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"jobs": 1, "backend": "ray"}, "--jobs: expected several jobs for ray to spread, found one\n  give --jobs 2"),
        ({"backend": "dask"}, "--jobs: expected several jobs for dask to spread, found one"),
        ({"jobs": 2, "scheduler": "a:1"}, "--scheduler: expected a backend, found none\n  add --backend dask or ray"),
        ({"jobs": 2, "backend": "spark"}, "--backend: expected dask or ray, found 'spark'\n  give dask or ray"),
    ],
)
def test_settings_that_contradict_each_other(deadly, settings, message):
    with pytest.raises(OutputError, match=re.escape(message)):
        jamie.sweep("sweep.yaml", out=deadly.out, **settings)
    assert not deadly.out.exists()


@pytest.mark.parametrize("name", PACKAGES)
def test_a_backend_that_is_not_installed(deadly, name, monkeypatch):
    monkeypatch.setitem(sys.modules, PACKAGES[name], None)
    done = deadly.call("run", "sweep.yaml", "--out", deadly.out, "--jobs", 2, "--backend", name)
    message = f"expected the package {PACKAGES[name]}, found none\n"
    deadly.refused(done, f'--backend {name}: {message}  pip install "jamie-toolkit[{name}]"')
    assert not deadly.out.exists()


def test_a_folder_that_a_worker_does_not_see(tmp_path):
    error = run_task(RunTask("a", str(tmp_path / "sweep" / "runs" / "a"), {})).error
    assert re.search(r"sweep: the folder of the sweep is not seen from .*\n  give --out a folder on a file", error)


def test_what_is_measured_is_not_repeated_where_its_worker_was_lost(tmp_path):
    error = run_in_process(RunTask("a", str(tmp_path), {})).error
    assert error == "its worker was lost; when nothing writes there any more, go on with --resume"


def test_the_share_of_the_cores_of_a_worker_leaves_what_the_user_set(monkeypatch):
    monkeypatch.setattr(backends.joblib, "cpu_count", lambda: 8)
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MKL_NUM_THREADS", raising=False)
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    share = backends._thread_variables(2)
    assert share == {"OMP_NUM_THREADS": "3", "MKL_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4"}


def test_one_run_has_nothing_to_spread(deadly):
    Path("single.yaml").write_text("data: {simulate_branch: {n_cells: 60}}\n")
    done = deadly.call("run", "single.yaml", "--out", deadly.out, "--jobs", 2, "--backend", "dask")
    deadly.refused(done, "--backend: expected a sweep to spread, found one run\n  leave it out, or list the values")
