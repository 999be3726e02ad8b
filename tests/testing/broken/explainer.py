"""Explainers that break their contract."""

from dataclasses import replace

import numpy as np
import pandas as pd
from anndata import AnnData

import jamie
from jamie.testing import toy

calls = []


class Sound(jamie.Explainer):
    """Correlation of every feature with the first latent."""

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


class Changed(Sound):
    """Changes fields of the sound explanation."""

    def _explain(self, subject, context):
        return replace(super()._explain(subject, context), **{"explainer": self.name, **self.changes()})


class Misnamed(Changed):
    """Calls itself something else."""

    def changes(self):
        return {"explainer": "shap"}


class Untitled(Changed):
    """Has no title."""

    def changes(self):
        return {"title": " "}


class FindsNothing(Changed):
    """Has no row in any table."""

    def changes(self):
        return {"tables": {"features": pd.DataFrame({"feature": []})}}


class NumpySettings(Changed):
    """Has settings that JSON cannot hold."""

    def changes(self):
        return {"settings": {"n_cells": np.int64(30)}}


class Tuples(Changed):
    """Has settings that JSON would give back as something else."""

    def changes(self):
        return {"settings": {"features": ("a", "b")}}


class Complex(Changed):
    """Has a column of complex numbers."""

    def changes(self):
        return {"tables": {"features": pd.DataFrame({"score": [1 + 2j]})}}


class Infinite(Changed):
    """Divides by zero."""

    def changes(self):
        return {"tables": {"features": pd.DataFrame({"ratio": [1.0, np.nan, np.inf]})}}


class NotANumber(Changed):
    """Has NaN for a cell."""

    def changes(self):
        return {"values": AnnData(np.array([[np.nan, 1.0]], np.float32))}


class OwnRandomness(Sound):
    """Draws cells from a generator of its own."""

    def _explain(self, subject, context):
        return super()._explain(subject, replace(context, seed=len(calls) + (calls.append(1) or 0)))


class NeedsLabels(Sound):
    """Fails without labels."""

    def _explain(self, subject, context):
        subject.dataset.modalities["rna"].labels(toy.LABEL)
        return super()._explain(subject, context)


class NoAdvice(Sound):
    """Refuses to work without pairs, and does not say what to do."""

    def _explain(self, subject, context):
        if not subject.dataset.known.n_pairs:
            raise jamie.DataError("expected pairs, found none")
        return super()._explain(subject, context)


class Spreads(Sound):
    """Scales by the mean of all values, of which some may be missing."""

    def _explain(self, subject, context):
        found = super()._explain(subject, context)
        found.tables["features"]["correlation"] *= subject.dataset.modalities["rna"].input.X.mean()
        return found


class SpreadsWithoutAdvice(Sound):
    """Refuses missing values, and does not say what to do."""

    def _explain(self, subject, context):
        if np.isnan(subject.dataset.modalities["rna"].input.X).any():
            raise jamie.DataError("expected numbers, found NaN")
        return super()._explain(subject, context)


class NeverDone(Sound):
    """Stops reporting its progress before the end."""

    def _explain(self, subject, context):
        found = super()._explain(subject, context)
        context.progress("sound", 2, 3, {})
        return found


class CentersInPlace(Sound):
    """Centers the cells in place."""

    def _explain(self, subject, context):
        X = subject.dataset.modalities["rna"].input.X
        X -= X.mean(axis=0)
        return super()._explain(subject, context)


class AddsColumns(Sound):
    """Leaves a column in the annotations."""

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
