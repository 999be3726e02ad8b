r"""Leading singular vectors of sparse centred cells, by a block Krylov method of few passes.

With B the centred cells, the space of :math:`Q, B B^\top Q, (B B^\top)^2 Q, \dots` for a random start Q holds the
leading left singular vectors ever more exactly; B is multiplied, never formed. Where there are fewer features than
cells, :math:`B^\top B` takes the place of :math:`B B^\top`.

References
----------
Musco and Musco (2015), Randomized block Krylov methods. arXiv:1504.05477
Golub and Underwood (1977), The block Lanczos method. 10.1016/B978-0-12-587260-7.50018-2
"""

from __future__ import annotations

import logging
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from jamie.core.lazy_rows import LazyRows

BLOCK = 16  # vectors multiplied at a time: sparse products are then fastest
ANGLE = 5e-4  # from the exact component, which each has to be within
RESIDUAL = 0.05  # relative residual that is enough after so many products of a stored value and a number:
MOST_PRODUCTS = 4e9
_ROUNDING = 1e-7

log = logging.getLogger(__name__)

Doubles = NDArray[np.float64]


def truncated_svd(X: LazyRows, mean: Doubles, k: int) -> tuple[Doubles, Doubles]:
    """Right singular vectors (k, p) and singular values (k,) of sparse cells less their mean, the same for the same X.

    They are exact but for an angle of less than 1e-3. Of very large matrices only those are that stand out: in noise,
    of which all components explain nearly the same, the singular values are exact to one in a hundred, and the
    components are mixtures.

    Parameters
    ----------
    X : (n, p)
        The cells.
    mean : (p,)
        Of each feature.
    k
        How many, fewer than n and no more than p.
    """
    n, p = X.shape
    if p < n:
        components = _leading(lambda Q: X.normal_times(Q, mean).astype(np.float64), p, k, MOST_PRODUCTS / X.nnz)
        scores = X.times(components) - (mean @ components).astype(np.float32)
        _, values, right = linalg.svd(linalg.qr(scores.astype(np.float64), mode="r")[0][:k])
        return _with_signs(right @ components.T), values
    left = _leading(lambda Y: _centred(X.times(X.transposed_times(_centred(Y)))), n, k, MOST_PRODUCTS / X.nnz)
    components, triangle = linalg.qr(
        X.transposed_times(_centred(left)).astype(np.float64), mode="economic", overwrite_a=True
    )
    rotation, values, _ = linalg.svd(triangle)
    return _with_signs((components @ rotation).T), values


def _leading(multiply: Callable[[Doubles], Doubles], size: int, k: int, most_exact: float) -> Doubles:
    """Leading eigenvectors (size, k) of a symmetric matrix that can only be multiplied.

    They are exact if so many products with a vector are enough for it.
    """
    basis = linalg.qr(_centred(np.random.default_rng(0).normal(size=(size, BLOCK))), mode="economic")[0]
    T = np.zeros((0, 0))
    while (m := basis.shape[1]) <= size - 2 * BLOCK:
        product = multiply(basis[:, m - BLOCK :])
        T = np.pad(T, (0, m - len(T)))
        T[:, m - BLOCK :] = basis.T @ product
        T[m - BLOCK :] = T[:, m - BLOCK :].T
        rest = _without(product, basis)
        following, coupling = linalg.qr(rest, mode="economic")
        if m > k:
            values, vectors = linalg.eigh(T, subset_by_index=(m - k - 1, m - 1))
            values, vectors = values[::-1], vectors[:, ::-1]
            residual = np.linalg.norm(coupling @ vectors[m - BLOCK :, :k], axis=0)
            exact = residual <= ANGLE * (values[:-1] - values[-1])
            good = exact | (residual <= RESIDUAL * values[:-1]) if m > most_exact else exact
            if good.all() or np.abs(coupling).max() <= _ROUNDING * values[0]:  # then there is no further direction
                if not exact.all():
                    log.info("%d of %d components are mixtures of some that explain as much", (~exact).sum(), k)
                return np.asarray(basis @ vectors[:, :k])
        following = linalg.qr(_without(following, basis), mode="economic")[0]
        basis = np.hstack([basis, following])
    whole = multiply(np.eye(size))
    return np.asarray(linalg.eigh(whole + whole.T, subset_by_index=(size - k, size - 1))[1][:, ::-1])


def _without(Y: Doubles, basis: Doubles) -> Doubles:
    """Y (size, b) less its part in an orthonormal basis (size, m), twice against rounding."""
    Y = Y - basis @ (basis.T @ Y)
    return Y - basis @ (basis.T @ Y)


def _centred(Y: NDArray[np.floating]) -> Doubles:
    values = Y.astype(np.float64)
    values -= values.mean(axis=0)
    return values


def _with_signs(components: Doubles) -> Doubles:
    """Components (k, p) with their largest entry above 0."""
    largest = np.abs(components).argmax(axis=1)
    return components * np.sign(components[np.arange(len(components)), largest])[:, None]
