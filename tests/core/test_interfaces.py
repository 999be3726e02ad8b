"""What the public method of each kind validates, around the author's inner one."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

import jamie
from jamie.core.errors import ContractError, DataError, MemoryLimitError
from jamie.core.interfaces import INTERFACES, KINDS
from jamie.core.interfaces.preprocessor import nan_allowed
from jamie.testing import controls, toy
from jamie.testing.toy_subject import ToySubject


class Records(jamie.CorrespondenceInferer):
    """Matches cells by a name hidden in their scores, and keeps what it is shown."""

    name = "records"

    def __init__(self) -> None:
        self.shown = []

    def _infer(self, a, b, known, context):
        self.shown.append((a, b, known))
        same = a.scores[:, :1] == b.scores[:, :1].T
        confidences = a.scores[:, 0] / 100, b.scores[:, 0] / 100
        return jamie.Inferred(jamie.Correspondence(same.astype(np.float32)), *confidences, {"converged": True})


def view(modality, cells):
    scores = np.array(cells, dtype=np.float32)[:, None] + np.zeros((1, 2), np.float32)
    return jamie.View(modality, jamie.Block(scores, pd.Index(["f", "g"])), scores)


@pytest.mark.parametrize("sizes", [(20, 33), (33, 20)])
def test_cells_are_shuffled_before_an_inferer_sees_them_and_put_back_after(sizes):
    a, b = view("a", range(sizes[0])), view("b", range(sizes[1]))
    known = jamie.Correspondence.from_pairs([3, 8], [3, 8], sizes)
    inferer = Records()
    found = inferer.infer(a, b, known)
    shown_a, shown_b, shown_known = inferer.shown[0]
    orders = shown_a.scores[:, 0], shown_b.scores[:, 0]
    assert not any(np.array_equal(order, np.arange(len(order))) for order in orders)
    assert not np.array_equal(orders[0][:20], orders[1][:20])
    rows, columns = shown_known.pairs()
    np.testing.assert_array_equal(orders[0][rows], orders[1][columns])
    np.testing.assert_array_equal(found.correspondence.matrix.toarray(), np.eye(*sizes))
    for size, confidence in zip(sizes, (found.confidence_a, found.confidence_b), strict=True):
        expected = np.arange(size) / 100
        expected[[3, 8]] = 1
        np.testing.assert_allclose(confidence, expected, rtol=1e-6)
    assert found.diagnostics == {"converged": True}


def test_certain_pairs_overrule_what_was_inferred():
    class Spread(Records):
        """Gives every cell every partner."""

        name = "spread"

        def _infer(self, a, b, known, context):
            shape = (a.n_cells, b.n_cells)
            return jamie.Inferred(jamie.Correspondence(np.full(shape, 0.1)), *(np.full(n, 0.1) for n in shape))

    known = jamie.Correspondence.from_pairs([1, 2, 2], [3, 0, 1], (4, 5), [1, 1, 0.5])
    found = Spread().infer(view("a", range(4)), view("b", range(5)), known)
    expected = np.full((4, 5), 0.1, np.float32)
    expected[1], expected[:, 3], expected[1, 3] = 0, 0, 1
    np.testing.assert_array_equal(found.correspondence.matrix.toarray(), expected)
    np.testing.assert_allclose(found.confidence_a, [0.1, 1, 0.1, 0.1])
    np.testing.assert_allclose(found.confidence_b, [0.1, 0.1, 0.1, 1, 0.1])


@pytest.mark.parametrize(
    ("needs", "words"),
    [
        ("known", "expected known pairs of a and b, found none\n  give pairs"),
        ("links", "expected features of a and b that are linked, found none\n  give a table of linked features"),
    ],
)
def test_an_inferer_is_not_asked_without_what_it_needs(needs, words):
    class Needy(Records):
        """Needs something."""

        name = "needy"

    Needy.needs = frozenset({needs})
    with pytest.raises(DataError, match=rf"correspondence 'needy': {words}"):
        Needy().infer(view("a", range(4)), view("b", range(5)))


@pytest.mark.parametrize(
    ("n_known", "words"),
    [(0, "use hierarchical: {inner: large}"), (2, "use seeded, which grows .*, or hierarchical: {inner: large}")],
)
def test_memory_is_estimated_before_work_and_what_fits_is_named(n_known, words):
    class Large(Records):
        """Takes a gibibyte."""

        name = "large"

        def _memory(self, a, b):
            return 2**30

    inferer, index = Large(), np.arange(n_known)
    known = jamie.Correspondence.from_pairs(index, index, (4, 5))
    with pytest.raises(MemoryLimitError, match=rf"large on 4 and 5 cells would need 1.0 GiB.*\n  {words}"):
        inferer.infer(view("a", range(4)), view("b", range(5)), known, jamie.Context(memory_limit=2**29))
    assert not inferer.shown


@pytest.mark.parametrize(
    ("wrong", "found"), [(1.5, "1.5"), (-0.1, "-0.1"), (np.nan, "nan"), (np.inf, "inf"), ("high", "high")]
)
@pytest.mark.parametrize("side", ["a", "b"])
def test_confidences_that_are_no_fractions_are_refused(side, wrong, found):
    class Sure(Records):
        """Has one wrong confidence."""

        name = "sure"

        def _infer(self, a, b, known, context):
            confidences = {"a": [1, 0, 0.5], "b": [0, 1, 0.5, 1]}
            confidences[side][1] = wrong
            return jamie.Inferred(jamie.Correspondence(np.eye(3, 4)), *map(np.array, confidences.values()))

    words = rf"correspondence 'sure': expected confidence_{side} from 0 to 1, found \d outside, such as"
    with pytest.raises(ContractError, match=rf"{words} .*\n  divide by the largest") as caught:
        Sure().infer(view("a", range(3)), view("b", range(4)))
    assert found == "high" or found in str(caught.value)


def test_what_rounding_adds_to_a_confidence_is_taken_off():
    class Rounded(Records):
        """Sums to a little more than 1."""

        name = "rounded"

        def _infer(self, a, b, known, context):
            return jamie.Inferred(jamie.Correspondence(np.eye(3)), np.full(3, 1 + 1e-7), np.ones(3))

    found = Rounded().infer(view("a", range(3)), view("b", range(3)))
    np.testing.assert_array_equal(found.confidence_a, np.ones(3))


def test_too_few_cells_are_refused():
    words = r"correspondence 'records', modality 'b': expected at least 3 cells, found 2"
    with pytest.raises(DataError, match=words):
        Records().infer(view("a", range(5)), view("b", range(2)))


def test_a_metric_outside_its_bounds_is_refused():
    class TooGood(jamie.Metric):
        """Exceeds its bounds."""

        name = "too_good"
        higher_is_better = True
        bounds = (0.0, 1.0)

        def _score(self, pair):
            return 1.5

    with pytest.raises(ContractError, match=r"metric 'too_good': expected a value from 0.0 to 1.0, found 1.5"):
        TooGood().score(controls.perfect_embedding())


def test_a_reader_that_gives_no_mudata_is_refused():
    class Frame(jamie.Reader):
        """Gives a table."""

        name = "frame"

        def _read(self, context):
            return toy.obs("rna")

    with pytest.raises(ContractError, match=r"reader 'frame': expected _read to return a MuData .* found DataFrame"):
        Frame().read()


class Doubles(jamie.Preprocessor):
    """Doubles."""

    name = "doubles"

    def _fit(self, X, cells):
        pass

    def _transform(self, X, cells):
        return X * 2.0

    def _inverse_transform(self, Z, cells):
        return (Z / 2.0)[:-1]

    def _state(self):
        return {}, {}

    def _set_state(self, arrays, plain):
        pass


def test_a_preprocessor_is_refused_what_does_not_fit():
    X, cells = toy.counts("rna"), toy.obs("rna")
    with pytest.raises(ContractError, match="preprocessor 'doubles': used before it was fitted\n  call fit first"):
        Doubles().transform(X, cells)
    fitted = Doubles().fit(X, cells)
    assert fitted.transform(X.astype(np.float64), cells).dtype == np.float32
    with pytest.raises(DataError, match="preprocessor 'doubles': expected 19 features, found 18"):
        fitted.transform(X[:, 1:], cells)
    with pytest.raises(DataError, match="preprocessor 'doubles': expected annotations of 40 cells, found 41"):
        fitted.transform(X[1:], cells)
    with pytest.raises(ContractError, match=r"expected 41 rows, found shape \(40, 19\)"):
        fitted.inverse_transform(X)


def test_missing_values_are_refused_with_what_to_use():
    X = toy.counts("rna")
    X[2, 3] = np.nan
    X[5, 1] = np.inf
    words = r"preprocessor 'doubles': found 2 values that are NaN or infinite\n  put fill_missing first in preprocess"
    with pytest.raises(DataError, match=words):
        Doubles().fit(X, toy.obs("rna"))


def test_nan_is_allowed_where_the_first_preprocessor_takes_it():
    class Fills(Doubles):
        """Takes NaN."""

        name = "fills"
        accepts_nan = True

    assert [nan_allowed(steps) for steps in ([], [Doubles], [Fills, Doubles], [Doubles(), Fills()])] == [0, 0, 1, 0]
    X = toy.counts("rna")
    X[2, 3], X[5, 1] = np.nan, np.inf
    words = (
        "preprocessor 'fills': found 1 infinite values, which are not missing ones\n  mend the data, or set them to NaN"
    )
    with pytest.raises(DataError, match=words):
        Fills().fit(X, toy.obs("rna"))


def test_an_explainer_returns_an_explanation():
    class Tables(jamie.Explainer):
        """Returns a table."""

        name = "tables"

        def _explain(self, subject, context):
            return pd.DataFrame()

    words = (
        "explainer 'tables': expected _explain to return an Explanation, found DataFrame\n"
        r"  return jamie.Explanation\(self.name, title, tables=\{...\}\)"
    )
    with pytest.raises(ContractError, match=words):
        Tables().explain(ToySubject(), jamie.Context())


def test_a_report_writes_what_it_says(tmp_path):
    class Promises(jamie.Report):
        """Says that it has written."""

        name = "promises"

        def _write(self, run, context):
            return [run / "report.html"]

    with pytest.raises(
        ContractError, match=r"report 'promises': expected the files that _write returns, found no .*html"
    ):
        Promises().write(tmp_path, jamie.Context())
    (tmp_path / "report.html").touch()
    assert Promises().write(tmp_path, jamie.Context()) == (tmp_path / "report.html",)


def test_each_kind_is_public_under_its_own_name():
    assert set(KINDS.values()) == set(INTERFACES)
    for interface in INTERFACES:
        assert getattr(jamie, interface.__name__) is interface


def test_output_decodes_once_for_each_use():
    calls = []

    def decoder(latent, source, target):
        calls.append((source, target))
        return torch.distributions.Normal(latent.sum(1, keepdim=True), 1.0)

    z, aggregated = {"a": torch.ones(2, 3)}, {"a": torch.full((2, 3), 2.0)}
    output = jamie.Output({}, z, aggregated, decoder, lambda *_: None)
    assert calls == []
    assert output.reconstruct("a") is output.reconstruct("a")
    assert output.reconstruct("a").mean.tolist() == [[6.0], [6.0]]
    assert output.decode("a", "a").mean.tolist() == [[3.0], [3.0]]
    assert calls == [("a", "a"), ("a", "a")]


@pytest.mark.parametrize(
    ("normalize", "expected_ab", "expected_ba"),
    [
        ("rows", [[0.5, 0.5], [0.1, 0.0]], [[10 / 11, 1 / 11], [1.0, 0.0]]),
        ("unit", [[0.5, 0.5], [1.0, 0.0]], [[10 / 11, 1 / 11], [1.0, 0.0]]),
        ("paper", [[10 / 11, 1.0], [1 / 11, 0.0]], [[10 / 11, 1 / 11], [1.0, 0.0]]),
    ],
)
def test_weights_of_a_block_by_hand(normalize, expected_ab, expected_ba):
    blocks = jamie.PairBlocks({("a", "b"): torch.tensor([[1.0, 1.0], [0.1, 0.0]])})
    torch.testing.assert_close(blocks.weights("a", "b", normalize), torch.tensor(expected_ab))
    torch.testing.assert_close(blocks.weights("b", "a", normalize), torch.tensor(expected_ba))
    assert blocks.weights("a", "c", normalize) is None
