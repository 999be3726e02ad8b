"""The features that matter most for each of several targets, side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.core.explanation import Explanation
from jamie.pl.explanations import explained_targets, shapley_values
from jamie.pl.style import apply_style, get_figure, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_WHERE = "shap_heatmap"


@apply_style
def shap_heatmap(
    explanation: Explanation, *, n_features: int = 25, n_targets: int = 20, ax: Axes | None = None
) -> Axes:
    """Draw the mean absolute Shapley values of features for targets, above 0 where more of a feature raises a target.

    They are in standard deviations of the target's predictions, so that targets of any unit can be compared.

    Parameters
    ----------
    explanation
        By ``shap``.
    n_features
        Features: those with the largest value for any target, taken in turn from all targets.
    n_targets
        Targets, the first ones.
    ax
        Where to draw; a new figure by default.

    Raises
    ------
    MissingResultError
        Where there are no Shapley values.
    """
    targets = explained_targets(explanation, _WHERE)[:n_targets]
    strength, names = _strengths(explanation, targets)
    shown = _best_in_turn(np.abs(strength), n_features)
    here = panels(1, ax, width=1.9 + 0.21 * len(shown), height=1.1 + 0.24 * len(targets))[0]
    limit = float(np.abs(strength[:, shown]).max()) or 1.0
    image = here.imshow(strength[:, shown], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    here.set_xticks(range(len(shown)), [shorten(names[j]) for j in shown], rotation=90)
    here.set_yticks(range(len(targets)), [shorten(name) for name in targets])
    here.tick_params(length=0)
    here.spines[:].set_visible(False)
    bar = get_figure(here).colorbar(image, ax=here, pad=0.02, fraction=0.04)
    bar.set_label("Shapley values, mean size\n(sd of the prediction)")
    bar.outline.set_visible(False)
    return here


def _strengths(explanation: Explanation, targets: list[str]) -> tuple[NDArray[np.floating], NDArray[np.str_]]:
    """(t, p) mean absolute values with the sign of their correlation with the feature, and names of the features."""
    rows = []
    for target in targets:
        of = shapley_values(explanation, target, _WHERE)
        x, phi = of.X - of.X.mean(axis=0), of.values - of.values.mean(axis=0)
        sign = np.where((x * phi).sum(axis=0) < 0, -1.0, 1.0)
        rows.append(sign * np.abs(of.values).mean(axis=0) / max(float(of.prediction.std()), 1e-12))
        names = of.features
    return np.array(rows), names


def _best_in_turn(strength: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """Take the best feature of each target, then the second best, until there are `n`; in the order of the targets."""
    order = np.argsort(-strength, axis=1, kind="stable")
    taken = list(dict.fromkeys(order.T.ravel().tolist()))[:n]
    best_of = strength[:, taken].argmax(axis=0)
    by_target = np.lexsort((-strength[best_of, taken], best_of))
    return np.array(taken)[by_target]
