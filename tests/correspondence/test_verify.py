import logging
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from jamie.core.context import Context
from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import Block, Dataset, ModalityData, Split
from jamie.core.errors import DataError
from jamie.correspondence import verify
from jamie.correspondence.verify import verify_known_pairs
from jamie.preprocess.prepare import Prepared

ASIDE = 10  # cells that are held out


def measured(n, obs_a=None, obs_b=None, pairs=None, labels=("cell_type",), seed=0):
    """n cells in rna and protein, the last ten of them held out; `pairs` (n,) is the partner that is given for each."""
    rng = np.random.default_rng(seed)
    latent = rng.normal(size=(n, 3))
    scores = {m: np.float32(latent @ rng.normal(size=(3, d)) + 0.3 * rng.normal(size=(n, d))) for m, d in SIZES.items()}
    types = np.where(latent[:, 0] > 0, "T", "B")
    modalities = {}
    for m, obs in zip(SIZES, (obs_a, obs_b), strict=True):
        frame = pd.DataFrame({"cell_type": types, **(obs or {})}, index=[f"cell{i}" for i in range(n)])
        block = Block(scores[m], pd.Index([f"{m}{j}" for j in range(SIZES[m])]))
        modalities[m] = ModalityData(m, frame, block, block)
    partner = np.arange(n) if pairs is None else np.asarray(pairs)
    known = Correspondences(
        dict.fromkeys(SIZES, n), {tuple(SIZES): Correspondence.from_pairs(range(n), partner, (n, n))}
    )
    split = Split({m: np.arange(n) < n - ASIDE for m in SIZES})
    return Prepared(Dataset(modalities, known, known, tuple(labels)), split, {}, {}, scores, scores)


SIZES = {"rna": 6, "protein": 4}


def shuffled(n, seed=3):
    """A partner for each cell, at random among those that are not held out."""
    return np.r_[np.random.default_rng(seed).permutation(n - ASIDE), np.arange(n - ASIDE, n)]


def of_samples(n, *names):
    return {"sample": np.resize(np.repeat(names, -(-n // len(names))), n)}


def test_true_pairs_go_together(caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        (check,) = verify_known_pairs(measured(110), "refuse", Context())
    assert (check.verdict, check.pairs, check.evidence) == ("related", 100, ())
    assert check.quantile < 0.1
    assert "known pairs rna--protein: partners are related: mean quantile of the partner 0.0" in caplog.text
    assert all(record.levelno == logging.INFO for record in caplog.records)


def test_random_pairs_with_labels_are_refused():
    with pytest.raises(
        DataError,
        match=r"(?s)correspondence.known, modalities 'rna' and 'protein': expected pairs of the same cell, "
        r"found some that are no better than random:\n    all: mean quantile of the partner 0\.\d+ .*, 100 pairs; the "
        r"cell_type of partners agrees in \d+ %, as in random pairs\n.*correspondence.verify: warn",
    ):
        verify_known_pairs(measured(110, pairs=shuffled(110)), "refuse", Context())


def test_whoever_insists_is_warned_only(caplog):
    (check,) = verify_known_pairs(measured(110, pairs=shuffled(110)), "warn", Context())
    assert check.verdict == "false"
    assert "known pairs rna--protein, all: NO BETTER THAN RANDOM PAIRS" in caplog.text
    assert verify_known_pairs(measured(110, pairs=shuffled(110)), "none", Context()) == ()


def test_without_other_evidence_random_pairs_cannot_be_distinguished_from_weak_relations(caplog):
    (check,) = verify_known_pairs(measured(110, pairs=shuffled(110), labels=()), "refuse", Context())
    assert (check.verdict, check.evidence) == ("unclear", ())
    assert "either these modalities are hardly related, or the names agree" in caplog.text


def test_true_pairs_of_unrelated_modalities_pass():
    prepared = measured(110)
    unrelated = np.random.default_rng(5).normal(size=(110, 4)).astype(np.float32)
    (check,) = verify_known_pairs(
        replace(prepared, scores={**prepared.scores, "protein": unrelated}), "refuse", Context()
    )
    assert check.verdict == "unclear"


def test_random_pairs_across_samples_are_refused():
    one, other = of_samples(110, "S1"), of_samples(110, "S2")
    with pytest.raises(DataError, match="the sample of partners differs in 100 of 100, such as 'S1' and 'S2'"):
        verify_known_pairs(measured(110, one, other, shuffled(110), labels=()), "refuse", Context())


def test_samples_called_otherwise_in_each_modality_pass_where_partners_are_found(caplog):
    (check,) = verify_known_pairs(measured(110, of_samples(110, "gex"), of_samples(110, "adt")), "refuse", Context())
    assert check.verdict == "related"
    assert caplog.text == ""


def test_samples_in_another_order_are_named(caplog):
    """Cells of the second and the third sample have each other's names."""
    n, per = 180, 60
    order = np.r_[0:per, 2 * per : n, per : 2 * per]
    obs = of_samples(n, "S1", "S2", "S3")
    with pytest.raises(
        DataError, match=r"(?s)random:\n    sample 'S2': .*expected from .*\n    sample 'S3': "
    ) as raised:
        verify_known_pairs(measured(n, obs, obs, order, labels=()), "refuse", Context())
    assert "the sample of partners differs in 50 of 50, such as 'S2' and 'S3'" in str(raised.value)
    assert "'S1':" not in str(raised.value)


def test_samples_in_their_order_pass(caplog):
    obs = of_samples(180, "S1", "S2", "S3")
    checks = verify_known_pairs(measured(180, obs, obs), "refuse", Context())
    assert [(one.group, one.verdict) for one in checks] == [
        ("", "related"),
        *((f"sample 'S{k}'", "related") for k in (1, 2, 3)),
    ]
    assert checks[1].as_dict().keys() == {"a", "b", "group", "pairs", "verdict", "quantile", "error", "expected"}
    assert caplog.text == ""


def test_a_sample_in_which_nothing_was_measured_is_not_called_false():
    obs = of_samples(180, "S1", "S2", "S3")
    prepared = measured(180, obs, obs, labels=())
    prepared.scores["protein"][60:120] = 0
    checks = verify_known_pairs(prepared, "refuse", Context())
    assert [one.verdict for one in checks] == ["related", "related", "unclear", "related"]


def test_a_few_pairs_tell_nothing(caplog):
    with caplog.at_level(logging.INFO, "jamie"):
        (check,) = verify_known_pairs(measured(59, pairs=shuffled(59)), "refuse", Context())
    assert check.verdict == "too few"
    assert "known pairs rna--protein: 49 are too few to decide whether they are true" in caplog.text


def test_held_out_cells_are_not_looked_at():
    prepared = measured(110)
    before = verify_known_pairs(prepared, "refuse", Context())
    for scores in prepared.scores.values():
        scores[-ASIDE:] = 1e6
    assert verify_known_pairs(prepared, "refuse", Context()) == before


def test_of_many_pairs_some_are_drawn(monkeypatch):
    monkeypatch.setattr(verify, "MOST_PAIRS", 60)
    (check,) = verify_known_pairs(measured(110), "refuse", Context())
    assert (check.pairs, check.verdict) == (60, "related")


def test_where_no_pair_is_known_there_is_nothing_to_say():
    prepared = measured(60)
    none = Correspondences(prepared.dataset.sizes)
    assert (
        verify_known_pairs(replace(prepared, dataset=replace(prepared.dataset, known=none)), "refuse", Context()) == ()
    )
