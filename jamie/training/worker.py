"""A process that trains members of an ensemble for the first one: ``python -m jamie.training.worker DEVICE``."""

from __future__ import annotations

import os
import signal
import sys
import threading

import torch

from jamie.training.processes import is_broken_connection, join_started
from jamie.training.train import train_task


def serve(device: str) -> int:
    """Train what the first process sends, until it has no more; return the exit code.

    Parameters
    ----------
    device
        ``"cpu"``, or ``"cuda"`` for the GPU that has the number of this process on its machine.
    """
    if torch.device(device).type == "cuda":
        device = f"cuda:{os.environ['LOCAL_RANK']}"
        torch.cuda.set_device(device)
    world = join_started(device)
    try:
        while (task := world.share_task()) is not None:
            train_task(task, world, device)
    except Exception as error:
        if not (isinstance(error, RuntimeError) and is_broken_connection(error)):  # else another process was lost
            world.tell(error)
        return 1
    world.end()
    return 0


def _end_with_parent() -> None:
    os.read(sys.stdin.fileno(), 1)
    os._exit(1)


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C stops the first process, which ends this one
    threading.Thread(target=_end_with_parent, daemon=True).start()
    sys.exit(serve(sys.argv[1]))
