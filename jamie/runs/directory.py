"""A directory that a command writes: files are whole or absent, and a manifest says how the command ended."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import logging
import math
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from jamie.core.errors import JamieError, OutputError, Termination
from jamie.core.files import partial_path, remove_path, replace_atomically
from jamie.core.names import LEFT_OUT
from jamie.core.resources import ResourceMeter, measure_resources
from jamie.runs.file_names import EVENTS, MANIFEST, RESOLVED_SPEC
from jamie.runs.shapes import require_shape

if TYPE_CHECKING:
    import pandas as pd

    from jamie.spec import Spec

log = logging.getLogger(__name__)

FORMAT = 2  # of the files of a run, of their columns and keys
PACKAGES = ("jamie-toolkit", "torch", "numpy", "scipy", "scikit-learn", "pot", "anndata", "mudata", "pandas")


class OutputDirectory:
    """A directory with a manifest, a record of events and a lock that keeps other commands out.

    Used as a context, it is unlocked at the end.

    Parameters
    ----------
    path
        An existing directory; `create` makes one.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        self._meter = ResourceMeter()
        self._left_out: list[str] = []

    @cached_property
    def manifest(self) -> dict[str, Any]:
        """Content of ``manifest.json``: status, times, versions, stages; empty if there is none yet.

        Raises
        ------
        OutputError
            If it cannot be read, or was written in another format.
        """
        if not (self.path / MANIFEST).is_file():
            return {}
        try:
            manifest = dict(json.loads((self.path / MANIFEST).read_text(encoding="utf-8")))
            if manifest.get("format") == FORMAT:
                require_shape(MANIFEST, manifest)
        except (ValueError, TypeError, RecursionError) as error:
            raise OutputError(
                f"expected the manifest of a run, found a file that cannot be read ({error})",
                where=str(self.path / MANIFEST),
                fix="start anew with another --out or with --overwrite",
            ) from error
        if manifest.get("format") != FORMAT:
            versions = manifest.get("versions")
            version = versions.get("jamie-toolkit", "unknown") if isinstance(versions, dict) else "unknown"
            raise OutputError(
                f"expected a run directory of format {FORMAT}, found format {manifest.get('format', 1)}, "
                f"written by jamie {version}",
                where=str(self.path / MANIFEST),
                fix="run the spec again, or install the version that wrote it",
            )
        return manifest

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @classmethod
    def create(cls, path: str | Path, *, resume: bool = False, overwrite: bool = False) -> Self:
        """Make the directory, empty it (`overwrite`), or continue in it (`resume`), and lock it.

        Raises
        ------
        OutputError
            If it exists already, does not exist although the run should resume, cannot be written, or is in use.
        """
        path = Path(path)
        used = path.exists() and (not path.is_dir() or any(path.iterdir()))
        _require_free(path, used, resume=resume, overwrite=overwrite)
        try:
            path.mkdir(parents=True, exist_ok=True)
            directory = cls.__new__(cls)
            OutputDirectory.__init__(directory, path)  # a new one lacks what a subclass requires
            directory._acquire_lock()
            if used and overwrite:
                directory._empty()
        except OSError as error:
            raise OutputError(
                f"cannot be written ({error.strerror})", where=str(path), fix="give another --out"
            ) from error
        return directory

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other commands out while files of a finished run are replaced.

        Raises
        ------
        OutputError
            If a command is writing there, or the directory cannot be written.
        """
        try:
            self._acquire_lock()
        except OSError as error:
            fix = "make it writable, or copy it"
            raise OutputError(f"cannot be written ({error.strerror})", where=str(self.path), fix=fix) from error
        with self:
            yield

    def _acquire_lock(self) -> None:
        """Lock the file of events; the system releases it however the process ends."""
        self._lock = os.open(self.path / EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.__exit__()
            fix = "wait for it, or give another --out"
            raise OutputError("another command is writing here", where=str(self.path), fix=fix) from error
        except OSError as error:  # some file systems of clusters have no locks
            log.info("%s cannot be locked (%s): start no second run in it", self.path, error.strerror)

    def _empty(self) -> None:
        """Remove an earlier run; its manifest goes last, so that it is a run directory until then."""
        for entry in self.path.iterdir():
            if entry.name not in (EVENTS, MANIFEST):
                remove_path(entry)
        os.truncate(self.path / EVENTS, 0)
        remove_path(self.path / MANIFEST)

    @contextmanager
    def writing(self, name: str) -> Iterator[Path]:
        """Yield a temporary path whose content then replaces the named file in one step."""
        final = self.path / name
        try:
            with replace_atomically(final) as partial:
                yield partial
        except OSError as error:
            raise OutputError(f"cannot be written ({error})", where=str(final), fix="free the place or disk") from error

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        with self.writing(name) as path:
            path.write_text(text, encoding="utf-8")

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file; numbers that are not finite become null."""
        self.write_text(name, json_text(value, indent=1) + "\n")

    def write_table(self, name: str, table: pd.DataFrame) -> None:
        """Write a CSV file without row names."""
        self.write_text(name, table.to_csv(index=False))

    def write_spec(self, spec: Spec) -> None:
        """Write the spec with all defaults filled in."""
        self.write_text(RESOLVED_SPEC, spec.to_yaml())

    def event(self, event: str, **fields: Any) -> None:
        """Append an event to the record; where it cannot be written, the work goes on without it."""
        line = json_text({"time": _now(), "event": event, **fields})
        with suppress(OSError), (self.path / EVENTS).open("a", encoding="utf-8") as file:
            file.write(line + "\n")

    def note_left_out(self, name: str | None) -> None:
        """Remember what the result goes without, for the manifest."""
        if name is not None:
            self._left_out.append(name)

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Record progress, about 200 times per stage."""
        if done == total or done % max(1, total // 200) == 0:
            self.event("progress", stage=stage, done=done, total=total, values=dict(values))

    @contextmanager
    def recording(self, **manifest: Any) -> Iterator[None]:
        """Record messages and how the work ends, also if it is interrupted; `manifest` are further entries."""
        handler = _EventHandler(self)
        logger = logging.getLogger("jamie")
        level = logger.level
        logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
        logger.addHandler(handler)
        self.manifest = {"format": FORMAT, "stages": {}, "started": _now(), **environment(), **manifest}
        self._set_status("running")
        try:
            with measure_resources() as self._meter:
                yield
        except KeyboardInterrupt as error:
            name = error.signal if isinstance(error, Termination) else "SIGINT"
            self._set_end("interrupted", error="interrupted; --resume goes on from the last checkpoint", signal=name)
            error.add_note(f"go on with the same spec and settings: jamie run SPEC --out {self.path} --resume")
            raise
        except JamieError as error:
            self._set_end("failed", error=str(error), code=error.code)
            raise
        except BaseException as error:
            self._set_end("failed", error=f"{type(error).__name__}: {error}")
            raise
        else:
            self._set_status("finished", left_out=list(dict.fromkeys(self._left_out)))
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def _set_end(self, status: str, **fields: Any) -> None:
        """Record how work ended that an error ends, which must not give way to one of the record."""
        with suppress(OutputError):
            self._set_status(status, **fields)

    def _set_status(self, status: str, **fields: Any) -> None:
        self.manifest |= {"status": status, "updated": _now(), "peak_memory_mib": self._meter.peak_so_far(), **fields}
        self.write_manifest()
        self.event(status, **fields)

    def write_manifest(self) -> None:
        """Write the manifest as it is now, before the end of the work."""
        self.write_json(MANIFEST, self.manifest)

    @contextmanager
    def stage(self, name: str) -> Iterator[ResourceMeter]:
        """Measure a stage, and record its time and peak memory."""
        with measure_resources() as meter:
            yield meter
        usage = meter.usage
        self.manifest["stages"][name] = asdict(usage)
        self.event("stage", stage=name, seconds=usage.seconds)
        log.info("%s: %.1f s, peak memory %.0f MiB", name, usage.seconds, usage.peak_memory_mib)


class _EventHandler(logging.Handler):
    """Records log messages as events."""

    def __init__(self, directory: OutputDirectory) -> None:
        super().__init__()
        self._directory = directory

    def emit(self, record: logging.LogRecord) -> None:
        self._directory.event("notice", level=record.levelname.lower(), message=record.getMessage())
        self._directory.note_left_out(getattr(record, LEFT_OUT, None))


def _require_free(path: Path, used: bool, *, resume: bool, overwrite: bool) -> None:
    """Refuse options that contradict what is at the path."""
    is_run = (path / MANIFEST).is_file() or _is_begun(path)
    if resume and overwrite:
        fix = "give --resume to go on with the run, or --overwrite to start anew"
        raise OutputError("expected --resume or --overwrite, found both", where=str(path), fix=fix)
    if resume and not is_run:
        fix = "give --out the run directory to resume, or leave out --resume"
        problem = f"expected a run directory to go on in, found no {MANIFEST}"
        raise OutputError(problem, where=str(path), fix=fix)
    if used and not resume and not overwrite:
        fix = "give another --out, --resume to go on, or --overwrite to start anew"
        raise OutputError(
            "exists already",
            where=str(path),
            fix=fix if is_run else "it is not a run directory: give another --out",
        )
    if used and overwrite and not is_run:
        problem = "is not a run directory, so it is not overwritten"
        raise OutputError(problem, where=str(path), fix="give another --out")


def _is_begun(path: Path) -> bool:
    """Whether a command was killed there before its first manifest was whole."""
    names = {entry.name for entry in path.iterdir()} if path.is_dir() else set()
    return EVENTS in names and names <= {EVENTS, partial_path(path / MANIFEST).name}


def environment() -> dict[str, Any]:
    """Versions of Python, the platform and the packages that compute."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed as a distribution"
    return {"python": platform.python_version(), "platform": platform.platform(), "versions": versions}


def json_text(value: Any, indent: int | None = None) -> str:
    """Return standard JSON, in which NaN and infinity become null."""
    return json.dumps(_replace_not_finite(value), indent=indent, allow_nan=False)


def _replace_not_finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _replace_not_finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_replace_not_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
