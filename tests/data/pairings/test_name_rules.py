import numpy as np
import pandas as pd
import pytest

from jamie.core.errors import DataError
from jamie.data.pairings import name_rules
from jamie.data.pairings.by_name import ByName
from jamie.data.pairings.name_rules import find_rule, match_names, require_unique

BARCODES = ["".join(bases) for bases in np.random.default_rng(0).choice(list("ACGT"), (40, 16))]
COMPLEMENT = str.maketrans("ACGT", "TGCA")


def turned(barcode):
    return barcode.translate(COMPLEMENT)[::-1]


def swapped(barcode):
    return barcode[:7] + barcode[7:9].translate(COMPLEMENT) + barcode[9:]


DIFFERENCES = [
    ("{}-1", "{}-1 ", "strip_spaces: true"),
    ("{}-1", "{}_1", "replace: {'_': '-'}"),
    ("{}-1", "{}.1", "replace: {'.': '-'}"),
    ("{}-1", "{}", "strip_suffix: true"),
    ("{}-1", "{}-1-0", "strip_suffix: true"),
    ("{}-1", "S1#{}-1", "strip_prefix: true"),
    ("{}-1", "S1_{}", "strip_suffix: true, strip_prefix: true"),
]


def index(template, names=BARCODES):
    return pd.Index([template.format(name) for name in names])


def written(cells, **given):
    hint = find_rule(cells, given, thorough=True)
    return hint.to_text({m: len(names) for m, names in cells.items()}, {}) if hint else ""


@pytest.mark.parametrize(("one", "other", "rule"), DIFFERENCES)
def test_the_rule_that_would_match_is_found_whichever_modality_deviates(one, other, rule):
    for a, b in ((one, other), (other, one)):
        cells = {"rna": index(a), "atac": index(b)}
        assert written(cells) == (
            f"correspondence.known: {{by_name: {{{rule}}}}} matches 40 of 40 cells of 'rna' and 40 of 40 of 'atac', "
            f"such as '{cells['rna'][0]}' and '{cells['atac'][0]}'"
        )


@pytest.mark.parametrize(
    ("change", "rule"),
    [(turned, "reverse_complement: true"), (swapped, "complement: [8, 9]"), (str.lower, "ignore_case: true")],
)
def test_changed_barcodes_are_recognised(change, rule):
    cells = {"rna": index("{}-1"), "atac": index("{}-1", map(change, BARCODES))}
    assert f"{{by_name: {{{rule}}}}} matches 40 of 40" in written(cells)
    assert "reverse" not in rule or "reverse_complement: true, strip_suffix: true" in written(
        {**cells, "atac": index("{}", map(change, BARCODES))}
    )


@pytest.mark.parametrize(
    ("a", "b"), [("600000007", "600000007.0"), ("6000000000000000", "6e+15"), ("cell_007", "cell_7"), ("007", "7")]
)
def test_numbers_are_the_same_in_any_notation(a, b):
    assert match_names(pd.Index([a]), pd.Index([b]), {"numbers": True}).pairs.n_pairs == 1


def test_a_rule_holds_for_any_number_of_modalities():
    cells = {"rna": index("{}-1"), "atac": index("{}-1", map(turned, BARCODES)), "adt": index("{}-1", BARCODES[:30])}
    pairs = ByName(reverse_complement=True).match_cells(cells)
    assert [found.n_pairs for _, found in pairs.items()] == [40, 30, 30]
    assert "40 of 40 of 'atac'; 30 of 40 cells of 'rna' and 30 of 30 of 'adt'; 30 of 40 cells of 'atac'" in written(
        cells
    )


def test_samples_may_be_named_in_different_ways():
    atac = index("{}-1", [*BARCODES[:20], *map(turned, BARCODES[20:])])
    assert match_names(index("{}-1"), atac, {"reverse_complement": True}).pairs.n_pairs == 40


def test_a_few_names_that_agree_otherwise_are_not_taken_for_pairs():
    atac = index("{}-1", [*BARCODES[:2], *map(turned, BARCODES[2:])])
    assert match_names(index("{}-1"), atac, {"reverse_complement": True}).pairs.n_pairs == 38


def test_a_rule_that_gives_two_cells_one_name_is_refused_and_not_proposed():
    two_samples = index("{}-1").append(index("{}-2"))
    match = match_names(two_samples, index("{}"), {"strip_suffix": True})
    with pytest.raises(
        DataError,
        match=r"(?s)modalities 'rna' and 'atac': expected rules that keep the names of a modality apart, found 80 "
        rf"cells that would share theirs with another, such as '{BARCODES[0]}-1' and '{BARCODES[0]}-2' .*table",
    ):
        require_unique(match, "rna", "atac")
    assert written({"rna": two_samples, "atac": index("{}")}) == ""


def test_a_rule_that_one_pair_of_modalities_needs_may_not_hold_for_another():
    """Suffixes tell samples apart in two modalities, which have them in common."""
    two_samples = index("{}-1").append(index("{}-2"))
    assert match_names(two_samples, two_samples, {"strip_suffix": True}).pairs.n_pairs == 80


def test_names_that_merely_count_rows_are_not_proposed():
    counted = [str(k) for k in range(40)]
    assert written({"rna": index("cell_{}", counted), "atac": index("spot_{}", counted)}) == ""


def test_of_many_names_a_sample_is_searched_and_all_are_counted(monkeypatch):
    monkeypatch.setattr(name_rules, "MAX_NAMES", 20)
    assert "matches 40 of 40 cells" in written({"rna": index("{}-1"), "atac": index("{}")})
