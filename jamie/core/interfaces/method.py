"""Whole methods, to be compared on an equal footing."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from jamie.core.component import Component
from jamie.core.context import Context
from jamie.core.data import Cells, Imputation
from jamie.core.errors import ContractError
from jamie.core.requirements import DATA_WORDS
from jamie.core.resources import ResourceUsage, measure_resources
from jamie.core.state import State


class Method(Component):
    """Embeds all modalities in one space, or imputes one from another, or both.

    Authors write `_fit`, and `_embed` or `_impute` or both; `_prepare` where something is computed before, such as a
    correspondence, whose cost is reported apart. What a method needs stands in class attributes: `needs`
    (``"pairs"``: known pairs; ``"labels"``: the cells' labels, for a control), `max_modalities`. A method that
    is not `inductive` embeds the very cells that it was fitted on and no others. One that imputes by the labels of
    the query cells writes `_impute_with_labels` instead of `_impute`; one that reads the cells' batches
    (`Cells.covariates`) writes `_embed_with_covariates` and `_impute_with_covariates`. One that chooses settings by the
    training cells keeps in `tuning` what it chose, as plain values, which the manifest of a run shows.

    A method that can be the model of a run (``method: mean``) also writes `_state` and `_set_state`: what it fitted, as
    nested mappings and lists of arrays and plain values, and the way back. One on a package that insists on files of
    its own writes `_save_folder` and `_load_folder`, and sets `unsafe_format` where reading such files can run code, as
    of a pickle: they are read only where the user says so. A method that is `inductive` embeds one modality alone as it
    does beside others, and all that it embeds or imputes by is in these.

    The cells of each modality are shuffled before a method sees them and put back afterwards, so that none can profit
    from the order of a file.

    Examples
    --------
    >>> class Mean(Method):
    ...     '''Imputes every cell by the mean of the training cells.'''
    ...
    ...     name = "mean"
    ...
    ...     def _fit(self, cells, context):
    ...         self.means = {m: target.mean(axis=0) for m, target in cells.targets.items()}
    ...
    ...     def _impute(self, scores, source, target):
    ...         return np.tile(self.means[target], (len(scores), 1))
    ...
    ...     def _state(self):
    ...         return {"means": self.means}
    ...
    ...     def _set_state(self, state):
    ...         self.means = state["means"]
    >>> Mean.imputes(), Mean.embeds(), Mean.can_be_saved()
    (True, False, True)
    """

    kind: ClassVar[str] = "method"
    readable: ClassVar[frozenset[str]] = DATA_WORDS
    inductive: ClassVar[bool] = True
    needs: ClassVar[frozenset[str]] = frozenset()
    max_modalities: ClassVar[int | None] = None
    unsafe_format: ClassVar[bool] = False  # reading what `_save_folder` wrote can run code that was put there
    usage: Mapping[str, ResourceUsage] = {}
    tuning: Mapping[str, Any] = {}
    _orders: Mapping[str, NDArray[np.int64]]

    @classmethod
    def embeds(cls) -> bool:
        """Whether it embeds."""
        return cls._embed is not Method._embed or cls._embed_with_covariates is not Method._embed_with_covariates

    @classmethod
    def imputes(cls) -> bool:
        """Whether it imputes."""
        outer = ("_impute", "_impute_with_labels", "_impute_with_covariates")
        return any(getattr(cls, name) is not getattr(Method, name) for name in outer)

    @classmethod
    def saves_folder(cls) -> bool:
        """Whether it writes files of its own."""
        return cls._save_folder is not Method._save_folder

    @classmethod
    def can_be_saved(cls) -> bool:
        """Whether it writes what it fitted, and so can be the model of a run."""
        return cls._state is not Method._state or cls.saves_folder()

    def require(self, cells: Cells) -> None:
        """Refuse cells that the method cannot be fitted on.

        Raises
        ------
        DataError
            Where there are too many modalities, or no known pairs or labels although it needs them.
        """
        names = cells.modalities
        if self.max_modalities is not None and len(names) > self.max_modalities:
            raise self._data_error(
                f"expected at most {self.max_modalities} modalities, found {len(names)}: {', '.join(names)}",
                "leave it out, or name those to compare on under modalities",
            )
        if "pairs" in self.needs and cells.known.n_pairs == 0:
            raise self._data_error(
                "expected known pairs, found none",
                "set correspondence.known and evaluate.known_pairs.fraction, or choose a method that needs none",
            )
        unlabelled = [m for m in names if m not in cells.labels]
        if "labels" in self.needs and unlabelled:
            raise self._data_error(
                f"expected labels of the cells of every modality, found none for {', '.join(unlabelled)}",
                "name a column of obs under labels, or leave the method out",
            )

    def fit(self, cells: Cells, context: Context | None = None) -> Self:
        """Fit on training cells, whose order means nothing.

        Parameters
        ----------
        cells
            Training cells of every modality; those without a partner among them. Not modified.
        context
            Randomness, device, progress and memory limit.

        Raises
        ------
        DataError
            Where the method cannot be fitted on these cells.
        """
        self.require(cells)
        context = (context or Context()).for_stage(f"method {self.name}")
        generator = context.for_stage(f"{context.stage}/shuffle").generator()
        self._orders = {m: generator.permutation(view.n_cells) for m, view in cells.views.items()}
        shuffled = cells.subset(self._orders).read_by(self)
        with measure_resources() as preparation:
            self._prepare(shuffled, context)
        with measure_resources() as training:
            self._fit(shuffled, context)
        self.usage = {"preparation": preparation.usage, "training": training.usage}
        return self

    def embed(
        self, scores: Mapping[str, NDArray[np.float32]], covariates: Mapping[str, NDArray[np.float32]] | None = None
    ) -> dict[str, NDArray[np.floating]]:
        """Embed cells: any, or those of `fit` where the method is not inductive.

        Parameters
        ----------
        scores
            (n_m, d_m) preprocessed cells of each modality.
        covariates
            (n_m, C) batches of these cells, as in `Cells.covariates`; unknown where there are none.

        Returns
        -------
        dict
            (n_m, L) of each modality.

        Raises
        ------
        ContractError
            Where the method does not embed, or was not fitted on as many cells and is not inductive.
        """
        found = self._embed_with_covariates(scores if self.inductive else None, covariates or {})
        z = {m: np.asarray(v) for m, v in found.items()}
        if not self.inductive:
            z = {m: v[np.argsort(self._orders[m])] for m, v in z.items()}
        self._require_rows({m: len(v) for m, v in z.items()}, {m: len(x) for m, x in scores.items()})
        return z

    def impute(
        self,
        scores: NDArray[np.float32],
        source: str,
        target: str,
        labels: NDArray[np.object_] | None = None,
        covariates: NDArray[np.float32] | None = None,
    ) -> Imputation:
        """Impute one modality of any cells.

        Parameters
        ----------
        scores : (n, d_s)
            Preprocessed cells of the source.
        source, target
            Modalities.
        labels : (n,)
            Label of each cell, None where there is none; given where `needs` names ``"labels"``, and not used
            otherwise.
        covariates : (n, C)
            Batches of the cells; unknown where there are none.

        Raises
        ------
        DataError
            Where the method needs labels and is given none.
        """
        if "labels" not in self.needs:
            found = self._impute_with_covariates(scores, source, target, covariates)
        elif labels is None:
            raise self._data_error(
                f"expected the label of each of the {len(scores)} cells of {source}, found none",
                "name a column of obs under labels, or leave the method out",
            )
        else:
            found = self._impute_with_labels(scores, source, target, labels)
        imputation = found if isinstance(found, Imputation) else Imputation(np.asarray(found))
        self._require_rows({target: len(imputation.mean)}, {target: len(scores)})
        return imputation

    def state(self) -> State:
        """Return what was fitted, for `set_state`; without the files of `_save_folder`.

        Raises
        ------
        ContractError
            Where `_state` holds anything but arrays and plain values, or the method has none.
        """
        if not self.can_be_saved():
            raise self._contract_error("cannot be saved: it writes no _state", "write _state and _set_state")
        try:
            return State.of({"fitted": self._state(), "orders": {} if self.inductive else self._orders})
        except TypeError as error:
            raise self._contract_error(f"_state cannot be saved: {error}") from error

    def set_state(self, state: State) -> Self:
        """Restore what `state` gave, on a method with the same parameters."""
        nested = state.nested()
        self._orders = nested["orders"]
        self._set_state(nested["fitted"])
        return self

    def _save_folder(self, path: Path) -> None:
        """Write what was fitted into an existing, empty folder, where it has a format of its own."""
        raise self._contract_error("has no files of its own")

    def _load_folder(self, path: Path) -> None:
        """Read what `_save_folder` wrote, after `set_state`."""
        raise self._contract_error("has no files of its own")

    def _state(self) -> Mapping[Any, Any]:
        """Return what was fitted: nested mappings, lists and tuples of arrays, tensors and plain values."""
        return {}

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        """Restore what `_state` gave; tensors come back as arrays."""

    def _prepare(self, cells: Cells, context: Context) -> None:
        """Compute what comes before training."""

    @abstractmethod
    def _fit(self, cells: Cells, context: Context) -> None: ...

    def _embed(self, scores: Mapping[str, NDArray[np.float32]] | None) -> Mapping[str, NDArray[np.floating]]:
        """Return latents (n_m, L); a method that is not inductive is given None, and embeds the cells of `_fit`."""
        raise self._cannot("embed cells", "impute")

    def _embed_with_covariates(
        self, scores: Mapping[str, NDArray[np.float32]] | None, covariates: Mapping[str, NDArray[np.float32]]
    ) -> Mapping[str, NDArray[np.floating]]:
        """Return latents (n_m, L) of cells of these batches; a modality without covariates has unknown ones."""
        return self._embed(scores)

    def _impute(self, scores: NDArray[np.float32], source: str, target: str) -> Imputation | NDArray[np.floating]:
        """Values (n, t) of the target."""
        raise self._cannot("impute", "embed")

    def _impute_with_covariates(
        self, scores: NDArray[np.float32], source: str, target: str, covariates: NDArray[np.float32] | None
    ) -> Imputation | NDArray[np.floating]:
        """Values (n, t) of the target for cells of these batches; None where they are unknown."""
        return self._impute(scores, source, target)

    def _impute_with_labels(
        self, scores: NDArray[np.float32], source: str, target: str, labels: NDArray[np.object_]
    ) -> Imputation | NDArray[np.floating]:
        """Values (n, t) of the target for cells of these labels, of a method that needs labels."""
        return self._impute(scores, source, target)

    def _cannot(self, what: str, instead: str) -> ContractError:
        return self._contract_error(f"does not {what}", f"it can only {instead}")

    def _require_rows(self, found: Mapping[str, int], expected: Mapping[str, int]) -> None:
        if found != expected:
            problem = f"expected one row for each cell, {dict(expected)}, found {dict(found)}"
            raise self._contract_error(problem, "try it by itself with the checks of jamie.testing")
