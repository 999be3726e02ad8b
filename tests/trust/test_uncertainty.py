import numpy as np
import pandas as pd

from jamie.core.context import Context
from jamie.preprocess.chain import Chain
from jamie.trust.calibrate import calibrate
from jamie.trust.distance import fit_distance
from jamie.trust.trust import Trust


def test_state_is_told_by_direction_and_modality():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(30, 4)).astype(np.float32)
    obs, features = pd.DataFrame(index=range(30)), pd.Index(range(4))
    distance = fit_distance(Chain([]).fit(X, obs, features), X, obs, features, X, Context())
    directions = {("rna", "adt.2"): calibrate(X, X + 1), ("adt.2", "rna"): calibrate(X[:, :2], X[:, :2] - 5)}
    given = Trust(directions, {"adt.2": distance})
    modalities = ("rna", "adt.2")
    arrays = given.state(modalities)
    assert {key.rpartition(".")[0] for key in arrays} == {"0.1", "1.0", "1.cells"}
    restored = Trust.from_state(arrays, modalities)
    assert restored.state(modalities).keys() == arrays.keys()
    for key, array in restored.state(modalities).items():
        np.testing.assert_array_equal(array, arrays[key], err_msg=key)
    assert Trust.from_state({}, modalities) == Trust()
