"""Settings that a process has once, such as generators of random numbers: public calls leave them as they were."""

from __future__ import annotations

import random
import sys
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import wraps
from typing import ParamSpec, TypeVar

import numpy as np

P = ParamSpec("P")
R = TypeVar("R")


def keep_global_state(call: Callable[P, R]) -> Callable[P, R]:
    """Decorate a public function, so that libraries which it calls change no setting of its caller."""

    @wraps(call)
    def kept(*args: P.args, **kwargs: P.kwargs) -> R:
        with global_state_kept():
            return call(*args, **kwargs)

    return kept


@contextmanager
def global_state_kept() -> Iterator[None]:
    """Restore the generators and settings of Python, numpy, torch and matplotlib, and begin with numpy's own errors.

    Those are the states of the random generators, torch's number of threads, filters of warnings, and matplotlib's
    parameters. What a library that is imported meanwhile begins with stays.
    """
    with ExitStack() as stack:
        stack.callback(random.setstate, random.getstate())
        stack.callback(np.random.set_state, np.random.get_state())  # noqa: NPY002  what others draw from
        stack.enter_context(np.errstate(divide="warn", over="warn", under="ignore", invalid="warn"))
        stack.enter_context(warnings.catch_warnings())
        if (torch := sys.modules.get("torch")) is not None:
            stack.callback(torch.set_rng_state, torch.get_rng_state())
            if torch.cuda.is_initialized():
                stack.callback(torch.cuda.set_rng_state_all, torch.cuda.get_rng_state_all())
            stack.callback(_set_threads, torch.get_num_threads())
        if (matplotlib := sys.modules.get("matplotlib")) is not None:
            stack.enter_context(matplotlib.rc_context())
        yield


def _set_threads(number: int) -> None:
    torch = sys.modules["torch"]
    if torch.get_num_threads() != number:
        torch.set_num_threads(number)
