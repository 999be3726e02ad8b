"""Cost of a training step against the same layers and losses written out plainly in torch, and against bare products.

Run by hand: ``OMP_NUM_THREADS=1 python tests/benchmarks/step_cost.py [D_A D_B]``. With 512 features, layers are
512 to 1024 to 512 wide, and back. All steps are timed in turn, in one process, on the same minibatch sizes. Printed
are the medians, the median of the ratios to plain torch in float32, and the floating-point operations per second of the
products with weights (forward, and backward to weights and inputs): of a step, which does more than these, and of the
products alone.
"""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Cells, View
from jamie.core.interfaces.sampler import CellPool
from jamie.model.build import build_model
from jamie.spec import load_spec
from jamie.training.loop import Member, Trainer
from jamie.training.minibatches import Minibatches
from jamie.training.objective import Objective, Term
from jamie.training.pair_sampler import PairSampler

N_CELLS, BATCH, LATENT, ROUNDS = 1208, 512, 32, 40
PRECISIONS = {"float32": torch.float32, "bfloat16": torch.bfloat16}
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


def jamie_trainer(
    x: dict[str, np.ndarray], known: Correspondences, inferred: Correspondences, precision: str
) -> Trainer:
    """The paper's settings, ready for a step of jamie's own loop."""
    spec = load_spec("paper", {"training.precision": precision}, reads_data=False)
    n_features = {m: v.shape[1] for m, v in x.items()}
    terms = {name: Term(t.component.build(), t.weight, t.schedule.build()) for name, t in spec.losses.items()}
    model = build_model(spec, n_features, n_features)
    views = {m: View(m, Block(v, pd.RangeIndex(v.shape[1])), v) for m, v in x.items()}
    sampler = PairSampler().start(CellPool(known, inferred, BATCH, np.random.default_rng(0)))
    member = Member(model, Objective(terms, 1), sampler, torch.Generator())
    trainer = Trainer([member], Minibatches(Cells(views, x, known), inferred), spec.training, Context())
    trainer.trained.train()
    return trainer


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


@dataclass(frozen=True)
class Product:
    """What a linear layer multiplies, (rows, n_in) with (n_in, n_out); `backward` if its input has a gradient too."""

    rows: int
    n_in: int
    n_out: int
    backward: bool

    @property
    def operations(self) -> int:
        """Of the product and of those for the gradients."""
        return 2 * self.rows * self.n_in * self.n_out * (3 if self.backward else 2)


def products_of(trainer: Trainer) -> list[Product]:
    """Read off what the linear layers multiply in a step."""
    found: list[Product] = []

    def note(layer: nn.Linear, inputs: tuple[Tensor], _: Tensor) -> None:
        found.append(Product(inputs[0].shape[0], layer.in_features, layer.out_features, inputs[0].requires_grad))

    hooks = [m.register_forward_hook(note) for m in trainer.model.modules() if isinstance(m, nn.Linear)]
    trainer._step(WEIGHTS, 0)
    for hook in hooks:
        hook.remove()
    return found


def bare(products: list[Product], dtype: torch.dtype) -> Callable[[], None]:
    """These products and nothing else, on matrices that lie ready."""
    shapes = [((p.rows, p.n_in), (p.n_out, p.n_in), (p.rows, p.n_out)) for p in products]
    matrices = [tuple(torch.randn(shape).to(dtype) for shape in three) for three in shapes]

    def multiply() -> None:
        for product, (x, weight, gradient) in zip(products, matrices, strict=True):
            torch.mm(x, weight.T)
            torch.mm(gradient.T, x)
            if product.backward:
                torch.mm(gradient, weight)

    return multiply


def timed(step: Callable[[], object]) -> float:
    """Seconds that one step takes."""
    started = time.perf_counter()
    step()
    return time.perf_counter() - started


def main() -> None:
    """Print the medians, their ratio, and operations per second."""
    dims = (int(sys.argv[1]), int(sys.argv[2])) if len(sys.argv) > 2 else (512, 512)
    x, known, inferred = data(dims)
    steps: dict[str, Callable[[], object]] = {"plain torch": plain_step(x, inferred)}
    for precision, dtype in PRECISIONS.items():
        trainer = jamie_trainer(x, known, inferred, precision)
        products = products_of(trainer)
        steps[f"jamie, {precision}"] = partial(trainer._step, WEIGHTS, 0)
        steps[f"bare products, {precision}"] = bare(products, dtype)
    seconds = {name: [] for name in steps}
    for _ in range(ROUNDS + 3):
        for name, step in steps.items():
            seconds[name].append(timed(step))
    operations = sum(product.operations for product in products)
    print(f"features {dims}, minibatches of {BATCH}, {operations / 1e9:.2f} GFLOP in a step's products with weights")
    plain = seconds["plain torch"][3:]
    for name, found in seconds.items():
        median = statistics.median(found[3:])
        ratio = statistics.median(a / b for a, b in zip(found[3:], plain, strict=True))
        rate = operations / median / 1e9
        print(f"{name:24} {1000 * median:8.1f} ms  {ratio:5.2f} x plain torch  {rate:7.1f} GFLOP/s")


if __name__ == "__main__":
    main()
