import numpy as np
import pandas as pd

from jamie.core.context import Context
from jamie.preprocess.chain import Chain
from jamie.trust.fit_calibration import calibrate
from jamie.trust.novelty import fit_novelty_score
from jamie.trust.uncertainty import Uncertainty


def test_state_is_keyed_by_direction_and_modality():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)).astype(np.float32)
    obs, features = pd.DataFrame(index=range(30)), pd.Index(range(4))
    novelty = fit_novelty_score(Chain([]).fit(X, obs, features), X, obs, features, X, Context())
    directions = {("rna", "adt.2"): calibrate(X, X + 1), ("adt.2", "rna"): calibrate(X[:, :2], X[:, :2] - 5)}
    given = Uncertainty(directions, {"adt.2": novelty})
    modalities = ("rna", "adt.2")
    arrays = given.state(modalities)
    assert {key.rpartition(".")[0] for key in arrays} == {"0.1", "1.0", "1.novelty"}
    restored = Uncertainty.from_state(arrays, modalities)
    assert restored.state(modalities).keys() == arrays.keys()
    for key, array in restored.state(modalities).items():
        np.testing.assert_array_equal(array, arrays[key], err_msg=key)
    assert Uncertainty.from_state({}, modalities) == Uncertainty()
