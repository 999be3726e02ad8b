"""Names of the methods that a run compares."""

import pytest

from jamie.core.errors import SpecError
from jamie.methods.names import name_methods
from jamie.spec import load_spec


def names(*compare, taken=("jamie",)):
    spec = load_spec({"data": "simulate_branch", "evaluate": {"compare": list(compare)}})
    return list(name_methods(spec.evaluate.compare, taken=taken))


def test_a_method_alone_has_the_name_of_its_component():
    assert names("knn", {"ridge": {"penalty": "shared"}}) == ["knn", "ridge"]


def test_parameters_tell_methods_of_one_component_apart():
    assert names("knn", {"knn": {"k": 9}}) == ["knn", "knn(k=9)"]


def test_a_mapping_of_settings_is_left_out_where_the_name_is_unique_without():
    settings = {"training.batch_size": 20, "model.latent_dim": 4}
    assert names({"jamie": {"spec": "paper", "settings": settings}}) == ["jamie(spec=paper)"]
    assert names({"jamie": {"settings": {"model.latent_dim": 4}}}) == ["jamie(model.latent_dim=4)"]
    both = [{"jamie": {"spec": "paper", "settings": {"model.latent_dim": n}}} for n in (4, 8)]
    assert names(*both) == ["jamie(spec=paper, model.latent_dim=4)", "jamie(spec=paper, model.latent_dim=8)"]


def test_the_model_itself_by_its_default_is_told_apart_from_that_of_the_run():
    assert names("jamie", {"jamie": {"spec": "paper"}}) == ["jamie(spec=default)", "jamie(spec=paper)"]
    assert names("jamie") == ["jamie(spec=default)"]


def test_the_same_method_again_is_refused():
    problem = (
        r"evaluate.compare\[3\]: expected each method once, found knn again with the same parameters\n  leave it out"
    )
    with pytest.raises(SpecError, match=problem):
        names("knn", {"knn": {"k": 9}}, "ridge", {"knn": {}})
