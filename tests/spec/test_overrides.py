import pytest

BASE = """data: {h5: {path: a.h5}}
modalities:
  rna: {preprocess: [standardize, {pca: {n_components: 50}}], encoder: {mlp: {dropout: 0.5}}}
losses: {kl: {schedule: sigmoid}}
"""


@pytest.fixture
def overridden(load):
    return lambda *overrides: load(BASE, overrides, reads_data=False)


@pytest.mark.parametrize(
    ("override", "read", "value"),
    [
        ("training.batch_size=256", lambda s: s.training.batch_size, 256),
        ("training.min_change=1e-3", lambda s: s.training.min_change, 0.001),
        ("evaluate.known_pairs.fraction=0.5", lambda s: s.evaluate.known_pairs.fraction, 0.5),
        ("labels=[a, b]", lambda s: s.labels, ["a", "b"]),
        ("data.path=b.h5", lambda s: s.data.params["path"].name, "b.h5"),
        ("data.h5.path=b.h5", lambda s: s.data.params["path"].name, "b.h5"),
        ("data=toy", lambda s: s.data.name, "toy"),
        ("correspondence.infer=unioncom", lambda s: s.correspondence.infer.name, "unioncom"),
        ("correspondence.infer.unioncom.steps=5", lambda s: s.correspondence.infer.params["steps"], 5),
        ("correspondence.known=none", lambda s: s.correspondence.known.name, "none"),
        ("losses.kl.weight=2", lambda s: (s.losses["kl"].weight, s.losses["kl"].schedule.name), (2, "sigmoid")),
        ("losses.kl=2", lambda s: (s.losses["kl"].weight, s.losses["kl"].schedule.name), (2, "sigmoid")),
        ("losses.kl=null", lambda s: "kl" in s.losses, False),
        ("losses.margin.margin=2", lambda s: s.losses["margin"].component.params["margin"], 2),
        ("losses.kl.schedule=constant", lambda s: s.losses["kl"].schedule.name, "constant"),
        ("modalities.rna.layer=counts", lambda s: s.modality("rna").layer, "counts"),
        ("modalities.*.layer=counts", lambda s: s.modality("rna").layer, "counts"),
        ("modalities.rna.encoder.dropout=0.1", lambda s: s.modality("rna").encoder.params["dropout"], 0.1),
        ("modalities.rna.encoder=linear", lambda s: s.modality("rna").encoder.name, "linear"),
        ("modalities.rna.decoder.hidden=[2]", lambda s: s.modality("rna").decoder.params["hidden"], (2,)),
        ("modalities.rna.target.layer=raw", lambda s: s.modality("rna").target.layer, "raw"),
        (
            "modalities.rna.preprocess.pca.n_components=9",
            lambda s: s.modality("rna").preprocess[1].params["n_components"],
            9,
        ),
        (
            "modalities.rna.preprocess.1.n_components=9",
            lambda s: s.modality("rna").preprocess[1].params["n_components"],
            9,
        ),
        ("modalities.rna.preprocess.0=limits", lambda s: s.modality("rna").preprocess[0].name, "limits"),
        ("model.latent_dim=", lambda s: s.model.latent_dim, 32),
    ],
)
def test_an_override_reaches_its_setting(overridden, override, read, value):
    assert read(overridden(override)) == value


@pytest.mark.parametrize("first", [0, 1])
def test_what_holds_for_every_modality_reaches_one_that_is_named_too(overridden, first):
    both = ["modalities.atac.target.layer=raw", "modalities.*.layer=counts"]
    atac = overridden(both[first], both[1 - first]).modality("atac")
    assert (atac.layer, atac.target.layer) == ("counts", "raw")


def test_the_rest_of_a_component_stays(overridden):
    params = overridden("modalities.rna.encoder.hidden=[2]").modality("rna").encoder.params
    assert params == {"hidden": (2,), "dropout": 0.5}


def test_later_overrides_see_earlier_ones(overridden):
    spec = overridden("correspondence.infer=unioncom", "correspondence.infer.steps=7", "correspondence.infer.steps=8")
    assert spec.correspondence.infer.params["steps"] == 8


def test_a_nested_component(overridden):
    spec = overridden("correspondence.infer=unioncom", "correspondence.infer.distance.geodesic.k=3")
    assert spec.correspondence.infer.params["distance"].params["k"] == 3


def test_a_mapping_of_dotted_keys(load):
    spec = load(BASE, {"training.batch_size": 7, "losses.kl": {"weight": 3}}, reads_data=False)
    assert (spec.training.batch_size, spec.losses["kl"].weight) == (7, 3)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("trainin.batch_size=1", "trainin: unknown key 'trainin'\n  did you mean 'training'?   allowed: name"),
        ("training.batch=1", "training.batch: unknown key 'batch'\n  did you mean 'batch_size'?"),
        ("training.batch_size.x=1", "training.batch_size.x: there are no keys below this one"),
        ("data.pth=1", "data.pth: unknown key 'pth'\n  did you mean 'path'?   allowed: path, h5"),
        (
            "correspondence.infer.steps=1",
            "correspondence.infer.steps: unknown key 'steps'\n  allowed: auto, maxfuse, seeded",
        ),
        (
            "modalities.rna.preprocess.scale.x=1",
            "modalities.rna.preprocess.scale: no 'scale' in this list\n  in it: standardize, pca",
        ),
        ("losses.kl.weigth=1", "losses.kl.weigth: unknown key 'weigth'\n  did you mean 'weight'?"),
        ("losses.kll.weight=1", "losses.kll: unknown loss 'kll'\n  did you mean 'kl'?"),
        ("training.batch_size=many", "training.batch_size: expected a whole number >= 2, found 'many'"),
        ("training.batch_size", "expected key=value\n  for example training.batch_size=256"),
        ("=5", "expected key=value"),
        ("labels=[a", "labels: not YAML: while parsing a flow sequence"),
    ],
)
def test_what_leads_nowhere_is_an_error_like_the_others(problems, override, message):
    found = problems(BASE, [override], reads_data=False)
    assert found.startswith(f"--set {override}  {message}")


def test_several_wrong_overrides_are_all_reported(problems):
    found = problems(BASE, ["a.b=1", "seed=x"], reads_data=False)
    assert "--set a.b=1  a: unknown key 'a'" in found
    assert "--set seed=x  seed: expected a whole number" in found
