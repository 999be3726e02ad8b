"""Step sizes over training."""

import pytest

from jamie.training.rate_schedules import ConstantRate, CosineRate, OneCycle


def test_cosine_falls_from_one_through_a_half_to_nothing():
    assert [CosineRate()(done) for done in (0, 0.5, 1)] == pytest.approx([1, 0.5, 0])


def test_one_cycle_rises_and_then_falls_to_nothing():
    assert [OneCycle()(done) for done in (0, 0.15, 0.3, 0.65, 1)] == pytest.approx([0.04, 0.52, 1, 0.5, 0])
    assert [OneCycle(warm_up=0.5, start=0.5)(done) for done in (0, 0.25, 0.5, 0.75)] == pytest.approx(
        [0.5, 0.75, 1, 0.5]
    )
    assert OneCycle(warm_up=0)(0) == 1


def test_a_constant_rate_stays():
    assert {ConstantRate()(done) for done in (0, 0.4, 1)} == {1.0}
