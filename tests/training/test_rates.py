"""Step sizes over training."""

import pytest

from jamie.training.rates import rate_factor


def test_cosine_falls_from_one_through_a_half_to_nothing():
    assert [rate_factor("cosine", done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])


def test_one_cycle_rises_and_then_falls_to_nothing():
    assert [rate_factor("one_cycle", done) for done in (0, 0.15, 0.3, 0.65, 1)] == pytest.approx(
        [0.04, 0.52, 1, 0.5, 0]
    )


def test_a_constant_rate_stays():
    assert {rate_factor("constant", done) for done in (0, 0.4, 1)} == {1.0}
