"""Randomness and memory of a run."""

from __future__ import annotations

import numpy as np
import pytest

from jamie.core.context import Context, physical_memory
from jamie.core.errors import MemoryLimitError


def draws(context):
    return context.generator().random(5)


def test_the_same_seed_and_stage_give_the_same_numbers_each_time():
    context = Context(seed=7, stage="data")
    np.testing.assert_array_equal(draws(context), draws(context))
    np.testing.assert_array_equal(draws(context), draws(Context(seed=7).for_stage("data")))


def test_another_seed_or_stage_gives_others():
    base = draws(Context(seed=7, stage="data"))
    assert not np.array_equal(base, draws(Context(seed=8, stage="data")))
    assert not np.array_equal(base, draws(Context(seed=7, stage="training")))


def test_another_stage_keeps_the_rest():
    context = Context(seed=7, device="cuda", memory_limit=5).for_stage("training")
    assert (context.seed, context.stage, context.device, context.memory_limit) == (7, "training", "cuda", 5)


def test_work_that_does_not_fit_is_refused_with_what_to_use_instead():
    context = Context(stage="correspondence", memory_limit=2**30)
    words = r"correspondence: a dense matrix would need 3\.5 GiB, more than the limit of 1\.0 GiB\n  use landmarks"
    with pytest.raises(MemoryLimitError, match=words):
        context.require_memory(int(3.5 * 2**30), "a dense matrix", "use landmarks")
    context.require_memory(2**30, "a dense matrix", "use landmarks")


def test_the_limit_is_half_of_the_memory_or_less_unless_given():
    assert 0 < Context().memory_limit <= physical_memory() // 2
    assert physical_memory() > 2**27


def test_progress_is_silent_unless_given():
    seen = []
    Context().progress("training", 1, 2, {})
    Context(progress=lambda *what: seen.append(what)).progress("training", 1, 2, {"kl": 0.5})
    assert seen == [("training", 1, 2, {"kl": 0.5})]
