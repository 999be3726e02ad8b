"""A joint VAE from a spec and the number of features of each modality."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from jamie.core.data import Cells
from jamie.core.interfaces import Decoder
from jamie.model.joint_vae import JointVAE
from jamie.spec import Spec


def build_model(
    spec: Spec,
    n_inputs: Mapping[str, int],
    n_targets: Mapping[str, int],
    batch_frequencies: Mapping[str, ArrayLike] | None = None,
) -> JointVAE:
    """Build the encoders, decoders and aggregator that the spec names; weights are drawn from torch's generator.

    Parameters
    ----------
    spec
        Names the components.
    n_inputs, n_targets
        Features of each modality after preprocessing: what the encoder reads and what the decoder predicts.
    batch_frequencies
        (C,) of each modality: frequencies of the batches among its training cells; None without a batch key.
    """
    n_latent = spec.model.latent_dim
    frequencies = {m: torch.as_tensor(values, dtype=torch.float32) for m, values in (batch_frequencies or {}).items()}
    covariates = {m: {"n_covariates": len(values)} for m, values in frequencies.items()}
    encoders = {m: spec.modality(m).encoder.build(n, n_latent, **covariates.get(m, {})) for m, n in n_inputs.items()}
    decoders = {m: spec.modality(m).decoder.build(n_latent, n_targets[m], **covariates.get(m, {})) for m in n_inputs}
    aggregator = spec.model.aggregator.build(tuple(n_inputs), n_latent)
    return JointVAE(encoders, decoders, aggregator, n_latent, n_targets, frequencies)


def set_size_defaults(spec: Spec, n_cells: Mapping[str, int]) -> Spec:
    """Return the spec with the null parameters of encoders and decoders that depend on the number of cells filled in.

    Parameters
    ----------
    spec
        With or without such parameters.
    n_cells
        Training cells of each modality.
    """
    modalities = {}
    for m, n in n_cells.items():
        settings = spec.modality(m)
        encoder = replace(settings.encoder, params=settings.encoder.cls.complete_params(settings.encoder.params, n))
        decoder = replace(settings.decoder, params=settings.decoder.cls.complete_params(settings.decoder.params, n))
        modalities[m] = replace(settings, encoder=encoder, decoder=decoder)
    return replace(spec, modalities={**spec.modalities, **modalities})


def start_decoders(network: JointVAE, cells: Cells, training: Mapping[str, NDArray[np.int64]]) -> None:
    """Start the decoders that support it at the mean and variance of each feature over the cells at `training`."""
    for m, decoder in zip(network.modalities, network.decoders, strict=True):
        if isinstance(decoder, Decoder) and type(decoder).initialize_output is not Decoder.initialize_output:
            values = cells.targets[m][training[m]]
            if m in cells.size_factor:  # counts at the median depth
                depth = cells.size_factor[m][training[m]]
                values /= np.where(depth > 0, depth, 1)
            moments = (values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64))
            decoder.initialize_output(*(torch.as_tensor(moment, dtype=torch.float32) for moment in moments))
