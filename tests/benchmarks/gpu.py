"""Training on a GPU: the numbers of the CPU, time of a step, and how far it uses the GPU.

Run by hand: ``python tests/benchmarks/gpu.py``, some minutes on one GPU; ``--dry`` tries the script itself on the CPU,
with little data. Cells are those of `processes.py`, networks and losses those of the default preset. Losses and
gradients of one minibatch, without noise, are compared with those of the CPU. Then steps are timed with 1, 5 and 20
networks side by side, and with 10^6 cells; beside each stand its products of matrices per second, as a part of what one
large product reaches, and the bytes per second that weights, gradients and moments alone take (ten passes over the
weights), as a part of what a copy reaches. No GPU has been measured by it yet.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import torch
from processes import make_cells
from torch.utils.flop_counter import FlopCounterMode

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.spec import load_spec
from jamie.training.loop import Trainer
from jamie.training.train import _build

DRY = "--dry" in sys.argv
DEVICE = "cpu" if DRY else "cuda"
N_CELLS, MANY_CELLS, STEPS, SIDE, COPIED = (
    (2000, 4000, 3, 256, 2**20) if DRY else (100_000, 1_000_000, 200, 8192, 2**28)
)
PASSES_OVER_WEIGHTS = 10  # forward and twice backward; gradient, weight and two moments read, and all but one written


def trainer_for(cells: Cells, members: int, device: str, precision: str = "float32") -> Trainer:
    """Networks of the same initial weights on any device."""
    settings = {"training.ensemble": members, "training.precision": precision, "correspondence.infer": None}
    context = Context(device=device)
    parts = _build(cells, None, load_spec({}, settings, reads_data=False), context)
    return Trainer(parts.members, parts.minibatches, parts.settings, context)


def losses_and_gradients(trainer: Trainer) -> dict[str, torch.Tensor]:
    """Of one minibatch, without dropout and with the means of the latents."""
    trainer.trained.eval()
    batch = trainer.minibatches.make([member.sampler.draw() for member in trainer.members])
    total, values = trainer.objective(batch, trainer.model(batch), trainer.objective.weights(20))
    total.sum().backward()
    named = trainer.trained.named_parameters()
    gradients = {f"gradient of {name}": p.grad for name, p in named if p.grad is not None}
    return {name: value.detach().cpu() for name, value in (values | gradients).items()}


def compare(cells: Cells) -> None:
    """Print the largest difference from the CPU, in parts of the largest value of each tensor."""
    expected, found = (losses_and_gradients(trainer_for(cells, 5, device)) for device in ("cpu", DEVICE))
    apart = {
        name: ((found[name] - one).abs().max() / one.abs().max().clamp(min=1e-6)).item()
        for name, one in expected.items()
    }
    worst = max(apart, key=lambda name: apart[name])
    print(f"losses and gradients differ from the CPU's by at most {apart[worst]:.1e} ({worst})")


def seconds(work: Callable[[], object], repeats: int) -> float:
    """Mean time, after a few rounds that are not counted."""
    for _ in range(3):
        work()
    _finish()
    started = time.perf_counter()
    for _ in range(repeats):
        work()
    _finish()
    return (time.perf_counter() - started) / repeats


def _finish() -> None:
    if not DRY:
        torch.cuda.synchronize()


def peaks() -> tuple[float, float]:
    """Operations per second of a large product in float32, and bytes per second of a copy."""
    a = torch.randn(SIDE, SIDE, device=DEVICE)
    values = torch.zeros(COPIED, device=DEVICE)
    copied = torch.empty_like(values)
    return 2 * SIDE**3 / seconds(lambda: a @ a, 10), 8 * COPIED / seconds(lambda: copied.copy_(values), 10)


def time_steps(cells: Cells, members: int, precision: str, peak: tuple[float, float]) -> None:
    """Print the time of a step, and how far it uses the device."""
    trainer = trainer_for(cells, members, DEVICE, precision)
    trainer.trained.train()
    weights = trainer.objective.weights(20)
    with FlopCounterMode(display=False) as counter:
        trainer._step(weights, 0)
    taken = seconds(lambda: trainer._step(weights, 0), STEPS)
    rate = counter.get_total_flops() / taken
    traffic = PASSES_OVER_WEIGHTS * 4 * sum(p.numel() for p in trainer.parameters) / taken
    print(
        f"{cells.known.sizes['a']:8} cells, {members:2} networks, {precision:8}: {1000 * taken:7.2f} ms a step, "
        f"{rate / 1e12:7.3f} TFLOP/s ({rate / peak[0]:.1%}), {traffic / 1e9:7.1f} GB/s ({traffic / peak[1]:.1%})"
    )


def main() -> None:
    """Print all comparisons."""
    if not DRY and not torch.cuda.is_available():
        sys.exit("expected a GPU, found none that torch can use; --dry tries this script on the CPU")
    print("dry, on the CPU" if DRY else torch.cuda.get_device_name(), "torch", torch.__version__)
    cells, peak = make_cells(N_CELLS), peaks()
    print(f"a large product reaches {peak[0] / 1e12:.2f} TFLOP/s, a copy {peak[1] / 1e9:.0f} GB/s")
    compare(cells)
    for members in (1, 5, 20):
        for precision in ("float32", "bfloat16"):
            time_steps(cells, members, precision, peak)
    time_steps(make_cells(MANY_CELLS), 5, "float32", peak)


if __name__ == "__main__":
    main()
