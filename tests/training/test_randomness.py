import torch

from jamie.core.context import Context
from jamie.training.randomness import seeded


def test_the_seed_decides_what_torch_draws_and_the_caller_s_generator_is_left_alone():
    drawn, before = [], torch.get_rng_state()
    for seed in (1, 1, 2):
        with seeded(Context(seed=seed)):
            drawn.append(torch.rand(4))
    torch.testing.assert_close(drawn[0], drawn[1])
    assert not torch.equal(drawn[0], drawn[2])
    assert torch.equal(before, torch.get_rng_state())
