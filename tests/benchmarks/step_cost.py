"""Cost of a training step against the same layers and losses written out plainly in torch.

Run by hand: ``python tests/benchmarks/step_cost.py [D_A D_B]``. Both are timed in turn, in one process, on the same
minibatch sizes; the medians and the median of the ratios are printed.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.model.build import build_model
from jamie.spec import load_spec
from jamie.training.batches import BatchMaker
from jamie.training.loop import Trainer
from jamie.training.objective import Objective, Term
from jamie.training.sampler import PairSampler

N_CELLS, BATCH, LATENT, ROUNDS = 1208, 512, 32, 40
WEIGHTS = {"kl": 1.0, "combination": 1000.0, "reconstruction": 31.25, "alignment": 31.25}


def data(dims: tuple[int, int]) -> tuple[dict[str, np.ndarray], Correspondences, Correspondences]:
    """Random cells, all of them matched, and a well filled inferred correspondence."""
    generator = np.random.default_rng(0)
    x = {m: generator.standard_normal((N_CELLS, d), dtype=np.float32) for m, d in zip("ab", dims, strict=True)}
    sizes = dict.fromkeys("ab", N_CELLS)
    known = Correspondence.from_pairs(range(N_CELLS), range(N_CELLS), (N_CELLS, N_CELLS))
    inferred = generator.random((N_CELLS, N_CELLS))
    inferred /= inferred.sum(1, keepdims=True)
    pair = ("a", "b")
    return x, Correspondences(sizes, {pair: known}), Correspondences(sizes, {pair: Correspondence(inferred)})


def jamie_step(x: dict[str, np.ndarray], known: Correspondences, inferred: Correspondences) -> Callable[[], None]:
    """One step of jamie's own loop."""
    spec = load_spec("paper", reads_data=False)
    n_features = {m: v.shape[1] for m, v in x.items()}
    terms = {name: Term(t.component.build(), t.weight, t.schedule.build()) for name, t in spec.losses.items()}
    sampler = PairSampler(known, inferred, BATCH, np.random.default_rng(0))
    model = build_model(spec, n_features, n_features)
    maker = BatchMaker(x, x, known, inferred)
    trainer = Trainer(model, Objective(terms, 1), sampler, maker, spec.training, Context())
    trainer.trained.train()
    return lambda: trainer._step(WEIGHTS) and None


def plain_step(x: dict[str, np.ndarray], inferred: Correspondences) -> Callable[[], None]:
    """The same in plain torch, for two modalities whose cells are matched row by row."""

    def hidden(*widths: int) -> list[nn.Module]:
        pairs = pairwise(widths)
        return [layer for i, o in pairs for layer in (nn.Linear(i, o), nn.BatchNorm1d(o), nn.LeakyReLU())]

    data = [torch.as_tensor(v) for v in x.values()]
    dims = [v.shape[1] for v in data]
    encoders = nn.ModuleList(nn.Sequential(*hidden(d, 2 * d, d, LATENT)) for d in dims)
    means = nn.ModuleList(nn.Linear(LATENT, LATENT) for _ in dims)
    logvars = nn.ModuleList(nn.Linear(LATENT, LATENT) for _ in dims)
    decoders = nn.ModuleList(nn.Sequential(*hidden(LATENT, d, 2 * d), nn.Linear(2 * d, d)) for d in dims)
    weight = nn.Parameter(torch.zeros(2))
    parameters = [weight, *(p for part in (encoders, means, logvars, decoders) for p in part.parameters())]
    optimizer = torch.optim.Adam(parameters, lr=1e-3, fused=True)
    f_tilde = torch.as_tensor(inferred.between("a", "b").matrix.toarray())
    f_all = torch.eye(N_CELLS)

    def step() -> None:
        cells = torch.randperm(N_CELLS)[:BATCH]
        batch = [v[cells] for v in data]
        f, t = f_all[cells][:, cells], f_tilde[cells][:, cells]
        h = [e(b) for e, b in zip(encoders, batch, strict=True)]
        mu = [m(v) for m, v in zip(means, h, strict=True)]
        lv = [m(v) for m, v in zip(logvars, h, strict=True)]
        z = [m + torch.exp(0.5 * v) * torch.randn_like(m) for m, v in zip(mu, lv, strict=True)]
        delta = torch.exp(weight[1] - weight[0])
        m_a = (z[0] + delta * f @ z[1]) / (1 + delta * f.sum(1, keepdim=True))
        m_b = (z[1] + f.T @ z[0] / delta) / (1 + f.sum(0)[:, None] / delta)
        decoded = [d(m) for d, m in zip(decoders, (m_a, m_b), strict=True)]
        kl: Tensor = sum(-0.5 * (1 + v - m.square() - v.exp()).mean() for m, v in zip(mu, lv, strict=True))
        combination = (z[0] - m_a).square().mean() + (z[1] - m_b).square().mean()
        reconstruction = sum((b - d).square().mean() for b, d in zip(batch, decoded, strict=True))
        alignment = (m_a - t / t.sum(1, keepdim=True) @ m_b).square().mean()
        total = kl + 1000 * combination + 31.25 * reconstruction + 31.25 * alignment
        optimizer.zero_grad(set_to_none=True)
        total.backward()
        nn.utils.clip_grad_norm_(parameters, 31.25)
        optimizer.step()
        total.item()

    return step


def timed(step: Callable[[], None]) -> float:
    """Seconds that one step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def main() -> None:
    """Print the medians and their ratio."""
    dims = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (512, 29)
    x, known, inferred = data(dims)
    ours, plain = jamie_step(x, known, inferred), plain_step(x, inferred)
    for step in (ours, plain, ours, plain, ours, plain):
        step()
    pairs = [(timed(ours), timed(plain)) for _ in range(ROUNDS)]
    medians = [1000 * statistics.median(side) for side in zip(*pairs, strict=True)]
    ratio = statistics.median(a / b for a, b in pairs)
    print(f"features {dims}: jamie {medians[0]:.1f} ms, plain torch {medians[1]:.1f} ms, median ratio {ratio:.3f}")


if __name__ == "__main__":
    main()
