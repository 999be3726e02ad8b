"""UnionCom's problem, the paper's eq. 8: its objective, its gradient and its descent.

With K_x = U diag(s) U^T and K_y = V diag(t) V^T of rank r, F K_y F^T is needed only through A = F V, and no product
costs more than n_x n_y r.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from jamie.correspondence.couplings.coupling import project_

MAX_EXPONENT = 3.0  # largest log-ratio by which one step changes an entry; larger steps end in worse optima
SLACK = 2e-3  # allowed excess of a column sum over 1 within the descent; with more, infeasible F block the descent
AIM = 3e-4  # tolerance of the projection: cheap with a warm start, and the next step starts closer
PROJECTING = 100  # iterations of the projection within a step
ROUNDING = 1e-6
WINDOW = 20
DENSE = 1000  # rows up to which all eigenvectors are computed
FIRST_RANK = 64  # initial number of columns in the search for the leading eigenvectors


@dataclass(frozen=True)
class LowRankMatrix:
    """A symmetric matrix as ``vectors @ diag(values) @ vectors.T``, largest values first.

    Parameters
    ----------
    vectors : (n, r)
    values : (r,)
    """

    vectors: Tensor
    values: Tensor

    @classmethod
    def of(cls, K: Tensor, tolerance: float) -> LowRankMatrix:
        """Keep the fewest eigenvectors that leave out at most `tolerance` of the Frobenius norm.

        Of a matrix with many rows only the leading eigenvectors are computed, by subspace iteration from its first
        columns, which are doubled until they suffice; rows should be in random order. Reference: Halko, Martinsson and
        Tropp, Finding structure with randomness, 10.1137/090771806.
        """
        total, left_out, rank = float(K.norm()) ** 2, 0.0, FIRST_RANK
        while len(K) > DENSE and 4 * rank <= len(K):
            basis = torch.linalg.qr(K @ torch.linalg.qr(K[:, :rank]).Q).Q
            values, rotation = torch.linalg.eigh(basis.T @ (K @ basis))
            # K - Q Q^T K Q Q^T is orthogonal to Q Q^T K Q Q^T, so that their squared norms add up to that of K
            left_out = max(total - float(values.double().square().sum()), 0.0)
            if left_out <= (tolerance**2 - ROUNDING) * total:
                vectors = basis @ rotation
                break
            rank *= 2
        else:
            left_out, (values, vectors) = 0.0, torch.linalg.eigh(K)
        order = values.abs().argsort(descending=True)
        return cls(vectors[:, order], values[order]).truncated(tolerance, left_out)

    def truncated(self, tolerance: float, left_out: float = 0.0) -> LowRankMatrix:
        """Leave out at most `tolerance` of the Frobenius norm; `left_out` of its square is missing already."""
        missing = self.values.double().square().flip(0).cumsum(0).flip(0) + left_out
        rank = max(int((missing > tolerance**2 * missing[0]).sum()), 1)
        return LowRankMatrix(self.vectors[:, :rank].contiguous(), self.values[:rank])


@dataclass(frozen=True)
class ObjectiveValue:
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
class UnionComProblem:
    """Eq. 8 for two factorized distance matrices."""

    x: LowRankMatrix
    y: LowRankMatrix

    def evaluate(self, F: Tensor) -> ObjectiveValue:
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
        return ObjectiveValue(objective, (objective / norm) ** 0.5 if norm > 0 else 0.0, alpha, A, B.to(A.dtype))

    @cached_property
    def _exact_vectors(self) -> Tensor:
        return self.x.vectors.double()

    def gradient(self, at: ObjectiveValue, out: Tensor) -> Tensor:
        """4 (F K_y F^T - alpha K_x) F K_y, written to `out` (n_x, n_y)."""
        weighted = at.A * self.y.values
        left = weighted @ (at.A.T @ weighted)
        left -= self.x.vectors @ (at.alpha * self.x.values[:, None] * at.B * self.y.values)
        return torch.matmul(left.mul_(4), self.y.vectors.T, out=out)


@dataclass(frozen=True)
class UnionComSolution:
    """Result of a descent.

    Parameters
    ----------
    F : (n_x, n_y)
    relative, alpha
        As in `ObjectiveValue`.
    iterations
        Number of steps.
    converged
        Whether the stopping rule was met within the allowed steps.
    """

    F: Tensor
    relative: float
    alpha: float
    iterations: int
    converged: bool


def descend(
    problem: UnionComProblem,
    F: Tensor,
    *,
    max_iterations: int,
    tolerance: float,
    report: Callable[[int, float, float], None],
) -> UnionComSolution:
    """Mirror descent from a coupling F, which is overwritten.

    F <- projection of F * exp(-step * gradient), where the projection (`project_`) restores the constraints, and alpha
    is the best for each F. The step grows while the objective falls; it is halved if the objective would rise or the
    constraints could not be restored. Entries that are 0 stay 0. One more array of the size of F is allocated.

    The descent ends if the objective has fallen by less than `tolerance` of itself over 20 steps.
    """
    work, columns, last_step = torch.empty_like(F), torch.ones_like(F[0]), 1.0
    current, step = problem.evaluate(F), 0.0
    history, given = [current.objective], F

    def solution(iteration: int, converged: bool) -> UnionComSolution:
        # in the caller's array, so that the other is freed
        result = F if F is given else given.copy_(F)
        return UnionComSolution(result, current.relative, current.alpha, iteration, converged)

    for iteration in range(1, max_iterations + 1):
        while True:
            slope = _write_slope(problem, current, work)
            step = min(step or 1 / slope, MAX_EXPONENT / slope)
            work.mul_(-step).exp_().mul_(F)
            # to first order, the logarithms of the scales grow with the step, which gives a warm start
            scales = columns ** (step / last_step)
            excess = project_(work, scales, max_iterations=PROJECTING, tolerance=AIM)
            proposal = problem.evaluate(work)
            if excess <= SLACK and proposal.objective <= current.objective * (1 + ROUNDING):
                break
            step /= 2
            if step * slope < 1e-6:
                # no smaller step descends: a stationary point, unless the constraints could not be restored
                return solution(iteration, excess <= SLACK)
        F, work, current, columns, last_step, step = work, F, proposal, scales, step, step * 1.3
        history.append(current.objective)
        report(iteration, current.relative, excess)
        if iteration >= WINDOW and history[-1 - WINDOW] - history[-1] <= tolerance * history[-1 - WINDOW]:
            return solution(iteration, True)
    return solution(max_iterations, False)


def _write_slope(problem: UnionComProblem, at: ObjectiveValue, out: Tensor) -> float:
    """Write the gradient to `out`, subtract its least entry from each row, and return the largest entry."""
    problem.gradient(at, out)
    out -= out.amin(dim=1, keepdim=True)
    return max(float(out.max()), torch.finfo(out.dtype).tiny)
