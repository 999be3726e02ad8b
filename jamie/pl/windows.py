"""Effect of the knockout of peaks on an imputed gene, by their distance from it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from jamie.core.explanation import Explanation
from jamie.pl.explanations import BASELINE, explanation_table, select_rows
from jamie.pl.style import COLOURS, apply_style, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_SIGNIFICANT = 0.05  # p-value up to which a difference between windows is bold


@apply_style
def windows(
    explanation: Explanation, targets: Sequence[str] | None = None, *, ax: Axes | Sequence[Axes] | None = None
) -> list[Axes]:
    """Plot how much the imputed values of a gene change if a peak is knocked out, by genomic window.

    A point is a peak, a box the quartiles of a window, the red line no change. The p-values are of one-tailed t-tests
    that the peaks of the nearer window have larger effects.

    Parameters
    ----------
    explanation
        Explanation by ``knockout`` with `windows`.
    targets
        Genes, one panel each; all by default.
    ax
        As many axes as genes; a new figure by default.

    Returns
    -------
    list of Axes
        The panels.

    Raises
    ------
    MissingResultError
        If the explanation has no table of windows, or lacks one of the genes.

    Examples
    --------
    >>> import jamie
    >>> axes = jamie.pl.windows(windows, ["Sox2"])
    >>> axes[0].get_title()
    'Sox2'
    """
    fix = "use knockout with windows: [GENE], of peaks with chrom, start and end"
    table = explanation_table(explanation, "windows", fix)
    tests = explanation.tables.get("tests", pd.DataFrame(columns=["target", "window_a", "window_b", "p_value"]))
    genes = list(dict.fromkeys(table["target"])) if targets is None else list(targets)
    rows = {gene: select_rows(table, "target", gene) for gene in genes}
    axes = panels(len(genes), ax, width=3.6, height=2.9, columns=2)
    for panel, gene in zip(axes, genes, strict=True):
        _draw_windows(panel, rows[gene], tests[tests["target"] == gene])
        panel.set_title(shorten(gene))
    return axes


def _draw_windows(ax: Axes, table: pd.DataFrame, tests: pd.DataFrame) -> None:
    names = list(dict.fromkeys(table["window"]))
    groups = [1 - table["value"][table["window"] == name].dropna().to_numpy(float) for name in names]
    for position, values in enumerate(groups):
        jitter = np.linspace(-0.22, 0.22, len(values)) if len(values) > 1 else [0.0]
        x = position + np.random.default_rng(position).permutation(jitter)
        ax.scatter(x, values, s=6, color=COLOURS[0], alpha=0.6, linewidths=0, rasterized=True)
    black = {"color": "black", "linewidth": 0.9}
    hidden = {"visible": False}
    ax.boxplot(
        groups,
        positions=range(len(names)),
        widths=0.6,
        showfliers=False,
        showcaps=False,
        whis=0,
        boxprops=black,
        medianprops=black,
        whiskerprops=hidden,
    )
    ax.axhline(0, color=BASELINE, linewidth=1.2)
    counted = [f"{name}\n({len(values)})" for name, values in zip(names, groups, strict=True)]
    ax.set_xticks(range(len(names)), [name.replace("same chromosome", "same\nchrom.") for name in counted])
    ax.set_ylabel("1 - correlation with the values\nimputed from all peaks")
    ax.ticklabel_format(axis="y", scilimits=(-3, 4))
    highest = max((values.max() for values in groups if len(values)), default=0.0)
    room = 0.12 * max(highest, 1e-12)
    ax.set_ylim(-0.4 * room, highest + (2.4 if len(tests) else 0.5) * room)
    bracket = highest + room * np.array([0.5, 0.8, 0.8, 0.5])
    for test in tests.dropna(subset=["p_value"]).to_dict("records"):
        a, b, p = names.index(test["window_a"]), names.index(test["window_b"]), test["p_value"]
        ax.plot([a + 0.1, a + 0.1, b - 0.1, b - 0.1], bracket, color="black", linewidth=0.6)
        weight = "bold" if p <= _SIGNIFICANT else "normal"
        ax.text((a + b) / 2, highest + room, f"p = {p:.2g}", ha="center", va="bottom", fontsize=6.5, fontweight=weight)
