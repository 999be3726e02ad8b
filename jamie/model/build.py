"""A joint VAE from a spec and the number of features of each modality."""

from __future__ import annotations

from collections.abc import Mapping

from jamie.model.joint_vae import JointVAE
from jamie.spec import Spec


def build_model(spec: Spec, n_inputs: Mapping[str, int], n_targets: Mapping[str, int]) -> JointVAE:
    """Build the encoders, decoders and aggregator that the spec names; weights are drawn from torch's generator.

    Parameters
    ----------
    spec
        Names the components.
    n_inputs, n_targets
        Features of each modality after preprocessing: what the encoder reads and what the decoder predicts.
    """
    n_latent = spec.model.latent_dim
    encoders = {m: spec.modality(m).encoder.build(n, n_latent) for m, n in n_inputs.items()}
    decoders = {m: spec.modality(m).decoder.build(n_latent, n_targets[m]) for m in n_inputs}
    aggregator = spec.model.aggregator.build(tuple(n_inputs), n_latent)
    return JointVAE(encoders, decoders, aggregator, n_latent, n_targets)
