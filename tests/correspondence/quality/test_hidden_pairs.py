"""Known pairs that are hidden from an inferer say how good it is."""

import logging

import numpy as np
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences, Inferred
from jamie.core.errors import DataError
from jamie.core.interfaces import CorrespondenceInferer
from jamie.correspondence.infer import infer_all
from jamie.correspondence.quality.hidden_pairs import check_hidden_pairs


class ByScore(CorrespondenceInferer):
    """Matches cells with similar first scores; with `noise`, cells drawn at random."""

    name = "by_score"

    def __init__(self, *, noise: bool = False, uses_known: bool = True, fewest: int = 0) -> None:
        self.noise, self.uses_known, self.fewest = noise, uses_known, fewest
        self.n_known = []

    def _infer(self, a, b, known, context):
        if known.n_pairs < self.fewest:
            raise DataError("expected more known pairs", where="by_score")
        self.n_known.append(known.n_pairs)
        distances = np.abs(a.scores[:, :1] - b.scores[:, :1].T)
        values = context.generator().random(distances.shape) if self.noise else np.exp(-distances)
        ones = (np.ones(n) for n in distances.shape)
        return Inferred(Correspondence(values / values.max()), *ones)


@pytest.fixture
def sides(view_of):
    """60 cells of a, 80 of b, of which the first 60 are the same; 40 pairs known."""
    scores = np.random.default_rng(0).normal(size=(80, 3))
    known = Correspondence.from_pairs(np.arange(40), np.arange(40), (60, 80))
    return view_of("a", scores[:60]), view_of("b", scores), known


def checked(inferer, sides, fraction=0.2):
    a, b, known = sides
    context = Context(stage="here")
    return check_hidden_pairs(
        inferer, a, b, known, inferer.infer(a, b, known, context).correspondence, fraction, context
    )


def test_hidden_pairs_are_found_and_ranked_among_cells_without_a_known_partner(sides):
    inferer = ByScore()
    check = checked(inferer, sides)
    assert (check.checked_quantile, check.checked_top1) == (0, 1)
    assert check.better_than_chance
    # 8 of the 40 at a time, until 30 or more have been hidden: 32 are known, 28 and 48 cells have no partner
    assert inferer.n_known == [40, 32, 32, 32, 32]
    assert check.checked_pairs == 32
    assert check.checked_top1_chance == pytest.approx((1 / 28 + 1 / 48) / 2)


@pytest.mark.parametrize("uses_known", [True, False])
def test_noise_is_no_better_than_chance(sides, uses_known):
    check = checked(ByScore(noise=True, uses_known=uses_known), sides)
    assert not check.better_than_chance
    assert check.checked_quantile == pytest.approx(0.5, abs=4 * check.checked_quantile_error)


def test_an_inferer_that_uses_no_pairs_is_judged_by_all_and_not_run_again(sides):
    inferer = ByScore(uses_known=False)
    assert checked(inferer, sides).checked_pairs == 40
    assert inferer.n_known == [0]


def test_of_many_cells_a_sample_is_checked_in_which_pairs_stay_together(sides, monkeypatch, caplog):
    monkeypatch.setattr("jamie.correspondence.quality.hidden_pairs.MOST_CELLS", 40)
    inferer = ByScore()
    with caplog.at_level(logging.INFO, "jamie"):
        check = checked(inferer, sides)
    assert (check.checked_quantile, check.checked_top1) == (0, 1)
    # half of 60, 80 and 40, but for chance
    assert 10 <= check.checked_pairs <= 30
    assert inferer.n_known[0] == 40
    assert max(inferer.n_known[1:]) <= 30
    assert "here: the check takes a sample of" in caplog.text


@pytest.mark.parametrize("fewest", [40, 33])
def test_too_few_pairs_to_hide_some_are_no_judgement(sides, caplog, fewest):
    with caplog.at_level(logging.INFO, "jamie"):
        assert checked(ByScore(fewest=fewest), sides) is None
    assert "here: the 40 known pairs are too few to hide some (expected more known pairs)" in caplog.text


def test_without_pairs_or_where_it_is_switched_off_nothing_is_judged(sides):
    a, b, known = sides
    assert checked(ByScore(), (a, b, Correspondence.empty(known.shape))) is None
    assert checked(ByScore(), sides, fraction=0) is None


@pytest.mark.parametrize("uses_known", [True, False])
def test_a_handful_of_pairs_is_no_evidence_against_an_inferer(sides, uses_known, caplog):
    a, b, _ = sides
    few = Correspondence.from_pairs(np.arange(4), np.arange(4), (60, 80))
    with caplog.at_level(logging.WARNING, "jamie"):
        found = inference(ByScore(noise=True, uses_known=uses_known), (a, b, few), check_fraction=0.2)
    assert found.at_chance == []
    assert "the 4 known pairs are too few to say how good the inferred correspondence is" in caplog.text


def inference(inferer, sides, **options):
    a, b, known = sides
    pairs = Correspondences({"a": 60, "b": 80}, {("a", "b"): known})
    return infer_all({"a": a, "b": b}, pairs, inferer, Context(), **options)


def test_what_is_at_chance_is_said_and_can_be_left_out(sides, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        found = inference(ByScore(noise=True), sides, check_fraction=0.2)
    assert (
        "correspondence a--b: the inferred correspondence is NO BETTER THAN CHANCE at finding 32 known" in caplog.text
    )
    assert found.at_chance == [("a", "b")]
    assert found.correspondences.n_pairs > 0
    assert found.above_chance().n_pairs == 0
    assert found.above_chance().sizes == {"a": 60, "b": 80}


def test_what_is_better_than_chance_stays(sides, caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        found = inference(ByScore(), sides, check_fraction=0.2)
    assert found.above_chance().n_pairs == found.correspondences.n_pairs > 0
    assert found.inferred["a", "b"].diagnostics["checked_pairs"] == 32
    assert not caplog.text


def test_that_nothing_is_known_is_said_too(sides, caplog):
    a, b, known = sides
    with caplog.at_level(logging.WARNING, "jamie"):
        found = inference(ByScore(), (a, b, Correspondence.empty(known.shape)), check_fraction=0.2)
    assert "there is no known pair to say how good the inferred correspondence is" in caplog.text
    assert found.at_chance == []


def test_where_every_cell_has_its_partner_nothing_is_inferred(sides):
    a, b, _ = sides
    every = Correspondence.from_pairs(np.arange(60), np.arange(60), (60, 80))
    inferer = ByScore()
    found = inference(inferer, (a, b, every), check_fraction=0.2)
    assert inferer.n_known == []
    assert found.correspondences.n_pairs == 0
    assert found.inferred["a", "b"].diagnostics["picked"] == "nothing"
    blind = inference(ByScore(uses_known=False), (a, b, every))
    assert blind.correspondences.n_pairs > 0
