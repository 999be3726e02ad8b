"""Every modality must be connected with another, by known pairs or an inference that is used."""

import logging

import pytest

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.errors import DataError
from jamie.correspondence.connectivity import require_connected_modalities
from jamie.spec import load_spec

SIZES = {"rna": 4, "atac": 5, "protein": 6}


def known(*pairs):
    return Correspondences(SIZES, {(a, b): Correspondence.from_pairs([0], [1], (SIZES[a], SIZES[b])) for a, b in pairs})


def spec(infer=None, rho=1.0):
    """With the losses of the default but alignment, which reads what was inferred."""
    settings = {"correspondence": {"infer": infer, "rho": rho}, "losses": {"alignment": None}}
    return load_spec(settings, reads_data=False)


def test_a_chain_of_pairs_connects_three_modalities():
    require_connected_modalities(known(("rna", "atac"), ("atac", "protein")), spec())


def test_a_loose_modality_is_named():
    with pytest.raises(DataError, match=r"found none between protein and rna, atac\n  leave protein out"):
        require_connected_modalities(known(("rna", "atac")), spec())


def test_nothing_known_and_nothing_inferred():
    with pytest.raises(DataError, match=r"no pair of cells is known and none is to be inferred"):
        require_connected_modalities(known(), spec())


def test_an_inference_that_nothing_uses_connects_nothing():
    with pytest.raises(DataError, match=r"used by no loss, and rho = 1 leaves it out .*; no pair is known either"):
        require_connected_modalities(known(), spec(infer="unioncom"))


def test_an_inference_in_vain_beside_known_pairs_is_a_warning(caplog):
    with caplog.at_level(logging.WARNING, "jamie"):
        require_connected_modalities(known(("rna", "atac"), ("atac", "protein")), spec(infer="unioncom"))
    assert "the inferred correspondence is used by no loss" in caplog.text


def test_an_inference_that_is_used_connects_every_two_modalities():
    require_connected_modalities(known(), spec(infer="unioncom", rho=0.5))
