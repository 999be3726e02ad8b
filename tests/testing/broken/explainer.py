"""Explainers that break their contract."""

from dataclasses import replace

import numpy as np
import pandas as pd
from anndata import AnnData

import jamie
from jamie.testing import toy

calls = []


class SOUND(jamie.Explainer):
    """Correlation of every feature with the first latent."""

    name = "sound"

    def _explain(self, subject, context):
        data = subject.dataset.modalities["rna"]
        z = subject.embed("rna", subject.scores("rna"))[:, 0]
        order = context.generator().permutation(data.n_cells)[:30]
        found = [np.corrcoef(x, z[order])[0, 1] for x in data.input.X[order].T]
        table = pd.DataFrame({"feature": data.input.features, "correlation": found})
        table["of"] = [None, *["latent"] * (len(table) - 1)]
        context.progress("sound", 1, 1, {})
        return jamie.Explanation(
            self.name, "rna: the first latent", {"n_cells": 30}, {"features": table}, AnnData(data.input.X[order])
        )


class Changed(SOUND):
    """Gives the explanation of the sound one with something else in it."""

    name = "changed"

    def _explain(self, subject, context):
        return replace(super()._explain(subject, context), **{"explainer": self.name, **self.changes()})


class Misnamed(Changed):
    """Calls itself something else."""

    name = "misnamed"

    def changes(self):
        return {"explainer": "shap"}


class Untitled(Changed):
    """Has no title."""

    name = "untitled"

    def changes(self):
        return {"title": " "}


class FindsNothing(Changed):
    """Has no row in any table."""

    name = "finds_nothing"

    def changes(self):
        return {"tables": {"features": pd.DataFrame({"feature": []})}}


class NumpySettings(Changed):
    """Has settings that JSON cannot hold."""

    name = "numpy_settings"

    def changes(self):
        return {"settings": {"n_cells": np.int64(30)}}


class Tuples(Changed):
    """Has settings that JSON would give back as something else."""

    name = "tuples"

    def changes(self):
        return {"settings": {"features": ("a", "b")}}


class Complex(Changed):
    """Has a column of complex numbers."""

    name = "complex"

    def changes(self):
        return {"tables": {"features": pd.DataFrame({"score": [1 + 2j]})}}


class Infinite(Changed):
    """Divides by zero."""

    name = "infinite"

    def changes(self):
        return {"tables": {"features": pd.DataFrame({"ratio": [1.0, np.nan, np.inf]})}}


class NotANumber(Changed):
    """Has NaN for a cell."""

    name = "not_a_number"

    def changes(self):
        return {"values": AnnData(np.array([[np.nan, 1.0]], np.float32))}


class OwnRandomness(SOUND):
    """Draws cells from a generator of its own."""

    name = "own_randomness"

    def _explain(self, subject, context):
        return super()._explain(subject, replace(context, seed=len(calls) + (calls.append(1) or 0)))


class NeedsLabels(SOUND):
    """Fails without labels."""

    name = "needs_labels"

    def _explain(self, subject, context):
        subject.dataset.modalities["rna"].labels(toy.LABEL)
        return super()._explain(subject, context)


class NoAdvice(SOUND):
    """Refuses to work without pairs, and does not say what to do."""

    name = "no_advice"

    def _explain(self, subject, context):
        if not subject.dataset.known.n_pairs:
            raise jamie.DataError("expected pairs, found none")
        return super()._explain(subject, context)


class Spreads(SOUND):
    """Scales by the mean of all values, of which some may be missing."""

    name = "spreads"

    def _explain(self, subject, context):
        found = super()._explain(subject, context)
        found.tables["features"]["correlation"] *= subject.dataset.modalities["rna"].input.X.mean()
        return found


class SpreadsWithoutAdvice(SOUND):
    """Refuses missing values, and does not say what to do."""

    name = "spreads_without_advice"

    def _explain(self, subject, context):
        if np.isnan(subject.dataset.modalities["rna"].input.X).any():
            raise jamie.DataError("expected numbers, found NaN")
        return super()._explain(subject, context)


class NeverDone(SOUND):
    """Stops telling of its progress before the end."""

    name = "never_done"

    def _explain(self, subject, context):
        found = super()._explain(subject, context)
        context.progress("sound", 2, 3, {})
        return found


class CentersInPlace(SOUND):
    """Centers the cells in place."""

    name = "centers_in_place"

    def _explain(self, subject, context):
        X = subject.dataset.modalities["rna"].input.X
        X -= X.mean(axis=0)
        return super()._explain(subject, context)


class AddsColumns(SOUND):
    """Leaves a column in the annotations."""

    name = "adds_columns"

    def _explain(self, subject, context):
        subject.dataset.modalities["rna"].obs["explained"] = True
        return super()._explain(subject, context)


BROKEN = {
    "check_names_what_is_explained": [
        (Misnamed, "explainer 'misnamed': `explainer`: expected misnamed, found shap"),
        (Untitled, "`title`: expected a line of text, found ' '"),
        (FindsNothing, r"`tables`: expected at least one with rows, found \{'features': 0\}"),
    ],
    "check_settings_are_plain": [
        (NumpySettings, "`settings` are plain values: .* found Object of type int64 is not JSON serializable"),
        (Tuples, r"expected \{'features': \('a', 'b'\)\}, found \{'features': \['a', 'b'\]\}"),
    ],
    "check_can_be_saved": [(Complex, r"saved and read again, it is the same \(tables\.features\.score\)")],
    "check_numbers_are_finite": [
        (Infinite, "column 'ratio' of table 'features': expected finite values or NaN, found 1 infinite"),
        (NotANumber, "values.X: expected finite values, found 1 that are not"),
    ],
    "check_same_seed_same_result": [
        (OwnRandomness, r"the same seed gives the same result \(tables\.features\.correlation\)")
    ],
    "check_works_without_labels_and_pairs_or_refuses": [
        (NeedsLabels, "without labels: expected a result or a DataError, found KeyError"),
        (NoAdvice, "without pairs: the error says what to do: .* found expected pairs, found none"),
    ],
    "check_missing_values_do_not_spread": [
        (
            Spreads,
            "column 'correlation' of table 'features' for cells with missing values: expected numbers, found NaN",
        ),
        (SpreadsWithoutAdvice, "with missing values: the error says what to do: .* found expected numbers, found NaN"),
    ],
    "check_progress_ends_at_its_total": [(NeverDone, r"progress of 'sound': .* found \[\(1, 1\), \(2, 3\)\]")],
    "check_leaves_inputs_alone": [
        (CentersInPlace, r"inputs are never modified \(dataset\.modalities\.rna\.input\.X\)"),
        (AddsColumns, r"inputs are never modified: expected nothing else, found .*rna\.obs\.explained"),
    ],
}
