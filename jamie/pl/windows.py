"""Peaks near and far from a gene: what becomes of its imputed values without them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jamie.core.explanation import Explanation
from jamie.pl.explanations import UNPERTURBED, rows_of, table_of
from jamie.pl.style import COLOURS, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE, _FIX = "windows", "use knockout with windows: [GENE], of peaks with chrom, start and end"
_SIGNIFICANT = 0.05  # p-value up to which a difference between windows is marked in bold


@apply_style
def windows(
    explanation: Explanation, targets: Sequence[str] | None = None, *, ax: Axes | Sequence[Axes] | None = None
) -> list[Axes]:
    """Draw how much the imputed values of a gene change as each peak near and far is removed, window by window.

    A point is a peak, a box the quartiles of a window, the red line the model as it is: no change. Between windows
    stands the p-value of the one-tailed t-test that the nearer one's peaks matter more.

    Parameters
    ----------
    explanation
        By ``knockout`` with `windows`.
    targets
        Genes, a panel for each; all by default.
    ax
        As many axes; a new figure by default.

    Raises
    ------
    MissingResultError
        Where the explanation has no such table, or no such gene.
    """
    table = table_of(explanation, "windows", _WHERE, _FIX)
    tests = explanation.tables.get("tests", pd.DataFrame(columns=["target", "window_a", "window_b", "p_value"]))
    genes = list(dict.fromkeys(table["target"])) if targets is None else list(targets)
    found = {gene: rows_of(table, "target", gene, _WHERE) for gene in genes}
    axes = panels(len(genes), ax, width=3.6, height=2.9, columns=2)
    for here, gene in zip(axes, genes, strict=True):
        _draw(here, found[gene], tests[tests["target"] == gene])
        here.set_title(shorten(gene))
    return axes


def _draw(ax: Axes, table: pd.DataFrame, tests: pd.DataFrame) -> None:
    names = list(dict.fromkeys(table["window"]))
    groups = [1 - table["value"][table["window"] == name].dropna().to_numpy(float) for name in names]
    for place, values in enumerate(groups):
        jitter = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else [0.0]
        shuffled = np.random.default_rng(place).permutation(jitter)
        ax.scatter(place + shuffled, values, s=6, color=COLOURS[0], alpha=0.6, linewidths=0, rasterized=True)
    boxes = ax.boxplot(groups, positions=range(len(names)), widths=0.6, showfliers=False, whis=0)
    for line in (*boxes["boxes"], *boxes["medians"]):
        line.set(color="black", linewidth=0.9)
    for line in (*boxes["whiskers"], *boxes["caps"]):
        line.set_visible(False)
    ax.axhline(0, color=UNPERTURBED, linewidth=1.2)
    counted = [f"{name}\n({len(values)})" for name, values in zip(names, groups, strict=True)]
    ax.set_xticks(range(len(names)), [name.replace("same chromosome", "same\nchrom.") for name in counted])
    ax.set_ylabel("1 - correlation with the values\nimputed from all peaks")
    ax.ticklabel_format(axis="y", scilimits=(-3, 4))
    _name_tests(ax, names, groups, tests)


def _name_tests(ax: Axes, names: list[str], groups: Sequence[np.ndarray], tests: pd.DataFrame) -> None:
    """Write p-values above the line, between the windows that they compare."""
    highest = max((values.max() for values in groups if len(values)), default=0.0)
    room = 0.12 * max(highest, 1e-12)
    ax.set_ylim(-0.4 * room, highest + (2.4 if len(tests) else 0.5) * room)
    for test in tests.dropna(subset=["p_value"]).to_dict("records"):
        a, b, p = names.index(test["window_a"]), names.index(test["window_b"]), test["p_value"]
        bracket = highest + room * np.array([0.5, 0.8, 0.8, 0.5])
        ax.plot([a + 0.1, a + 0.1, b - 0.1, b - 0.1], bracket, color="black", linewidth=0.6)
        bold = "bold" if p <= _SIGNIFICANT else "normal"
        ax.text((a + b) / 2, highest + room, f"p = {p:.2g}", ha="center", va="bottom", fontsize=6.5, fontweight=bold)
