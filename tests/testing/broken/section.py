"""Sections that break their contract."""

import jamie


class Sound(jamie.Section):
    """The seed."""

    title = "Randomness"

    def _content(self, run):
        yield f"All numbers follow from the seed {run.spec.seed}."
        yield run.metrics


class Numbers(Sound):
    """A number."""

    def _content(self, run):
        yield run.spec.seed


class Silent(Sound):
    """An empty paragraph."""

    def _content(self, run):
        yield " "


class Notes(Sound):
    """Leaves a file behind."""

    def _content(self, run):
        (run.path / "notes.txt").write_text("seen")
        yield "Seen."


BROKEN = {
    "check_has_content_of_any_run": [
        (Numbers, "section 'numbers': a run with labels: .* expected _content to give text and DataFrames, found int"),
        (Silent, "expected paragraphs with text and tables with columns"),
    ],
    "check_leaves_the_run_alone": [(Notes, "the files of the run stay: expected no change, found notes.txt")],
}
