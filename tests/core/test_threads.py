"""Torch keeps its threads."""

import torch

from jamie.core.threads import torch_threads_kept


@torch_threads_kept()
def changed(n):
    torch.set_num_threads(n)
    return torch.get_num_threads()


def test_what_another_library_sets_is_set_back():
    before = torch.get_num_threads()
    assert changed(before + 1) == before + 1
    assert torch.get_num_threads() == before
