"""Shapley values of the top features for several targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from jamie.core.explanation import Explanation
from jamie.pl.explanations import TargetShapleyValues, explained_targets, shapley_values
from jamie.pl.style import apply_style, get_figure, panels, shorten

if TYPE_CHECKING:
    from matplotlib.axes import Axes


@apply_style
def shap_heatmap(
    explanation: Explanation, *, n_features: int = 25, n_targets: int = 20, ax: Axes | None = None
) -> Axes:
    """Plot the mean absolute Shapley value of features for targets, positive if a higher value raises the target.

    Values are in standard deviations of the predictions of each target, so that targets in different units compare.

    Parameters
    ----------
    explanation
        Explanation by ``shap``.
    n_features
        Number of features: the best of each target, then the second best, and so on.
    n_targets
        Number of targets.
    ax
        Axes to draw in; a new figure by default.

    Returns
    -------
    Axes
        The panel.

    Raises
    ------
    MissingResultError
        If there are no Shapley values.

    Examples
    --------
    >>> import jamie
    >>> ax = jamie.pl.shap_heatmap(shap, n_features=3)
    >>> len(ax.get_xticklabels())
    3
    """
    targets = explained_targets(explanation)[:n_targets]
    shapley = [shapley_values(explanation, target) for target in targets]
    effects = np.array(list(map(_signed_effects, shapley)))
    features = _top_features(np.abs(effects), n_features)
    ax = panels(1, ax, width=1.9 + 0.21 * len(features), height=1.1 + 0.24 * len(targets))[0]
    limit = float(np.abs(effects[:, features]).max()) or 1.0
    image = ax.imshow(effects[:, features], cmap="RdBu_r", vmin=-limit, vmax=limit, aspect="auto")
    ax.set_xticks(range(len(features)), [shorten(shapley[0].features[j]) for j in features], rotation=90)
    ax.set_yticks(range(len(targets)), [shorten(name) for name in targets])
    ax.tick_params(length=0)
    ax.spines[:].set_visible(False)
    bar = get_figure(ax).colorbar(image, ax=ax, pad=0.02, fraction=0.04)
    bar.set_label("mean absolute Shapley value\n(sd of the prediction)")
    bar.outline.set_visible(False)
    return ax


def _signed_effects(shapley: TargetShapleyValues) -> NDArray[np.floating]:
    """Return the mean absolute values (p,) with the sign of their correlation with the feature."""
    x, phi = shapley.X - shapley.X.mean(axis=0), shapley.values - shapley.values.mean(axis=0)
    sign = np.where((x * phi).sum(axis=0) < 0, -1.0, 1.0)
    scale = max(float(shapley.prediction.std()), 1e-12)
    effects: NDArray[np.floating] = sign * np.abs(shapley.values).mean(axis=0) / scale
    return effects


def _top_features(effects: NDArray[np.floating], n: int) -> NDArray[np.intp]:
    """Return `n` features: the best of each target, then the second best, and so on; ordered by target."""
    order = np.argsort(-effects, axis=1, kind="stable")
    top = list(dict.fromkeys(order.T.ravel().tolist()))[:n]
    best_target = effects[:, top].argmax(axis=0)
    by_target = np.lexsort((-effects[best_target, top], best_target))
    return np.array(top)[by_target]
