"""Reports that break their contract."""

import json
import tempfile
from pathlib import Path

import jamie
from jamie.core.errors import OutputError

calls = []


class Sound(jamie.Report):
    """The name of the run and its best match score, where there is one."""

    def _write(self, run, context):
        if not (run / "manifest.json").is_file():
            raise OutputError("expected a run", where=str(run))
        manifest = json.loads((run / "manifest.json").read_text())
        (run / "report.txt").write_text(manifest["name"])
        return [run / "report.txt"]


class Writes(Sound):
    """Writes something else as well."""

    def _write(self, run, context):
        return [*super()._write(run, context), *self.beside(run)]

    def beside(self, run):
        return ()


class Nothing(Sound):
    """Returns nothing."""

    def _write(self, run, context):
        super()._write(run, context)
        return ()


class Elsewhere(Writes):
    """Writes a file into another folder."""

    def beside(self, run):
        path = Path(tempfile.gettempdir()) / "jamie-elsewhere.txt"
        path.write_text("here")
        return (path,)


class Empty(Writes):
    """Writes a file without content."""

    def beside(self, run):
        (run / "page.html").touch()
        return (run / "page.html",)


class Rounds(Writes):
    """Rounds the metrics in their file."""

    def beside(self, run):
        (run / "metrics.csv").write_text("metric,value\nfoscttm,0.1\n")
        return ()


class Cache(Writes):
    """Leaves a file behind."""

    def beside(self, run):
        (run / "layout.npy").write_text("0")
        return ()


class Numbers(Writes):
    """Numbers its pages."""

    def beside(self, run):
        calls.append(run)
        path = run / f"page_{len(calls)}.txt"
        path.write_text("page")
        return (path,)


class NeedsHistory(Writes):
    """Cannot do without the losses."""

    def beside(self, run):
        (run / "history.csv").read_text()
        return ()


class ShowsAnything(Sound):
    """Takes any folder for a run."""

    def _write(self, run, context):
        (run / "report.txt").write_text("a run")
        return [run / "report.txt"]


class Stumbles(Sound):
    """Does not look whether there is a run."""

    def _write(self, run, context):
        (run / "report.txt").write_text((run / "manifest.json").read_text())
        return [run / "report.txt"]


BROKEN = {
    "check_writes_into_the_run": [
        (Nothing, "report 'nothing': it writes something: expected a file or more, found none"),
        (Elsewhere, "it writes into the run directory: expected a file there, found .*jamie-elsewhere.txt"),
        (Empty, "report 'empty': 'page.html': expected a file with content, found an empty one"),
    ],
    "check_leaves_the_run_alone": [
        (Rounds, "the files of the run stay: expected no change, found metrics.csv"),
        (Cache, "it returns all that it writes: expected report.txt, found layout.npy"),
    ],
    "check_can_be_written_again": [(Numbers, "called again, it writes the same files")],
    "check_works_without_optional_files": [
        (NeedsHistory, "a run without labels, .*: expected a report, found FileNotFoundError")
    ],
    "check_refuses_other_folders": [
        (ShowsAnything, "a folder without manifest.json: expected OutputError, found none"),
        (Stumbles, "expected OutputError, found FileNotFoundError"),
    ],
}
