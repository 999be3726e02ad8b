"""Known pairs that are not true, from the data to the end of a run."""

import json

import numpy as np

from tests.conftest import few_cells

N = 150


def shuffled_cells():
    """Cells of protein under the names of others, with their own labels."""
    modalities = few_cells(N)
    order = np.random.default_rng(1).permutation(N)
    modalities["protein"].obs_names = modalities["protein"].obs_names[order]
    return modalities


def test_false_pairs_stop_a_run_before_it_trains(place):
    place.refused(place.run(shuffled_cells()), "found some that are no better than random:\n    all: mean quantile")
    assert not (place.out / "model").exists()


def test_false_pairs_are_used_where_the_user_insists(place):
    done = place.run(shuffled_cells(), correspondence={"verify": "warn"})
    place.works(done, "known pairs rna--protein, all: NO BETTER THAN RANDOM PAIRS")
    (check,) = json.loads((place.out / "pairing.json").read_text())["verified"]
    assert (check["verdict"], check["pairs"]) == ("false", N)


def test_false_pairs_stop_a_run_that_only_infers(place):
    known_pairs = {"holdout": {"fraction": 0}, "known_pairs": {"fraction": 0.8}}
    done = place.run(shuffled_cells(), until="correspondence", evaluate=known_pairs)
    place.refused(done, "correspondence.verify: warn")
