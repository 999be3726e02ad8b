"""Features that tell the cells of each label from the others."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import pandas as pd

from jamie.core.explanation import Explanation
from jamie.pl.explanations import rows_of, table_of
from jamie.pl.style import COLOURS, LINE, apply_style, panels, shorten, sort_labels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "attribution"
_MARKED = COLOURS[1]
_LONGEST_TITLE = 20  # letters above a panel, which is narrow beside the names of its features


@apply_style
def attribution(
    explanation: Explanation,
    labels: Sequence[str] | None = None,
    *,
    n_features: int = 10,
    markers: Mapping[str, Collection[str]] | None = None,
    ax: Axes | Sequence[Axes] | None = None,
) -> list[Axes]:
    """Draw the features of each label that add most to its votes; known markers are vermillion and bold.

    Parameters
    ----------
    explanation
        By ``attribution``.
    labels
        A panel for each; all by default.
    n_features
        Rows of a panel.
    markers
        Known ones by label; by default those that the explainer was told.
    ax
        As many axes as labels; a new figure by default.

    Raises
    ------
    MissingResultError
        Where the explanation has no table of features by label, or none of a label.
    """
    table = table_of(explanation, "features", _WHERE, "use attribution", "label")
    names = sort_labels(table["label"]) if labels is None else list(labels)
    known = explanation.settings.get("markers", {}) if markers is None else markers
    parts = {name: rows_of(table, "label", name, _WHERE).head(n_features) for name in names}
    columns = min((4, 3), key=lambda n: -len(names) % n)  # as few empty places as can be
    enriched = explanation.tables.get("markers")
    above = 0.85 if enriched is None else 1.1
    letters = max(len(_name(one)) for part in parts.values() for one in part["feature"])
    axes = panels(
        len(names), ax, width=max(2.2, 1.65 + 0.057 * letters), height=above + 0.16 * n_features, columns=columns
    )
    for here, (name, part) in zip(axes, parts.items(), strict=True):
        _draw(here, part, set(known.get(name) or ()))
        here.set_title(f"{shorten(name, _LONGEST_TITLE)}{_enriched(enriched, name)}")
    for here in axes[-columns:]:
        here.set_xlabel("added to the\nmargin of votes")
    return axes


def _draw(ax: Axes, part: pd.DataFrame, markers: set[str]) -> None:
    marked = [str(name) in markers for name in part["feature"]]
    ax.barh(range(len(part)), part["score"], color=[_MARKED if one else COLOURS[0] for one in marked], height=0.72)
    ax.set_yticks(range(len(part)), [_name(one) for one in part["feature"]])
    for text, one in zip(ax.get_yticklabels(), marked, strict=True):
        if one:
            text.set(fontweight="bold", color=_MARKED)
    ax.set_ylim(len(part) - 0.4, -0.6)
    ax.axvline(0, color=LINE, linewidth=0.7)


def _name(feature: Any) -> str:
    return shorten(feature, 18)


def _enriched(table: pd.DataFrame | None, label: str) -> str:
    """Say how high the markers of a label rank among all features."""
    rows: Any = (
        () if table is None else table[table["label"].astype(str) == label].dropna(subset=["auroc"]).itertuples()
    )
    return "".join(f"\nmarkers: AUROC {row.auroc:.2f}\n(p = {row.p_value:.1g})" for row in rows)
