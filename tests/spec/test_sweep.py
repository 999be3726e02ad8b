"""A spec of several runs becomes one checked spec for each."""

import itertools

import pytest

from jamie.core.errors import SpecError
from jamie.spec import draft_spec, expand, load_spec

BASE = {"data": {"simulate_branch": {"n_cells": 30}}, "evaluate": {"metrics": ["foscttm"], "holdout": {"fraction": 0}}}


@pytest.fixture
def write(tmp_path):
    """Write a spec of lines, and return its path."""

    def written(*lines):
        path = tmp_path / "spec.yaml"
        path.write_text("\n".join(["data: {simulate_branch: {n_cells: 30}}", *lines]) + "\n")
        return path

    return written


def message(path, overrides=()):
    with pytest.raises(SpecError) as caught:
        expand(path, overrides)
    return str(caught.value)


def test_every_combination_is_a_run():
    sweep = expand({**BASE, "sweep": {"model.latent_dim": [2, 3], "losses.kl.weight": [0, 1, 2]}})
    found = [(cell.spec.model.latent_dim, cell.spec.losses["kl"].weight) for cell in sweep.runs]
    assert found == list(itertools.product([2, 3], [0, 1, 2]))
    assert [tuple(cell.values.values()) for cell in sweep.runs] == found
    assert not any(cell.spec.is_sweep for cell in sweep.runs)


def test_random_orders_of_the_cells_in_a_file_are_repetitions(tmp_path):
    (tmp_path / "orders.csv").write_text("cell,order_0,order_1\n")
    known = {"file": str(tmp_path / "orders.csv"), "column": "order_0"}
    base = BASE | {"evaluate": BASE["evaluate"] | {"known_pairs": known}}
    fractions, orders = {"evaluate.known_pairs.fraction": [0.5, 0.1]}, ["order_0", "order_1"]
    sweep = expand({**base, "sweep": fractions | {"evaluate.known_pairs.column": orders}})
    assert (len(sweep.runs), sweep.grid_keys) == (4, tuple(fractions))


def test_a_run_is_that_of_its_settings_alone():
    (first, _) = expand(BASE, {"sweep.training.batch_size": [7, 8]}).runs
    assert first.spec == load_spec(BASE, {"training.batch_size": 7})


def test_seeds_and_folds_repeat_every_run():
    settings = {"evaluate.seeds": [4, 5], "evaluate.holdout.folds": 3, "sweep": {"model.latent_dim": [2, 3]}}
    sweep = expand(BASE, settings)
    assert len(sweep.runs) == 12
    assert [(cell.spec.seed, cell.spec.evaluate.holdout.fold) for cell in sweep.runs[:6]] == [
        *itertools.product([4, 5], range(3))
    ]
    assert sweep.runs[1].values == {"model.latent_dim": 2, "seed": 4, "evaluate.holdout.fold": 1}
    assert (sweep.keys, sweep.grid_keys) == (
        ("model.latent_dim", "seed", "evaluate.holdout.fold"),
        ("model.latent_dim",),
    )


def test_several_grids_are_run_one_after_the_other():
    sweep = expand(
        {**BASE, "sweep": [{}, {"model.latent_dim": [2, 3]}, {"losses.kl": [None]}]}, {"evaluate.seeds": [7]}
    )
    assert [dict(cell.values) for cell in sweep.runs] == [
        {"seed": 7},
        {"model.latent_dim": 2, "seed": 7},
        {"model.latent_dim": 3, "seed": 7},
        {"losses.kl": None, "seed": 7},
    ]
    assert [(cell.spec.model.latent_dim, "kl" in cell.spec.losses) for cell in sweep.runs] == [
        (32, True),
        (2, True),
        (3, True),
        (32, False),
    ]
    assert expand(sweep.spec.to_plain()).runs == sweep.runs
    wrong = {**BASE, "sweep": [{"model.latent_dim": [2]}, {"model.latent_dims": [3]}]}
    with pytest.raises(SpecError, match="did you mean 'latent_dim'"):
        expand(wrong)


