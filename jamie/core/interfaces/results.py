"""What is made of a result: metrics, explanations of the model, and reports."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Iterable, Mapping
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.errors import DataError
from jamie.core.evaluation import EmbeddedPair, ImputedPair, MatchedPair, Score
from jamie.core.explanation import Explainable, Explanation
from jamie.core.lazy_matrix import LazyMatrix
from jamie.core.requirements import KEYED

Scored = TypeVar("Scored", bound=EmbeddedPair | ImputedPair | MatchedPair)


class Metric(Component, Generic[Scored]):
    """A number that says how good a result is.

    `reads` is the type of the result: two modalities in the latent space (`EmbeddedPair`, the default), imputed values
    (`ImputedPair`) or an inferred correspondence (`MatchedPair`). `requires` names what else it needs: ``"labels"``,
    ``"pairs"`` (known partners), ``"intervals"`` (of imputed values), ``"scores"`` (preprocessed, of the cells of a
    correspondence). A `directed` metric is computed from either modality to the other, any other once for two
    modalities; imputed values have a direction of their own.

    Examples
    --------
    >>> class MeanAbsoluteError(Metric):
    ...     '''Mean absolute error of each feature.'''
    ...
    ...     name = "mae"
    ...     reads = ImputedPair
    ...     higher_is_better = False
    ...     bounds = (0, float("inf"))
    ...
    ...     def _score(self, subject):
    ...         return np.abs(subject.measured - subject.imputed).mean(axis=0)
    """

    kind: ClassVar[str] = "metric"
    reads: ClassVar[type] = EmbeddedPair
    other_words: ClassVar[frozenset[str]] = frozenset({"labels", "pairs", "intervals", "scores"})
    directed: ClassVar[bool] = False
    reads_blocks: ClassVar[bool] = False  # of imputed values, only slices of columns or of rows (`LazyMatrix`)
    higher_is_better: ClassVar[bool]
    bounds: ClassVar[tuple[float, float]]

    def score(self, subject: Scored) -> Score:
        """Score a result.

        Parameters
        ----------
        subject
            Of the type `reads`.

        Returns
        -------
        Score
            The value, and those of single features where there are any.

        Raises
        ------
        DataError
            Where a latent or an imputed value is not finite: every comparison with NaN is false, which could pass for
            a good score.
        ContractError
            Where the value lies outside `bounds`.
        """
        require_finite(subject)
        found = self._score(subject)
        result = found if isinstance(found, Score) else self._as_score(found, subject)
        for values in ([result.value], *result.per_feature.values()):
            self._require_bounded(np.asarray(values, np.float64))
        return result

    @abstractmethod
    def _score(self, subject: Scored) -> float | NDArray[Any] | Score:
        """Return the value, values of the features (p,) with NaN for those that cannot be scored, or a `Score`."""

    def _as_score(self, found: Any, subject: Scored) -> Score:
        """Make a score of a number, or of one for each feature, whose mean is then the value."""
        if isinstance(found, Real):
            return Score(float(found))
        values = np.asarray(found)
        if not isinstance(subject, ImputedPair) or values.shape != subject.features.shape:
            expected = f"({len(subject.features)},)" if isinstance(subject, ImputedPair) else "a number"
            raise self._broken(f"expected {expected}, found {type(found).__name__} of shape {values.shape}")
        return per_feature_score({"": values})

    def _require_bounded(self, values: NDArray[np.float64]) -> None:
        low, high = self.bounds
        wrong = ~np.isnan(values) & ~((values >= low) & (values <= high))
        if wrong.any():
            raise self._broken(f"expected a value from {low} to {high}, found {values[wrong][0]}")

    def _broken(self, problem: str) -> Exception:
        return self._contract_error(problem, "try it by itself with the checks of jamie.testing")


def per_feature_score(values: Mapping[str, NDArray[np.float64]], parts: Mapping[str, float] | None = None) -> Score:
    """Make a score of values (p,) of the features, by group of cells; the value is the mean of group ``""``.

    It is NaN where no feature can be scored.
    """
    scored = values[""][~np.isnan(values[""])]
    return Score(float(scored.mean()) if len(scored) else float("nan"), dict(parts or {}), dict(values))


def require_finite(subject: object) -> None:
    """Refuse latents, or imputed values, that are not finite; of values made when they are read, those read so far."""
    if isinstance(subject, EmbeddedPair):
        given = {subject.source: ("latents", subject.z_source), subject.target: ("latents", subject.z_target)}
    elif isinstance(subject, ImputedPair):
        where, imputed = f"{subject.source} to {subject.target}", subject.imputed
        if isinstance(imputed, LazyMatrix):
            imputed = np.where(imputed.not_finite[:, None], np.nan, 0)  # of those that have been read
        given = {where: ("imputed values", imputed)}
    else:
        return
    for where, (what, values) in given.items():
        wrong = int((~np.isfinite(values)).any(axis=1).sum())
        if wrong:
            raise DataError(f"expected finite {what}, found {wrong} of {len(values)} cells without", where=where)


class Explainer(Component):
    """Finds the features that a trained model relies on.

    Examples
    --------
    >>> import pandas as pd
    >>> class LatentVariance(Explainer):
    ...     '''Variance of each latent.'''
    ...
    ...     name = "latent_variance"
    ...
    ...     def _explain(self, subject, context):
    ...         z = {m: subject.embed(m, subject.scores(m)) for m in subject.dataset.modalities}
    ...         table = pd.DataFrame({m: values.var(axis=0) for m, values in z.items()})
    ...         return Explanation(self.name, "variance of the latents", tables={"variance": table})
    """

    kind: ClassVar[str] = "explainer"
    readable: ClassVar[frozenset[str]] = frozenset(KEYED)

    def explain(self, subject: Explainable, context: Context) -> Explanation:
        """Explain a model by the cells that come with it.

        Parameters
        ----------
        subject
            The model with its cells.
        context
            Randomness, device and progress.

        Returns
        -------
        Explanation
            Tables, values of single cells and notes.

        Raises
        ------
        DataError
            Where the cells or the model lack what the explainer needs.
        """
        found = self._explain(subject, context)
        if not isinstance(found, Explanation):
            problem = f"expected _explain to return an Explanation, found {type(found).__name__}"
            raise self._contract_error(problem, "return jamie.Explanation(self.name, title, tables={...})")
        return found

    @abstractmethod
    def _explain(self, subject: Explainable, context: Context) -> Explanation: ...


class Report(Component):
    r"""Turns the files of a run into something to look at.

    Examples
    --------
    >>> class Listing(Report):
    ...     '''The names of all files of the run.'''
    ...
    ...     name = "listing"
    ...
    ...     def _write(self, run, context):
    ...         page = run / "listing.txt"
    ...         page.write_text("\n".join(sorted(path.name for path in run.iterdir())), encoding="utf-8")
    ...         return [page]
    """

    kind: ClassVar[str] = "report"

    def write(self, run: Path, context: Context) -> tuple[Path, ...]:
        """Write into the directory of a run.

        Parameters
        ----------
        run
            Directory of the run; all of its other files exist already.
        context
            Randomness and progress.

        Returns
        -------
        tuple of Path
            The files written.

        Raises
        ------
        OutputError
            Where a file of the run is absent or cannot be read, or the report cannot be written.
        """
        written = tuple(self._write(run, context))
        absent = [path for path in written if not path.exists()]
        if absent:
            raise self._contract_error(f"expected the files that _write returns, found no {absent[0]}")
        return written

    @abstractmethod
    def _write(self, run: Path, context: Context) -> Iterable[Path]: ...
