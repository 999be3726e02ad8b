"""A joint VAE from a spec and the number of features of each modality."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

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
        (C,) of each modality: frequencies of the batches among its training cells; none where batches are not told
        apart.
    """
    n_latent = spec.model.latent_dim
    frequencies = {m: torch.as_tensor(values, dtype=torch.float32) for m, values in (batch_frequencies or {}).items()}
    told = {m: {"n_covariates": len(values)} for m, values in frequencies.items()}
    encoders = {m: spec.modality(m).encoder.build(n, n_latent, **told.get(m, {})) for m, n in n_inputs.items()}
    decoders = {m: spec.modality(m).decoder.build(n_latent, n_targets[m], **told.get(m, {})) for m in n_inputs}
    aggregator = spec.model.aggregator.build(tuple(n_inputs), n_latent)
    return JointVAE(encoders, decoders, aggregator, n_latent, n_targets, frequencies)


def start_decoders(
    network: JointVAE, targets: Mapping[str, NDArray[np.float32]], cells: Mapping[str, NDArray[np.int64]]
) -> None:
    """Tell the decoders that ask for it the mean and variance of each feature of their targets (n, t), over `cells`."""
    for m, decoder in zip(network.modalities, network.decoders, strict=True):
        if isinstance(decoder, Decoder) and type(decoder).start_at is not Decoder.start_at:
            values = targets[m][cells[m]]
            moments = (values.mean(axis=0, dtype=np.float64), values.var(axis=0, dtype=np.float64))
            decoder.start_at(*(torch.as_tensor(moment, dtype=torch.float32) for moment in moments))
