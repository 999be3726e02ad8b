import logging

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData
from mudata import MuData

from jamie.core.errors import DataError
from jamie.core.interfaces.data import Reader
from jamie.data.assemble import mudata_conventions
from jamie.data.readers.anndata import AnnDataReader
from jamie.data.readers.join import JoinReader
from jamie.spec import load_single


class Given(Reader):
    """Cells that the test made."""

    name = "given"

    def __init__(self, mdata):
        self.mdata = mdata

    def _read(self, context):
        return self.mdata


def cells(names, **modalities):
    with mudata_conventions():
        return MuData(
            {
                modality: AnnData(np.ones((len(names), p), np.float32), obs=pd.DataFrame(index=list(names)))
                for modality, p in modalities.items()
            }
        )


def test_modalities_stand_side_by_side():
    first, second = cells("abc", rna=3, atac=2), cells("bcd", prot=4)
    first.obs["donor"] = list("xyz")
    mdata = JoinReader(readers=[Given(first), Given(second)]).read()
    assert {name: adata.shape for name, adata in mdata.mod.items()} == {"rna": (3, 3), "atac": (3, 2), "prot": (3, 4)}
    assert list(mdata.obs_names) == list("abcd")
    assert list(mdata["atac"].obs["donor"]) == list("xyz")


def test_a_name_that_comes_twice_is_refused_and_can_be_changed():
    readers = [Given(cells("ab", rna=3)), Given(cells("ab", prot=2)), Given(cells("ab", rna=4))]
    words = r"found 'rna' in readers\[0\] and readers\[2\]\n  rename one: rename: \[\{\}, \{\}, \{rna: rna_3\}\]"
    with pytest.raises(DataError, match=r"reader 'join': expected each modality once, " + words):
        JoinReader(readers=readers).read()
    mdata = JoinReader(readers=readers, rename=[{}, {}, {"rna": "rna_3"}]).read()
    assert {name: adata.n_vars for name, adata in mdata.mod.items()} == {"rna": 3, "prot": 2, "rna_3": 4}


def test_what_belongs_to_all_modalities_of_one_reader_is_named(caplog):
    first, second = cells("ab", rna=3, prot=2), cells("ab", atac=2)
    first.obsm["X_umap"], first.uns["k"], second.uns["k"] = np.ones((2, 2)), 1, 2
    with caplog.at_level(logging.WARNING, "jamie"):
        mdata = JoinReader(readers=[Given(first), Given(second)]).read()
    assert "of readers[0], what belongs to all its modalities is left out: obsm 'X_umap'" in caplog.text
    assert "of readers[1], what belongs to all its modalities is left out: uns 'k', which another" in caplog.text
    assert mdata.uns["k"] == 1


@pytest.mark.parametrize(
    ("rename", "words"),
    [
        ([{}], r"rename: expected a mapping for each of 2 readers, found 1\n  write \{\} for a reader"),
        ([{"rne": "x"}, {}], r"rename: expected a modality of readers\[0\], found 'rne'\n  it has rna"),
    ],
)
def test_names_to_change_that_do_not_fit(rename, words):
    with pytest.raises(DataError, match=words):
        JoinReader(readers=[Given(cells("ab", rna=3)), Given(cells("ab", prot=2))], rename=rename).read()


def test_no_reader_at_all_is_refused():
    with pytest.raises(DataError, match=r"reader 'join', readers: expected readers, found none\n  name two or more"):
        JoinReader(readers=[])


def test_a_spec_joins_readers(make, tmp_path):
    for name, n_features in (("rna", 3), ("prot", 2)):
        make.adata("abcd", n_features).write_h5ad(tmp_path / f"{name}.h5ad")
    readers = [{"anndata": {"paths": {name: str(tmp_path / f"{name}.h5ad")}}} for name in ("rna", "prot")]
    reader = load_single({"data": {"join": {"readers": readers, "rename": [{}, {"prot": "adt"}]}}}).data.build()
    assert isinstance(reader.readers[0], AnnDataReader)
    assert list(reader.read().mod) == ["rna", "adt"]
    assert reader.sources() == (tmp_path / "rna.h5ad", tmp_path / "prot.h5ad")
