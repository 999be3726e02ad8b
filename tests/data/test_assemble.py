import logging
import warnings

from jamie.core.package_versions import set_pull_on_update
from jamie.data.assemble import mudata_conventions


def test_modalities_may_share_names_without_warnings_or_handlers(make, tmp_path):
    handlers = list(logging.getLogger().handlers)
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        joined = make.mdata({"a": make.adata("pqr", 3), "b": make.adata("qrs", 3)})
        with mudata_conventions():
            joined.write(tmp_path / "j.h5mu")
    assert joined.shape == (4, 6)
    assert logging.getLogger().handlers == handlers


def test_options_of_mudata_are_put_back():
    before = set_pull_on_update(True)
    with mudata_conventions():
        assert set_pull_on_update(False) is False
    assert set_pull_on_update(before) is True
