"""Which figures a run may have, and what is said below each."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

from jamie import pl
from jamie.pl.carried import modalities_of
from jamie.report.layouts import MOST_CELLS
from jamie.report.run_view import RunView

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

MOST_PANELS = 6
MOST_LABELS = 3  # columns of obs by which the embedding is coloured


@dataclass(frozen=True)
class Planned:
    """A figure that a run may have.

    Parameters
    ----------
    name, section, title, caption
        As of `jamie.report.figures.Drawn`.
    draw
        Draws it; raises `AbsentError` where there is nothing to show.
    """

    name: str
    section: str
    title: str
    caption: str
    draw: Callable[[], Figure]


def planned(view: RunView) -> Iterator[Planned]:
    """Plan the figures of a run, whether or not its data allow them."""
    yield from _embedding(view)
    yield from _training(view)


def _embedding(view: RunView) -> Iterator[Planned]:
    names = modalities_of(view.mdata)[:MOST_PANELS]
    sample = any(a.n_obs > MOST_CELLS for a in view.mdata.mod.values())
    said = f" A sample of {MOST_CELLS} cells stands for all." if sample else ""
    for label in view.spec.labels[:MOST_LABELS]:
        for of, title, caption in (
            ("data", "Cells by their own values", "UMAP of the preprocessed values of each modality by itself"),
            ("latents", "Cells in the latent space", "One UMAP of the latents of all modalities, a panel for each"),
        ):
            draw = partial(_of_axes, pl.umaps, view.mdata, label, names, of=of)
            text = f"{caption}, coloured by {label}.{said}"
            yield Planned(f"umap_{of}_{label}".replace("/", "_"), "embedding", f"{title}, by {label}", text, draw)
    caption = f"UMAP of the latents of all modalities, coloured by modality: well mixed where they are aligned.{said}"
    draw = partial(_of_axes, pl.umap, view.mdata)
    yield Planned("umap_latents_modality", "embedding", "Cells in the latent space, by modality", caption, draw)


def _training(view: RunView) -> Iterator[Planned]:
    caption = (
        "Loss of each epoch: the weighted sum, a line for each member of the ensemble, also of the cells that were set "
        "aside; and each term by itself. Points: the epoch whose networks were kept."
    )
    yield Planned("losses", "training", "Losses", caption, partial(_of_axes, pl.losses, view.mdata))
    caption = "Wall-clock time and peak memory of the process, libraries and data among it."
    yield Planned("usage", "training", "Time and memory", caption, partial(_of_axes, pl.usage, view.mdata))


def _of_axes(draw: Callable[..., Any], *args: Any, **settings: Any) -> Figure:
    """Return the figure that a function of `jamie.pl` draws in."""
    drawn = draw(*args, **settings)
    return _figure_of(drawn[0] if isinstance(drawn, list) else drawn)


def _figure_of(ax: Axes) -> Figure:
    figure = ax.get_figure(root=True)
    assert figure is not None  # only axes that were removed have none
    return figure
