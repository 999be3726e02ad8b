"""Command line: parses, calls, prints; no logic."""

from jamie.cli import components, models, runs
from jamie.cli.app import app

__all__ = ["app", "main"]

# all in one place, as `jamie --help` lists them in this order
app.command()(runs.run)
app.command()(runs.evaluate)
app.command()(runs.explain)
app.command()(runs.report)
app.command()(runs.bench)
app.command()(components.validate)
app.command("list")(components.list_)
app.command()(components.show)
app.command()(components.plugins)
app.command()(models.embed)
app.command()(models.impute)
app.command()(models.transfer)
app.command()(runs.compare)
app.command()(models.simulate)


def main() -> None:
    """Entry point of the command `jamie`."""
    app()
