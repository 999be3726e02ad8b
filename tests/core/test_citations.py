"""Short citations beside DOIs."""

from jamie.builtins import jamie_components
from jamie.core.citations import CITATIONS, cite, doi_of


def test_every_reference_of_the_built_ins_has_a_citation_and_no_other():
    assert {doi for component in jamie_components() for doi in component.references} == set(CITATIONS)


def test_a_citation_stands_before_its_doi():
    unioncom = "Cao et al. 2020, Bioinformatics, doi:10.1093/bioinformatics/btaa443"
    assert cite("10.1093/bioinformatics/btaa443") == cite(unioncom) == unioncom
    assert doi_of(unioncom) == doi_of("10.1093/bioinformatics/btaa443") == "10.1093/bioinformatics/btaa443"
    assert cite("10.1000/ridge") == "doi:10.1000/ridge"
