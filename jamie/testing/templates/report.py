"""A report."""

import jamie


class Example(jamie.Report):
    """The metrics of the run as a text file."""

    name = "example"

    def _write(self, run, context):
        opened = jamie.Run(run)
        opened.require_whole()
        page = run / "example.txt"
        page.write_text(opened.metrics.to_string(), encoding="utf-8")
        return [page]
