"""Components that break what every component keeps."""

import jamie


class Sound(jamie.Schedule):
    """A constant factor."""

    def __call__(self, step: int, horizon: int) -> float:
        return 1.0


class NoDocstring(Sound):
    name = "no_docstring"


class Abstract(jamie.Loss):
    """A loss without a forward."""


class Undescribed(Sound):
    """A parameter without a description."""

    def __init__(self, *, level: float = 1.0) -> None:
        self.level = level


class Link(Sound):
    """A link for a DOI."""

    references = ("https://doi.org/10.1000/182",)


class StrayParameter(Sound):
    """Test parameters that the constructor does not take."""

    @classmethod
    def test_params(cls) -> dict:
        return {"levle": 1.0}


class Asks(Sound):
    """Declares to read what its kind is not given."""

    requires = ("labels",)


class AsksByParameter(jamie.Distance):
    """Declares, by a parameter, a word that there is not."""

    def __init__(self, *, key: str = "spatial") -> None:
        self.key = key

    def required(self) -> tuple[str, ...]:
        return (f"space:{self.key}",)

    def _pairwise(self, view, to):
        return view.scores @ view.scores[to].T


class Bypass(jamie.Metric):
    """A metric that replaces the public method, which validates."""

    higher_is_better = True
    bounds = (0.0, 1.0)

    def score(self, pair: jamie.EmbeddedPair) -> float:
        return 2.0

    def _score(self, pair: jamie.EmbeddedPair) -> float:
        return 2.0


BROKEN = {
    "check_can_be_registered": [
        (NoDocstring, "schedule 'no_docstring': can be registered: .* expected a docstring"),
        (Abstract, "loss 'abstract': can be registered: .* does not define forward"),
    ],
    "check_parameters_are_described": [(Undescribed, "expected a description of each, found none of level")],
    "check_references_are_dois": [(Link, r"expected 10.<number>/<name>, found \['https://doi.org/10.1000/182'\]")],
    "check_test_params_are_parameters": [(StrayParameter, "keywords only: expected some of none, found levle")],
    "check_requires_words_of_its_kind": [
        (Asks, "found 'labels' in `requires`, which a schedule cannot be given; it may name: none"),
        (
            AsksByParameter,
            "found 'space:spatial' in `requires`, which a distance cannot be given; it may name: batch, ",
        ),
    ],
    "check_public_methods_are_kept": [(Bypass, "stay as they are: expected _score, found score")],
}
