"""UnionCom's problem, the paper's eq. 8: its objective, its gradient and its descent.

With K_x = U diag(s) U^T and K_y = V diag(t) V^T of rank r, all that is needed of F K_y F^T is A = F V, and no product
costs more than n_x n_y r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from jamie.correspondence.couplings.coupling import project_

MAX_EXPONENT = 3.0  # largest log-ratio by which one step changes an entry; bolder steps end in worse optima
SLACK = 2e-3  # by which a column sum may exceed 1 on the way; looser, an F outside the constraints blocks the descent
AIM = 3e-4  # what the projection aims at: cheap from the scales of the step before, and the next step starts closer
PROJECTING = 100  # iterations of the projection within a step
ROUNDING = 1e-6
WINDOW = 20
DENSE = 1000  # rows up to which all eigenvectors are computed
FIRST_RANK = 64  # columns that the leading eigenvectors are first sought with


@dataclass(frozen=True)
class Factors:
    """A symmetric matrix as ``vectors @ diag(values) @ vectors.T``, largest values first.

    Parameters
    ----------
    vectors : (n, r)
    values : (r,)
    """

    vectors: Tensor
    values: Tensor

    @classmethod
    def of(cls, K: Tensor, tolerance: float) -> Factors:
        """Keep the fewest eigenvectors that leave out at most `tolerance` of the Frobenius norm.

        Of a matrix with many rows only the leading eigenvectors are computed, by subspace iteration from its first
        columns, which are doubled until they suffice; rows should be in no order. Reference: Halko, Martinsson and
        Tropp, Finding structure with randomness, 10.1137/090771806.
        """
        total, rank = float(K.norm()) ** 2, FIRST_RANK
        while len(K) > DENSE and 4 * rank <= len(K):
            basis = torch.linalg.qr(K @ torch.linalg.qr(K[:, :rank]).Q).Q
            values, turn = torch.linalg.eigh(basis.T @ (K @ basis))
            # K - Q Q^T K Q Q^T is orthogonal to Q Q^T K Q Q^T, so that their squared norms add up to that of K
            left_out = max(total - float(values.double().square().sum()), 0.0)
            if left_out <= (tolerance**2 - ROUNDING) * total:
                order = values.abs().argsort(descending=True)
                return cls((basis @ turn)[:, order], values[order]).truncated(tolerance, left_out)
            rank *= 2
        values, vectors = torch.linalg.eigh(K)
        order = values.abs().argsort(descending=True)
        return cls(vectors[:, order], values[order]).truncated(tolerance)

    def truncated(self, tolerance: float, left_out: float = 0.0) -> Factors:
        """Leave out at most `tolerance` of the Frobenius norm, of whose square `left_out` is missing already."""
        missing = self.values.double().square().flip(0).cumsum(0).flip(0) + left_out
        rank = max(int((missing > tolerance**2 * missing[0]).sum()), 1)
        return Factors(self.vectors[:, :rank].contiguous(), self.values[:rank])


@dataclass(frozen=True)
class Evaluation:
    """Eq. 8 at a coupling F.

    Parameters
    ----------
    objective
        ||alpha K_x - F K_y F^T||^2.
    relative
        ||alpha K_x - F K_y F^T|| / ||F K_y F^T||, which does not shrink with F.
    alpha
        The best for this F, trace(K_x F K_y F^T) / trace(K_x K_x), at least 0.
    A : (n_x, r_y)
        F V.
    B : (r_x, r_y)
        U^T F V.
    """

    objective: float
    relative: float
    alpha: float
    A: Tensor
    B: Tensor


@dataclass(frozen=True)
class Problem:
    """Eq. 8 for two factorized distance matrices."""

    x: Factors
    y: Factors

    def evaluate(self, F: Tensor) -> Evaluation:
        """Objective and alpha at F (n_x, n_y)."""
        A = F @ self.y.vectors
        # double precision from here on, which costs little: the objective is a small difference of large numbers
        exact = A.double()
        B = self._exact_vectors.T @ exact
        inner = (exact.T @ exact) * self.y.values.double()
        norm = float((inner * inner.T).sum())
        cross = float((self.x.values.double()[:, None] * B.square() * self.y.values.double()).sum())
        size = float(self.x.values.double().square().sum())
        alpha = max(cross / size, 0.0)
        objective = max(norm - alpha * cross, 0.0)
        return Evaluation(objective, (objective / norm) ** 0.5 if norm > 0 else 0.0, alpha, A, B.to(A.dtype))

    @cached_property
    def _exact_vectors(self) -> Tensor:
        return self.x.vectors.double()

    def gradient(self, at: Evaluation, out: Tensor) -> Tensor:
        """4 (F K_y F^T - alpha K_x) F K_y, written to `out` (n_x, n_y)."""
        weighted = at.A * self.y.values
        left = weighted @ (at.A.T @ weighted)
        left -= self.x.vectors @ (at.alpha * self.x.values[:, None] * at.B * self.y.values)
        return torch.matmul(left.mul_(4), self.y.vectors.T, out=out)


@dataclass(frozen=True)
class Solution:
    """Where a descent ended.

    Parameters
    ----------
    F : (n_x, n_y)
    relative
        As in `Evaluation`.
    alpha
        As in `Evaluation`.
    iterations
        Steps taken.
    converged
        Whether the stopping rule was met, not only the steps used up.
    """

    F: Tensor
    relative: float
    alpha: float
    iterations: int
    converged: bool


def descend(
    problem: Problem,
    F: Tensor,
    *,
    max_iterations: int,
    tolerance: float,
    report: Callable[[int, float, float], None],
) -> Solution:
    """Mirror descent from a coupling F, which is overwritten.

    F <- projection of F * exp(-step * gradient), the projection (`project_`) restoring the constraints and alpha
    being the best for each F. The step grows while the objective falls and is halved where it would rise or the
    constraints could not be restored. Entries that are 0 stay 0. One array of the size of F is held beside it.

    The descent ends where the objective has fallen by less than `tolerance` of itself over 20 steps.
    """
    work, columns, taken = torch.empty_like(F), torch.ones_like(F[0]), 1.0
    now, step = problem.evaluate(F), 0.0
    history, given = [now.objective], F

    def ended(iteration: int, converged: bool) -> Solution:
        # in the caller's array, so that the other is free again
        return Solution(F if F is given else given.copy_(F), now.relative, now.alpha, iteration, converged)

    for iteration in range(1, max_iterations + 1):
        while True:
            steepest = _slope(problem, now, work)
            step = min(step or 1 / steepest, MAX_EXPONENT / steepest)
            work.mul_(-step).exp_().mul_(F)
            # to first order, the logarithms of the scales grow with the step: those of the step before are close
            scales = columns ** (step / taken)
            excess = project_(work, scales, max_iterations=PROJECTING, tolerance=AIM)
            found = problem.evaluate(work)
            if excess <= SLACK and found.objective <= now.objective * (1 + ROUNDING):
                break
            step /= 2
            if step * steepest < 1e-6:
                # no smaller step descends: a stationary point, unless it was the constraints that refused
                return ended(iteration, excess <= SLACK)
        F, work, now, columns, taken, step = work, F, found, scales, step, step * 1.3
        history.append(now.objective)
        report(iteration, now.relative, excess)
        if iteration >= WINDOW and history[-1 - WINDOW] - history[-1] <= tolerance * history[-1 - WINDOW]:
            return ended(iteration, True)
    return ended(max_iterations, False)


def _slope(problem: Problem, at: Evaluation, out: Tensor) -> float:
    """Write the gradient to `out`, each row less its least entry, and return the largest."""
    problem.gradient(at, out)
    out -= out.amin(dim=1, keepdim=True)
    return max(float(out.max()), torch.finfo(out.dtype).tiny)
