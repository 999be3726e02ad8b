import logging

import pytest

from jamie.core.errors import DataError
from jamie.data.pairings.by_name import ByName
from jamie.data.pairings.none import NoPairing


def test_a_shared_name_is_one_cell(make):
    modalities = {"a": make.modality("a", "pqrs"), "b": make.modality("b", "sxq"), "c": make.modality("c", "q")}
    pairs = ByName().pairs(modalities)
    assert pairs.between("a", "b").matrix.toarray().tolist() == [[0, 0, 0], [0, 0, 1], [0, 0, 0], [1, 0, 0]]
    assert pairs.between("c", "b").matrix.toarray().tolist() == [[0, 0, 1]]


def test_a_chance_overlap_is_refused_unless_asked_for(make):
    modalities = {
        "a": make.modality("a", [f"x{i}" for i in range(100)]),
        "b": make.modality("b", ["x7", *(f"y{i}" for i in range(49))]),
    }
    with pytest.raises(
        DataError, match=r"(?s)'a' and 'b'.*found 1 of 50 \(2 %\); the first is 'x7'.*lower min_overlap"
    ):
        ByName().pairs(modalities)
    assert ByName(min_overlap=0.02).pairs(modalities).n_pairs == 1


def test_no_shared_name_is_refused(make):
    modalities = {"a": make.modality("a", "pq"), "b": make.modality("b", "xyz")}
    with pytest.raises(DataError, match=r"(?s)occur in two of a, b, found none .they look like 'p', 'x'.*known: none"):
        ByName().pairs(modalities)
    modalities["c"] = make.modality("c", "zw")
    assert ByName().pairs(modalities).n_pairs == 1


def test_names_that_may_only_count_rows_are_noted(make, caplog):
    modalities = {"a": make.modality("a", "0123"), "b": make.modality("b", "012")}
    with caplog.at_level(logging.WARNING, "jamie"):
        assert ByName().pairs(modalities).n_pairs == 3
    assert "'a' and 'b': cells are named by numbers, such as '0', and equal numbers are regarded as one" in caplog.text


def test_none_knows_nothing(make):
    assert NoPairing().pairs({"a": make.modality("a", "pq"), "b": make.modality("b", "pq")}).n_pairs == 0


BARCODES = ["AACCGGTTAACC", "CCAATTGGCCAA", "GTGTACACGTGT", "TTTTACGACGAC", "GACCCTTTAGAG", "CATCATCATGGG"]


def named(make, template, names=BARCODES):
    return [template.format(name) for name in names]


def test_no_shared_name_shows_the_rule_that_would_match(make):
    modalities = {"rna": make.modality("rna", named(make, "{}-1")), "atac": make.modality("atac", named(make, "{}"))}
    with pytest.raises(
        DataError,
        match=r"(?s)found none.*\n  correspondence.known: {by_name: {strip_suffix: true}} matches 6 of 6 cells of "
        r"'rna' and 6 of 6 of 'atac', such as 'AACCGGTTAACC-1' and 'AACCGGTTAACC'; or give their pairs .*known: none",
    ):
        ByName().pairs(modalities)


def test_the_rule_that_is_shown_keeps_the_settings_there_are(make):
    modalities = {"rna": make.modality("rna", named(make, "{}-1")), "atac": make.modality("atac", named(make, "s_{}"))}
    with pytest.raises(
        DataError, match=r"by_name: {min_overlap: 0.5, strip_suffix: true, strip_prefix: true}} matches 6 of 6"
    ):
        ByName(min_overlap=0.5, strip_suffix=True).pairs(modalities)


def test_too_few_shared_names_show_the_rule_that_would_match(make):
    cells = [f"{name}x{k}" for k in range(10) for name in BARCODES]
    other = [cells[0], *(f"{name}-2" for name in cells[1:])]
    modalities = {"rna": make.modality("rna", cells), "atac": make.modality("atac", other)}
    with pytest.raises(
        DataError,
        match=r"(?s)found 1 of 60.*\n  correspondence.known: {by_name: {strip_suffix: true}} matches 60 of 60",
    ):
        ByName().pairs(modalities)


def test_a_rule_is_applied_and_counted(make, caplog):
    modalities = {"rna": make.modality("rna", named(make, "{}-1")), "atac": make.modality("atac", named(make, "s_{}"))}
    with caplog.at_level(logging.INFO, "jamie"):
        assert ByName(strip_prefix=True, strip_suffix=True).pairs(modalities).n_pairs == 6
    assert (
        "modalities 'rna' and 'atac': 6 cells share their names by strip_prefix, strip_suffix; 0 have equal ones"
        in caplog.text
    )


def test_many_more_matches_by_another_rule_are_pointed_out(make, caplog):
    other = [*named(make, "{}-1", BARCODES[:3]), *named(make, "{}-2", BARCODES[3:])]
    modalities = {"rna": make.modality("rna", named(make, "{}-1")), "atac": make.modality("atac", other)}
    assert ByName().pairs(modalities).n_pairs == 3
    assert (
        "pairing 'by_name': 3 of rna and atac share their names; more would by another rule: correspondence.known: "
        "{by_name: {strip_suffix: true}} matches 6 of 6 cells of 'rna'" in caplog.text
    )


def test_cells_that_are_in_one_modality_only_are_no_reason_to_warn(make, caplog):
    modalities = {m: make.modality(m, named(make, "{}-1", names)) for m, names in HALVES.items()}
    assert ByName().pairs(modalities).n_pairs == 2
    assert caplog.text == ""


HALVES = {"rna": BARCODES[:4], "atac": BARCODES[2:]}