def test_folds_may_differ_between_runs():
    sweep = expand(BASE, {"sweep": {"evaluate.holdout": [{"folds": 2}, {"fraction": 0.5}]}})
    assert [cell.spec.evaluate.holdout.fold for cell in sweep.runs] == [0, 1, None]
    named = expand(BASE, {"evaluate.holdout.folds": 5, "sweep.evaluate.holdout.fold": [1, 3]})
    assert [cell.spec.evaluate.holdout.fold for cell in named.runs] == [1, 3]


def test_values_may_be_components_sections_and_null():
    settings = {
        "correspondence.infer": [None, "unioncom", {"unioncom": {"use_known": False}}],
        "training": [{"batch_size": 8}, {"min_epochs": 3}],
    }
    specs = [cell.spec for cell in expand({**BASE, "sweep": settings}).runs]
    infer = [spec.correspondence.infer for spec in specs[::2]]
    assert infer[0] is None
    assert [one.params["use_known"] for one in infer[1:]] == [True, False]
    assert [(spec.training.batch_size, spec.training.min_epochs) for spec in specs[:2]] == [(8, None), (128, 3)]


def test_a_section_is_set_before_what_stands_in_it():
    settings = {"training.batch_size": [9], "training": [{"batch_size": 8, "patience": 7}]}
    (cell,) = expand({**BASE, "sweep": settings}).runs
    assert (cell.spec.training.batch_size, cell.spec.training.patience) == (9, 7)


def test_files_are_looked_up_beside_the_spec(tmp_path, monkeypatch):
    monkeypatch.chdir("/")
    for name in "ab":
        (tmp_path / f"{name}.h5mu").touch()
    path = tmp_path / "spec.yaml"
    path.write_text("sweep:\n  data: [{mudata: {path: a.h5mu}}, {mudata: {path: b.h5mu}}]\n")
    sweep = expand(path)
    assert [cell.spec.data.params["path"] for cell in sweep.runs] == [tmp_path / "a.h5mu", tmp_path / "b.h5mu"]
    short = expand({"data": {"mudata": {"path": "a.h5mu"}}, "sweep": {"data.path": ["a.h5mu", "b.h5mu"]}}, (), tmp_path)
    assert [cell.spec for cell in short.runs] == [cell.spec.__class__(**vars(cell.spec)) for cell in short.runs]
    assert [cell.spec.data for cell in short.runs] == [cell.spec.data for cell in sweep.runs]


def test_the_whole_gives_the_same_runs_again(tmp_path):
    (tmp_path / "a.h5mu").touch()
    settings = {
        "data": [{"mudata": {"path": "a.h5mu"}}, "simulate_branch"],
        "correspondence.infer": [None, "unioncom"],
        "losses.kl": [None, 2],
        "modalities.*.preprocess.pca.n_components": [3, 4],
    }
    sweep = expand({"evaluate": {"seeds": [1, 2], "holdout": {"folds": 2}}, "sweep": settings}, (), tmp_path)
    again = expand(sweep.spec.to_plain(), (), tmp_path.parent)
    assert len(again.runs) == 64
    assert [cell.spec for cell in again.runs] == [cell.spec for cell in sweep.runs]


def test_a_spec_of_one_run_gives_that_run():
    sweep = expand(BASE)
    assert sweep.spec == load_spec(BASE)
    assert [(cell.values, cell.spec) for cell in sweep.runs] == [({}, load_spec(BASE))]


@pytest.mark.parametrize(
    ("settings", "expected"),
    [
        ({}, False),
        ({"sweep": {}}, False),
        ({"sweep.seed": [1]}, True),
        ({"evaluate.seeds": [1]}, True),
        ({"evaluate.holdout.folds": 2}, True),
        ({"evaluate.holdout.folds": 2, "evaluate.holdout.fold": 0}, False),
    ],
)
def test_is_sweep(settings, expected):
    assert bool(draft_spec(BASE, settings).sweep_keys()) is expected
    assert load_spec(BASE, settings).is_sweep is expected


def test_values_on_the_command_line():
    sweep = expand(BASE, ["sweep.training.batch_size=[4, 5]", "sweep.seed=[0]"])
    assert [cell.spec.training.batch_size for cell in sweep.runs] == [4, 5]
    assert len(expand(BASE | {"sweep": {"seed": [1, 2]}}, ["sweep.seed=null"]).runs) == 1


