"""The joint VAE itself, as a method to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from jamie.core.context import Context
from jamie.core.data import Cells
from jamie.core.interfaces import Method

if TYPE_CHECKING:
    from jamie.correspondence.infer import Inference


class Jamie(Method):
    """The joint VAE with the settings of another preset.

    Data, split, preprocessing, batches and known pairs are the run's; correspondence, model, losses and training are
    those of the preset.

    Parameters
    ----------
    spec : str
        A preset.
    settings : dict[str, Any]
        Settings to change by their dotted key: ``{model.latent_dim: 16}``.
    """

    name: ClassVar[str] = "jamie"
    references: ClassVar[tuple[str, ...]] = ("10.1038/s42256-023-00663-z",)

    def __init__(self, *, spec: str = "default", settings: dict[str, Any] | None = None) -> None:
        from jamie.spec import load_spec, preset_hint, preset_names

        if spec not in preset_names():
            raise ValueError(f"expected a preset, found '{spec}'; {preset_hint(spec)}")
        if any(key.partition(".")[0] == "plugins" for key in settings or {}):
            raise ValueError("plugins cannot be named in settings; name them under plugins of the spec")
        self.spec = load_spec(spec, settings or {}, reads_data=False)

    @classmethod
    def test_params(cls) -> dict[str, Any]:
        training = {"training.ensemble": 1, "training.min_epochs": 5, "training.max_epochs": 10}
        return {"settings": {**training, "model.latent_dim": 3}}

    def _prepare(self, cells: Cells, context: Context) -> None:
        from jamie.correspondence.infer import infer_all

        inferer = self.spec.correspondence.infer
        self._inference: Inference | None = None
        if inferer is not None:
            self._inference = infer_all(cells.views, cells.known, inferer.build(), context)

    def _fit(self, cells: Cells, context: Context) -> None:
        from jamie.model.prediction import impute, with_batches
        from jamie.training.fit_stacks import fit_stacks
        from jamie.training.train import train

        inferred = self._inference.correspondences if self._inference else None
        ensemble = train(cells, inferred, self.spec, context)
        self._trained, self._networks = ensemble.spec, ensemble.networks
        self._n_inputs = {m: x.shape[1] for m, x in cells.scores.items()}

        def impute_by(direction: tuple[str, str], member: int, rows: NDArray[np.int64]) -> NDArray[np.float32]:
            source, target = direction
            covariates = cells.covariates[source][rows] if source in cells.covariates else None
            return impute([ensemble.networks[member]], source, target, cells.scores[source][rows], covariates)

        inputs = {m: with_batches(self._networks[0], m, x, cells.covariates.get(m)) for m, x in cells.scores.items()}
        self._stacks = fit_stacks(
            cells, inputs, ensemble.splits, impute_by, lambda _, values: values, self.spec, context
        ).stacks

    def _state(self) -> Mapping[Any, Any]:
        network = self._networks[0]
        return {
            "spec": self._trained.to_plain(),
            "n_inputs": self._n_inputs,
            "n_targets": network.n_targets,
            "n_batches": None if network.batch_frequencies is None else network.batch_frequencies.shape[-1],
            "networks": [one.state_dict() for one in self._networks],
            "stacks": {direction: stack.state_dict() for direction, stack in self._stacks.items()},
        }

    def _set_state(self, state: Mapping[Any, Any]) -> None:
        import torch

        from jamie.model.build import build_model
        from jamie.model.stacked_regressions import StackedRegressions
        from jamie.spec import load_spec

        def tensors(arrays: Mapping[str, NDArray[Any]]) -> dict[str, torch.Tensor]:
            return {name: torch.tensor(values) for name, values in arrays.items()}

        n_inputs, n_batches = state["n_inputs"], state["n_batches"]
        frequencies = None if n_batches is None else {m: np.zeros(n_batches) for m in n_inputs}
        spec, networks = load_spec(state["spec"], reads_data=False), []
        for arrays in state["networks"]:
            network = build_model(spec, n_inputs, state["n_targets"], frequencies)
            network.load_state_dict(tensors(arrays))
            networks.append(network.eval())
        self._networks = tuple(networks)
        self._stacks = {
            direction: StackedRegressions.from_state(tensors(arrays)) for direction, arrays in state["stacks"].items()
        }

    def _embed_with_covariates(
        self, scores: Mapping[str, NDArray[np.float32]] | None, covariates: Mapping[str, NDArray[np.float32]]
    ) -> Mapping[str, NDArray[np.floating]]:
        from jamie.model.prediction import encode

        return {m: encode(self._networks[0], m, x, covariates.get(m)) for m, x in (scores or {}).items()}

    def _impute_with_covariates(
        self, scores: NDArray[np.float32], source: str, target: str, covariates: NDArray[np.float32] | None
    ) -> NDArray[np.floating]:
        from jamie.model.prediction import average, impute, regress, with_batches

        imputed, stack = impute(self._networks, source, target, scores, covariates), self._stacks.get((source, target))
        if stack is None:
            return imputed
        return average(stack, regress(stack, with_batches(self._networks[0], source, scores, covariates)), imputed)
