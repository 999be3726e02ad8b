"""Features that distinguish the cells of each label."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

import pandas as pd

from jamie.core.explanation import Explanation
from jamie.core.labels import sort_labels
from jamie.pl.explanations import explanation_table, select_rows
from jamie.pl.style import COLOURS, LINE_COLOUR, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_MARKER_COLOUR = COLOURS[1]
_LONGEST_NAME, _LONGEST_TITLE = 18, 20  # letters; panels are narrow beside the names of features


@apply_style
def attribution(
    explanation: Explanation,
    labels: Sequence[str] | None = None,
    *,
    n_features: int = 10,
    markers: Mapping[str, Collection[str]] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> list[Axes]:
    """Plot the features of each label that add most to its nearest-neighbor votes.

    Known markers are vermillion and bold.

    Parameters
    ----------
    explanation
        Explanation by ``attribution``.
    labels
        Labels to plot, one panel each; all by default.
    n_features
        Features in a panel.
    markers
        Known markers of each label; by default those that the explainer was given.
    ax
        As many axes as labels; a new figure by default.

    Returns
    -------
    list of Axes
        The panels, in the order of `labels`.

    Raises
    ------
    MissingResultError
        If the explanation has no table of features by label, or lacks one of the labels.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.attribution(attribution, ["B"], n_features=5)
    >>> len(axes)
    1
    """
    table = explanation_table(explanation, "features", "use attribution", "label")
    names = sort_labels(table["label"]) if labels is None else list(labels)
    known = explanation.settings.get("markers", {}) if markers is None else markers
    parts = {name: select_rows(table, "label", name).head(n_features) for name in names}
    columns = min((4, 3), key=lambda n: -len(names) % n)  # with the fewest empty panels
    tests = explanation.tables.get("markers")
    letters = max(len(shorten(feature, _LONGEST_NAME)) for part in parts.values() for feature in part["feature"])
    width, header = max(2.2, 1.65 + 0.057 * letters), 0.85 if tests is None else 1.1
    axes = panels(len(names), ax, width=width, height=header + 0.16 * n_features, columns=columns)
    for panel, (name, part) in zip(axes, parts.items(), strict=True):
        _draw_bars(panel, part, set(known.get(name) or ()))
        panel.set_title(shorten(name, _LONGEST_TITLE) + ("" if tests is None else _enrichment(tests, name)))
    for panel in axes[-columns:]:
        panel.set_xlabel("added to the\nmargin of votes")
    return axes


def _draw_bars(ax: Axes, part: pd.DataFrame, markers: set[str]) -> None:
    is_marker = [str(name) in markers for name in part["feature"]]
    colours = [_MARKER_COLOUR if marked else COLOURS[0] for marked in is_marker]
    ax.barh(range(len(part)), part["score"], color=colours, height=0.72)
    ax.set_yticks(range(len(part)), [shorten(feature, _LONGEST_NAME) for feature in part["feature"]])
    for text, marked in zip(ax.get_yticklabels(), is_marker, strict=True):
        if marked:
            text.set(fontweight="bold", color=_MARKER_COLOUR)
    ax.set_ylim(len(part) - 0.4, -0.6)
    ax.axvline(0, color=LINE_COLOUR, linewidth=0.7)


def _enrichment(tests: pd.DataFrame, label: str) -> str:
    """Return the AUROC of the markers of a label among all features, as text for a title."""
    rows = tests[tests["label"].astype(str) == label].dropna(subset=["auroc"]).to_dict("records")
    return "".join(f"\nmarkers: AUROC {row['auroc']:.2f}\n(p = {row['p_value']:.1g})" for row in rows)
