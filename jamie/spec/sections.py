"""The sections of a spec: their keys, types, defaults and descriptions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal
from weakref import WeakValueDictionary

import yaml
from pydantic import Field

from jamie.core.interfaces import (
    Aggregator,
    Callback,
    CorrespondenceInferer,
    Decoder,
    Encoder,
    Explainer,
    Loss,
    Method,
    Optimizer,
    Pairing,
    Preprocessor,
    RateSchedule,
    Reader,
    Report,
    Sampler,
    Schedule,
)
from jamie.core.names import MODEL_NAME
from jamie.core.registry import Registry
from jamie.spec.evaluate_section import EvaluateSection
from jamie.spec.numbers import AtLeastTwo, Fraction, NonNegative, Positive, PositiveInt, Seed
from jamie.spec.problem import Mark
from jamie.spec.ref import Ref, spec_default, to_plain
from jamie.spec.requirements import Requirement, requirements_of
from jamie.spec.yaml_tree import SpecDumper

FORMAT = 1
ALL_MODALITIES = "*"
READ_BY_METHODS = ("calibration", "ensemble", "device")  # keys of `training` that count beside `method`
NETWORKS = ("encoder", "decoder")  # keys of a modality that do not
MAX_LATENT_DIM = 10_000  # far beyond use, and still within the memory of a large machine

StackMember = Literal["ridge", "reduced_rank", "pls", "kernel_ridge", "kernel_ridge_cosine"]
SweptValues = Annotated[list[Any], Field(min_length=1)]


@dataclass(frozen=True, kw_only=True)
class Header:
    """What a spec builds on.

    Parameters
    ----------
    jamie
        Format of the spec; 1.
    preset
        Name of the preset that the spec is merged over; null for none.
    extends
        Another spec that this one is merged over, relative to this one.
    """

    jamie: int = FORMAT
    preset: str | None = "default"
    extends: str | None = None


@dataclass(frozen=True, kw_only=True)
class Target:
    """What a decoder is to predict, where it is not the encoder's input.

    Parameters
    ----------
    layer
        Layer of the modality, or ``raw``; null for X.
    obsm
        Key of obsm, in place of a layer.
    preprocess
        Preprocessors, in order.
    """

    layer: str | None = None
    obsm: str | None = None
    preprocess: list[Ref[Preprocessor]] = field(default_factory=list)


@dataclass(frozen=True, kw_only=True)
class Modality:
    """One modality: what the model reads of it, and with which networks.

    Parameters
    ----------
    layer
        Layer that the encoder reads, ``raw`` for ``adata.raw`` with its own features; null for X.
    obsm
        Key of obsm that the encoder reads, in place of a layer.
    target
        What the decoder is to predict; null for the encoder's own input.
    preprocess
        Preprocessors, in order.
    absent
        What counts as not measured: `auto` takes cells that are zero or missing in all features, and features that are
        so in all cells of a batch, where they can hardly be values; `keep` takes all as values; `mask` whatever is
        missing, and all such zeros.
    encoder
        Maps the preprocessed features to the latents.
    decoder
        Maps the latents to the target.
    empty_droplets
        What to do with barcodes that are in no other modality and have far smaller counts than those that are: `auto`
        leaves them out where they surely are empty, and warns where they may be; `drop` leaves out all that are less
        deep than the others; `keep` uses them.
    """

    layer: str | None = None
    obsm: str | None = None
    target: Target | None = None
    preprocess: list[Ref[Preprocessor]] = field(default_factory=list)
    absent: Literal["auto", "keep", "mask"] = "auto"
    encoder: Ref[Encoder] = spec_default("mlp")
    decoder: Ref[Decoder] = spec_default("mlp")
    empty_droplets: Literal["auto", "keep", "drop"] = "auto"


@dataclass(frozen=True, kw_only=True)
class CorrespondenceSection:
    """Which cell of one modality is which cell of another.

    Parameters
    ----------
    known
        How the known pairs are found.
    verify
        What to do with known pairs that the data contradict, such as equal names of different cells:
        `refuse`, or `warn` to go on; `none` does not look.
    infer
        How unknown pairs are inferred; null to infer none.
    links
        Table of linked features (`feature_a`, `feature_b`, perhaps `weight`), such as a gene and its protein; null for
        features of the same name.
    rho
        Weight of the known pairs where they are mixed with the inferred ones, whose weight is 1 - rho; at 1 inferred
        ones take no part in the aggregation.
    mix
        Whose partners are mixed where rho is below 1: `unmatched`, cells without a known partner are aggregated with
        their inferred ones; `all`, every cell with rho F + (1 - rho) F-tilde (Algorithm 1, line 3).
    check
        Part of the known pairs that is hidden from the inferer, to see how well it finds them; 0 for no check.
    at_chance
        What to do with an inferred correspondence that the check finds no better than chance: `drop` leaves it out of
        training, `keep` uses it all the same.
    """

    known: Ref[Pairing] = spec_default("by_name")
    verify: Literal["refuse", "warn", "none"] = "refuse"
    infer: Ref[CorrespondenceInferer] | None = None
    links: Path | None = None
    rho: Fraction = 1.0
    mix: Literal["unmatched", "all"] = "unmatched"
    check: Annotated[float, Field(ge=0, le=0.5)] = 0.2
    at_chance: Literal["drop", "keep"] = "drop"


@dataclass(frozen=True, kw_only=True)
class StackSection:
    """Regressions of one modality on another, whose imputations are averaged with those of the networks.

    They are fitted on the known pairs of training cells. Their weights, and that of the networks, follow from the
    errors on training cells that each was fitted without.

    Parameters
    ----------
    members
        Which regressions.
    n_components
        How many principal components they read, where the last step of `preprocess` is `pca`: more than the networks,
        since each is regularized by cross-validation.
    """

    members: Annotated[list[StackMember], Field(min_length=1)] = field(
        default_factory=lambda: ["kernel_ridge", "kernel_ridge_cosine", "reduced_rank", "pls"]
    )
    n_components: PositiveInt = 128


@dataclass(frozen=True, kw_only=True)
class ModelSection:
    """The joint variational autoencoder.

    Parameters
    ----------
    latent_dim
        Number of latent dimensions.
    aggregator
        Combines the latents of corresponding cells.
    stack
        Regressions whose imputations are averaged with those of the networks; null for the networks alone.
    """

    latent_dim: Annotated[int, Field(ge=1, le=MAX_LATENT_DIM)] = 32
    aggregator: Ref[Aggregator] = spec_default("correlation")
    stack: StackSection | None = None


@dataclass(frozen=True, kw_only=True)
class LossTerm:
    """One term of the objective; beside these keys stand the loss's own parameters.

    Parameters
    ----------
    weight
        Factor of the term.
    schedule
        How the factor changes as training goes on.
    component
        The loss, named by the key that the term stands under.
    """

    weight: NonNegative = 1.0
    schedule: Ref[Schedule] = spec_default("constant")
    component: Ref[Loss]


@dataclass(frozen=True, kw_only=True)
class TrainingSection:
    """How the model is trained.

    Parameters
    ----------
    batch_size
        Cells of each modality in a minibatch.
    min_epochs
        Epochs before training may stop early, and after which the best state is sought; also the horizon of schedules.
        At most `max_epochs`; null for four fifths of them, as a step size that decays is small in the last fifth.
    max_epochs
        Epochs after which training stops.
    patience
        Epochs without improvement after which training stops.
    min_change
        Least decrease of the loss that counts as improvement.
    validation
        Part of the training cells that the weights are not fitted on: their loss, in place of the training's, decides
        when training stops and which state is kept. It is the sum of the terms that measure prediction.
    calibration
        A further part that the weights are not fitted on, and that calibrates intervals of imputed values.
    ensemble
        Models that are trained, each with other validation cells and other initial weights. Imputed values are the mean
        over all; the embedding is that of the first.
    optimizer
        Moves the weights along the gradient.
    weight_decay
        How fast weights shrink; biases and other vectors do not.
    reference_cells
        Training cells that `weight_decay` and the weight of `kl` are meant for: with n of them both are multiplied by
        sqrt(reference_cells / n), as fewer cells need a firmer hand. Null takes them as they are.
    learning_rate
        Step size of the optimizer, at its largest.
    rate_schedule
        How the step size changes over `max_epochs`.
    precision
        Of encoders and decoders in training: `float32`, `bfloat16`, or `auto` for bfloat16 on a GPU that has it.
    gradient_clip
        Largest norm of the gradient.
    steps_per_epoch
        Minibatches in an epoch; `auto` for a pass over the data.
    min_steps_per_epoch, max_steps_per_epoch
        Fewest and most minibatches of an epoch that is `auto`; null for no limit.
    sampling
        Draws the cells of each minibatch.
    callbacks
        Called after each epoch; may stop the training.
    device
        A torch device such as `cpu` or `cuda`; `auto` for the fastest there is.
    devices
        Processes that train, each on a GPU of its own, or with its share of the cores; `auto` for all GPUs of the
        machine, and one process where there is none. torchrun sets their number itself.
    checkpoint_seconds
        Seconds between checkpoints.
    """

    batch_size: AtLeastTwo = 512  # networks with batch normalisation cannot be trained on one cell
    min_epochs: Annotated[int, Field(ge=0)] | None = 2500
    max_epochs: PositiveInt = 10_000
    patience: PositiveInt = 500
    min_change: NonNegative = 1e-8
    validation: Annotated[float, Field(ge=0, le=0.5)] = 0.0
    calibration: Annotated[float, Field(ge=0, le=0.4)] = 0.0
    ensemble: PositiveInt = 1
    optimizer: Ref[Optimizer] = spec_default("adam")
    weight_decay: NonNegative = 0.0
    reference_cells: PositiveInt | None = None
    learning_rate: Positive = 1e-3
    rate_schedule: Ref[RateSchedule] = spec_default("constant")
    precision: Literal["auto", "float32", "bfloat16"] = "float32"
    gradient_clip: Positive = 31.25
    steps_per_epoch: PositiveInt | Literal["auto"] = "auto"
    min_steps_per_epoch: PositiveInt | None = None
    max_steps_per_epoch: PositiveInt | None = None
    sampling: Ref[Sampler] = spec_default("pairs")
    callbacks: list[Ref[Callback]] = field(default_factory=list)
    device: str = "auto"
    devices: PositiveInt | Literal["auto"] = 1
    checkpoint_seconds: NonNegative = 30.0

    @property
    def resolved_min_epochs(self) -> int:
        """Return `min_epochs`, or what it comes to where it is null."""
        return self.max_epochs * 4 // 5 if self.min_epochs is None else self.min_epochs


@dataclass(frozen=True, kw_only=True)
class Spec:
    """Everything that a run needs to know, checked and with all defaults filled in.

    Parameters
    ----------
    name
        Name of the run; the spec file's name by default.
    seed
        The one seed of the run.
    plugins
        Python files with further components, relative to the spec.
    data
        Where the cells come from.
    labels
        Columns of cell annotations with cell types or the like, used in evaluation.
    train_labels
        Columns of cell annotations that components may learn from, such as the loss `label_prototypes`. Cells that are
        held out are shown without a label, also where the model is fitted again on all cells.
    batch_key
        Column of cell annotations with the batch, such as a donor or a sequencing run, which encoders and decoders
        read; null for none.
    modalities
        Settings by modality; `"*"` holds for every modality. Where others are named, only those are used, in order.
    correspondence
        Which cell of one modality is which cell of another.
    method
        A method that is the model of the run, in place of `model`, `losses`, `training` and the networks of
        `modalities`; null for the joint variational autoencoder.
    model
        The joint variational autoencoder.
    losses
        Terms of the objective by the name of the loss; a number is a weight, null removes a term.
    training
        How the model is trained.
    evaluate
        How the result is evaluated.
    explain
        Which features drive the model: explainers, done once it is trained.
    imputed
        Imputed values that the run writes: `small` matrices, up to 2 GiB, `all`, or `none`.
    report
        Pages that show the run, written at its end; the runs of a sweep or a benchmark write none.
    until
        Stage after which the run stops: `correspondence` infers the pairs that are not known, says how good they are,
        and trains nothing; null for a whole run.
    sweep
        Values of any settings by their dotted key; every combination is run. A list of such grids is run one after the
        other.
    """

    name: Annotated[str, Field(pattern=r"^[^/\\:]+$")] = "jamie"
    seed: Seed = 0
    plugins: list[Path] = field(default_factory=list)
    data: Ref[Reader]
    labels: list[str] = field(default_factory=list)
    train_labels: list[str] = field(default_factory=list)
    batch_key: str | None = None
    modalities: dict[str, Modality] = field(default_factory=dict)
    correspondence: CorrespondenceSection = field(default_factory=CorrespondenceSection)
    method: Ref[Method] | None = None
    model: ModelSection = field(default_factory=ModelSection)
    losses: dict[str, LossTerm] = field(default_factory=dict)
    training: TrainingSection = field(default_factory=TrainingSection)
    evaluate: EvaluateSection = field(default_factory=EvaluateSection)
    explain: list[Ref[Explainer]] = field(default_factory=list)
    imputed: Literal["small", "all", "none"] = "small"
    report: list[Ref[Report]] = spec_default(["html"])
    until: Literal["correspondence"] | None = None
    sweep: dict[str, SweptValues] | list[dict[str, SweptValues]] = field(default_factory=dict)
    _marks: Mapping[str, Mark] = field(default_factory=dict, repr=False, compare=False)
    _registry: Registry = field(repr=False, compare=False)

    @property
    def registry(self) -> Registry:
        """Components that the spec was read with; `load_spec` takes them to read others with the same."""
        return self._registry

    @property
    def model_name(self) -> str:
        """Name of the model among the methods of a comparison: that of `method`, or ``jamie``."""
        return MODEL_NAME if self.method is None else self.method.name.replace("/", "_")

    def modality(self, name: str) -> Modality:
        """Return the settings of a modality: its own, or those of ``"*"`` where it has none."""
        return self.modalities.get(name, self.modalities[ALL_MODALITIES])

    def requirements(self) -> list[Requirement]:
        """Return what its components declare to read of the data beside what their kinds are always given."""
        return requirements_of(self)

    @property
    def is_sweep(self) -> bool:
        """Whether it describes several runs."""
        folds = self.evaluate.holdout.folds is not None and self.evaluate.holdout.fold is None
        return bool(self.sweep) or self.evaluate.seeds is not None or folds

    def where(self, key: str) -> str:
        """``spec.yaml:9:10  modalities.rna.layer``; the key alone where it does not stand in a file."""
        place = self._marks[key].place if key in self._marks else ""
        return f"{place}  {key}" if place else key

    def to_yaml(self) -> str:
        """Write every setting, defaults filled in; reads again as the same spec."""
        text = yaml.dump(self.to_plain(), Dumper=SpecDumper, sort_keys=False, default_flow_style=None, width=120)
        SPECS_IN_USE[text] = self
        return text

    def to_plain(self) -> dict[str, Any]:
        """Return the spec as a mapping that `load_spec` reads again."""
        settings = {f.name: _plain(getattr(self, f.name)) for f in fields(self) if not f.name.startswith("_")}
        if not self.data.name:
            del settings["data"]
        if self.method is not None:
            leave_networks_out(settings)
        # every default stands in it, so a preset would only bring back what this spec removed
        return {"jamie": FORMAT, "preset": None, **settings}


def leave_networks_out(settings: dict[str, Any]) -> None:
    """Take out of a spec, as plain values, what only the networks read that its method stands in place of."""
    del settings["model"], settings["losses"]
    settings["training"] = {key: settings["training"][key] for key in READ_BY_METHODS}
    for modality in settings["modalities"].values():
        for network in NETWORKS:
            modality.pop(network, None)


# Resolved specs by their text: a report reads the spec that its run has just written, and need not parse it again.
SPECS_IN_USE: WeakValueDictionary[str, Spec] = WeakValueDictionary()


def _plain(value: Any) -> Any:
    if isinstance(value, LossTerm):
        return {"weight": value.weight, "schedule": to_plain(value.schedule), **to_plain(value.component.params)}
    if hasattr(value, "__dataclass_fields__") and not isinstance(value, Ref):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, dict):
        return {one.component.key if isinstance(one, LossTerm) else key: _plain(one) for key, one in value.items()}
    return to_plain(value)