class TestProblems:
    def test_all_at_once_each_once_at_its_line(self, write):
        path = write("sweep:", "  seed: [0, -1]", "  model.latentdim: [2, 3]", "  losses.kl.weight: [1, many]")
        assert message(path) == (
            "spec.yaml:3:13  seed: expected a whole number from 0 to 9223372036854775807, found -1\n"
            "    3 |   seed: [0, -1]\n      |             ^^\n"
            "spec.yaml:4:3  model.latentdim: unknown key 'latentdim'\n"
            "    4 |   model.latentdim: [2, 3]\n      |   ^^^^^^^^^^^^^^^\n"
            "  did you mean 'latent_dim'?   allowed: latent_dim, aggregator, stack\n"
            "spec.yaml:5:25  losses.kl.weight: expected a number >= 0, found 'many'\n"
            "    5 |   losses.kl.weight: [1, many]\n      |                         ^^^^"
        )

    def test_what_is_wrong_with_the_rest_is_said_once(self, write):
        found = message(write("traning: {}", "sweep: {seed: [0, 1, 2]}"))
        assert found.count("unknown key 'traning'") == 1

    def test_runs_that_do_not_fit_together_are_named(self, write):
        path = write("sweep:", "  training.min_epochs: [2, 9]", "  training.max_epochs: [5, 9]", "  seed: [0, 1]")
        assert message(path) == (
            "spec.yaml:3:28  training.min_epochs: expected min_epochs <= max_epochs, found 9 > 5; annealing runs over "
            "min_epochs, and the best state is kept among the epochs after them\n"
            "    3 |   training.min_epochs: [2, 9]\n      |                            ^\n"
            "  set training.min_epochs to at most 5, or to null for four fifths of max_epochs\n"
            "  where training.max_epochs is 5"
        )

    def test_a_component_that_does_not_exist(self, write):
        found = message(write("sweep: {correspondence.infer: [unoincom, null]}"))
        assert "spec.yaml:2:32  correspondence.infer: unknown correspondence 'unoincom'" in found
        assert "did you mean 'unioncom'?" in found

    def test_a_file_that_does_not_exist(self, write):
        found = message(write("sweep: {data: [{mudata: {path: no.h5mu}}]}"))
        assert "spec.yaml:2:16  data.mudata.path: no such file 'no.h5mu'" in found

    def test_seeds_twice(self, write):
        found = message(write("evaluate: {seeds: [0, 1]}", "sweep: {seed: [2, 3]}"))
        assert "sweep.seed: expected the seeds once, found sweep.seed and evaluate.seeds" in found
        assert "keep one of them; both are averaged over" in found

    @pytest.mark.parametrize("line", ["sweep: {seed: [0, 1, 0]}", "evaluate: {seeds: [0, 1, 0]}"])
    def test_a_value_twice_would_pass_for_a_repetition(self, write, line):
        assert "seed" in message(write(line))
        assert ": expected each value once, found 0 again\n" in message(write(line))

    @pytest.mark.parametrize("key", ["name", "jamie", "preset", "extends", "plugins", "evaluate.seeds", "sweep"])
    def test_what_cannot_be_swept(self, write, key):
        found = message(write(f"sweep: {{{key}: [paper]}}"))
        assert f"spec.yaml:2:9  sweep.{key}: {key} cannot be swept" in found

    def test_a_value_that_is_no_list(self, write):
        found = message(write("sweep: {seed: 3}"))
        assert "sweep.seed: expected a list of values of length at least 1, found 3" in found
        assert "\n  write `[3]`" in found

    def test_an_empty_list(self, write):
        found = message(write("sweep: {seed: []}"))
        assert "sweep.seed: expected a list of values of length at least 1, found 0" in found

    def test_no_seeds(self, write):
        assert "evaluate.seeds: expected a list" in message(write("evaluate: {seeds: []}"))

    def test_no_mapping(self, write):
        assert "sweep[0]: expected a mapping of names to" in message(write("sweep: [seed]"))
        assert "sweep: expected a mapping of names to" in message(write("sweep: seed"))

    def test_an_override(self):
        with pytest.raises(SpecError, match=r"^--set sweep.sed=\[1\]  sed: unknown key 'sed'\n  did you mean 'seed'"):
            expand(BASE, ["sweep.sed=[1]"])
