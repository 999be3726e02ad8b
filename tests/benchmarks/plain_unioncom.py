"""UnionCom's problem solved as its paper does: dense, a fixed number of primal-dual steps. An oracle, not for use.

A file of ``plugins:`` with the correspondence `plain_unioncom`; `unioncom_cost.py` and the tests compare with it.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from pydantic import PositiveInt
from torch import Tensor

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Inferred
from jamie.core.data import View
from jamie.core.interfaces import CorrespondenceInferer, Distance
from jamie.correspondence.couplings.coupling import inferred_from, project_
from jamie.correspondence.distances.geodesic import Geodesic
from jamie.correspondence.unioncom import relative_objective

STEP, RHO = 0.01, 10.0
DECAY, DECAY_OF_SQUARES = 0.9, 0.999  # Adam's
SETTLING = 0.2  # part of the iterations for which alpha stays at 1
LOOK = 100  # iterations between two reports


class PlainUnionCom(CorrespondenceInferer):
    """Eq. 8 by the published dense primal-dual iteration, a fixed number of steps.

    Parameters
    ----------
    distance : Distance
        Distances between the cells of one modality.
    iterations : int
        Steps.
    """

    name = "plain_unioncom"
    references = ("10.1093/bioinformatics/btaa443",)
    uses_known = False

    def __init__(self, *, distance: Distance = Geodesic(), iterations: PositiveInt = 2000) -> None:
        self.distance = distance
        self.iterations = iterations

    @classmethod
    def test_params(cls) -> dict[str, int]:
        return {"iterations": 200}

    def _infer(self, a: View, b: View, known: Correspondence, context: Context) -> Inferred:
        transposed = a.n_cells > b.n_cells
        x, y = (b, a) if transposed else (a, b)
        K_x, K_y = (torch.as_tensor(self.distance.pairwise(v), dtype=torch.float32).div_(y.n_cells) for v in (x, y))

        def report(step: int, relative: float, F: Tensor) -> None:
            context.progress("correspondence", step, self.iterations, {"objective": relative})

        F = solve(K_x, K_y, self.iterations, report)
        row, column = residuals(F)
        found = {
            "objective": relative_objective(K_x, K_y, F)[0],
            "plain_row_residual": row,
            "plain_column_residual": column,
        }
        project_(F, torch.ones_like(F[0]), max_iterations=2000)
        return inferred_from(F.numpy(), transposed, found)


def residuals(F: Tensor) -> tuple[float, float]:
    """How far the row sums are from 1, and by how much the largest column sum exceeds 1."""
    return float((F.sum(1) - 1).abs().max()), max(float(F.sum(0).max()) - 1, 0.0)


def solve(
    X: Tensor, Y: Tensor, iterations: int, report: Callable[[int, float, Tensor], None] = lambda *values: None
) -> Tensor:
    """Minimise the augmented Lagrangian of eq. 8 over F >= 0, alpha and the slack s >= 0 of the column sums.

    L = ||alpha K_x - F K_y F^T||^2 + mu^T (F 1 - 1) + lambda^T (F^T 1 + s - 1)
        + rho / 2 (||F 1 - 1||^2 + ||F^T 1 + s - 1||^2)

    F takes steps of Adam and is then cut off at 0; mu and lambda ascend; s and alpha are the best for this F. Three
    products cost n^3 each; written out term by term, as the published package does, the gradient takes six.

    Parameters
    ----------
    X : (n_x, n_x)
    Y : (n_y, n_y)
        Distances over the number of cells of the larger modality, n_x <= n_y.
    iterations
        Steps.
    report
        Given the iteration, ||alpha K_x - F K_y F^T|| / ||F K_y F^T|| and F, every `LOOK` steps.

    Returns
    -------
    (n_x, n_y) tensor, which need not meet the constraints.
    """
    n_x, n_y = len(X), len(Y)
    F = torch.zeros(n_x, n_y)
    first, second = torch.zeros_like(F), torch.zeros_like(F)
    mu, slack, dual = torch.zeros(n_x, 1), torch.zeros(n_y), torch.zeros(n_y)
    alpha, size = 1.0, float(X.square().sum())
    for step in range(1, iterations + 1):
        FY = F @ Y
        moved = FY @ F.T
        if step > SETTLING * iterations:
            alpha = max(float((X * moved).sum()) / size, 0.0)
        moved -= alpha * X
        gradient = 4 * moved @ FY
        gradient += mu + RHO * (F.sum(1, keepdim=True) - 1)
        gradient += dual + RHO * (F.sum(0) + slack - 1)
        first.mul_(DECAY).add_(gradient, alpha=1 - DECAY)
        second.mul_(DECAY_OF_SQUARES).addcmul_(gradient, gradient, value=1 - DECAY_OF_SQUARES)
        scale = (second / (1 - DECAY_OF_SQUARES**step)).sqrt_().add_(1e-8)
        F.addcdiv_(first, scale, value=-STEP / (1 - DECAY**step)).clamp_(min=0)
        slack = (1 - F.sum(0) - dual / RHO).clamp_(min=0)
        mu += STEP * (F.sum(1, keepdim=True) - 1)
        dual += STEP * (F.sum(0) + slack - 1)
        if step % LOOK == 0:
            report(step, relative_objective(X, Y, F)[0], F)
    return F
