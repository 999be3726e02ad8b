"""The run directory: files that appear whole or not at all, and a manifest that says how the run ended."""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import json
import logging
import math
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from jamie.core.errors import JamieError, OutputError
from jamie.core.files import remove_path, replace_atomically
from jamie.core.resources import ResourceMeter, measure_resources

log = logging.getLogger(__name__)

MANIFEST, EVENTS, RESOLVED = "manifest.json", "events.jsonl", "spec.resolved.yaml"
PACKAGES = ("jamie-toolkit", "torch", "numpy", "scipy", "scikit-learn", "pot", "anndata", "mudata", "pandas")


class RunFolder:
    """A folder that a run writes into; as a context, it is kept from other runs until the end.

    Parameters
    ----------
    path
        It exists already; `create` makes it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.manifest: dict[str, Any] = {"stages": {}}
        self._lock: int | None = None
        self._meter = ResourceMeter()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None

    @classmethod
    def create(cls, path: Path, *, resume: bool = False, overwrite: bool = False) -> RunFolder:
        """Make the folder, empty it (`overwrite`), or go on in it (`resume`).

        Raises
        ------
        OutputError
            Where it exists already, does not exist although the run is to be resumed, cannot be written, or another
            run is writing there.
        """
        used = path.exists() and (not path.is_dir() or any(path.iterdir()))
        cls._refuse(path, used, resume=resume, overwrite=overwrite)
        try:
            path.mkdir(parents=True, exist_ok=True)
            folder = cls(path)
            folder._take()
            if used and overwrite:
                folder._empty()
        except OSError as error:
            raise OutputError(
                f"cannot be written ({error.strerror})", where=str(path), fix="give another --out"
            ) from error
        return folder

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Keep other runs out while files of a finished run are written anew.

        Raises
        ------
        OutputError
            Where a run is writing there, or it cannot be written.
        """
        try:
            self._take()
        except OSError as error:
            fix = "make it writable, or copy it"
            raise OutputError(f"cannot be written ({error.strerror})", where=str(self.path), fix=fix) from error
        with self:
            yield

    @staticmethod
    def _refuse(path: Path, used: bool, *, resume: bool, overwrite: bool) -> None:
        is_run = (path / MANIFEST).is_file()
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

    def _take(self) -> None:
        """Lock the events; the system lets go of them however the process ends."""
        self._lock = os.open(self.path / EVENTS, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            self.__exit__()
            fix = "wait for it, or give another --out"
            raise OutputError("another run is writing here", where=str(self.path), fix=fix) from error
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
        """Give a temporary path, and put what was written there under its name at once."""
        final = self.path / name
        try:
            with replace_atomically(final) as partial:
                yield partial
        except OSError as error:
            raise OutputError(f"cannot be written ({error})", where=str(final), fix="free the place or disk") from error

    def write_text(self, name: str, text: str) -> None:
        """Write a text file."""
        with self.writing(name) as path:
            path.write_text(text)

    def write_json(self, name: str, value: Any) -> None:
        """Write a JSON file; numbers that are not finite are null."""
        self.write_text(name, json_text(value, indent=1) + "\n")

    def read_manifest(self) -> dict[str, Any]:
        """Read the manifest of an earlier session in this folder."""
        try:
            return dict(json.loads((self.path / MANIFEST).read_text()))
        except ValueError as error:
            raise OutputError(
                f"expected the manifest of a run, found a file that cannot be read ({error})",
                where=str(self.path / MANIFEST),
                fix="start anew with another --out or with --overwrite",
            ) from error

    def event(self, event: str, **fields: Any) -> None:
        """Append a line to the events."""
        line = json_text({"time": _now(), "event": event, **fields})
        with (self.path / EVENTS).open("a") as file:
            file.write(line + "\n")

    def progress(self, stage: str, done: int, total: int, values: Mapping[str, float]) -> None:
        """Record progress, about 200 times a stage."""
        if done == total or done % max(1, total // 200) == 0:
            self.event("progress", stage=stage, done=done, total=total, values=dict(values))

    @contextmanager
    def recording(self, **manifest: Any) -> Iterator[None]:
        """Keep the manifest and the notices of a run, and say how it ended, also where it was interrupted."""
        handler = _EventHandler(self)
        logger = logging.getLogger("jamie")
        level = logger.level
        logger.setLevel(min(logger.getEffectiveLevel(), logging.INFO))
        logger.addHandler(handler)
        self.manifest |= {"started": _now(), **environment(), **manifest}
        self._end("running")
        try:
            with measure_resources() as self._meter:
                yield
        except KeyboardInterrupt as error:
            self._end("interrupted", error="interrupted; --resume goes on from the last checkpoint")
            error.add_note(f"go on with the same spec and settings: jamie run SPEC --out {self.path} --resume")
            raise
        except JamieError as error:
            self._end("failed", error=str(error), code=error.code)
            raise
        except BaseException as error:
            self._end("failed", error=f"{type(error).__name__}: {error}")
            raise
        else:
            self._end("finished")
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)

    def _end(self, status: str, **fields: Any) -> None:
        self.manifest |= {"status": status, "updated": _now(), "peak_memory_mib": self._meter.peak_so_far(), **fields}
        self.write_json(MANIFEST, self.manifest)
        self.event(status, **fields)

    @contextmanager
    def stage(self, name: str) -> Iterator[ResourceMeter]:
        """Record the time and memory of a stage."""
        with measure_resources() as meter:
            yield meter
        usage = meter.usage
        self.manifest["stages"][name] = asdict(usage)
        self.event("stage", stage=name, seconds=usage.seconds)
        log.info("%s: %.1f s, peak memory %.0f MiB", name, usage.seconds, usage.peak_memory_mib)


class _EventHandler(logging.Handler):
    """Keeps notices and warnings among the events."""

    def __init__(self, folder: RunFolder) -> None:
        super().__init__()
        self._folder = folder

    def emit(self, record: logging.LogRecord) -> None:
        self._folder.event("notice", level=record.levelname.lower(), message=record.getMessage())


def environment() -> dict[str, Any]:
    """Versions of what computes."""
    versions = {}
    for package in PACKAGES:
        try:
            versions[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            versions[package] = "not installed as a distribution"
    return {"python": platform.python_version(), "platform": platform.platform(), "versions": versions}


def file_hash(path: Path) -> str:
    """SHA-256 of a file, or of the names and contents of a folder's files."""
    files = [path] if path.is_file() else sorted(p for p in path.rglob("*") if p.is_file())
    digest = hashlib.sha256()
    for file in files:
        if file != path:
            digest.update(file.relative_to(path).as_posix().encode())
        with file.open("rb") as content:
            while chunk := content.read(2**20):
                digest.update(chunk)
    return digest.hexdigest()


def json_text(value: Any, indent: int | None = None) -> str:
    """JSON as the standard has it, which knows no NaN or infinity: these are null."""
    return json.dumps(_with_nulls(value), indent=indent, allow_nan=False)


def _with_nulls(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _with_nulls(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_with_nulls(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="milliseconds")
