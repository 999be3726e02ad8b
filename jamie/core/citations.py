"""Short citations of the papers that components name by their DOI."""

from __future__ import annotations

import re
from typing import Final

REFERENCE: Final = re.compile(r"(?:.+ \d{4}, .+, doi:)?(10\.\d{4,9}/\S+)")
"""A DOI alone, or a citation that ends in it."""

CITATIONS: Final = {
    "10.1002/(SICI)1099-128X(199701)11:1<73::AID-CEM435>3.0.CO;2-#": "Dayal and MacGregor 1997, J. Chemometrics",
    "10.1002/sam.10138": "Mukherjee and Zhu 2011, Statistical Analysis and Data Mining",
    "10.1007/978-3-030-86523-8_49": "Chowdhury et al. 2021, ECML PKDD",
    "10.1007/978-3-319-46493-0_38": "He et al. 2016, ECCV",
    "10.1007/BF00117832": "Breiman 1996, Machine Learning",
    "10.1007/BF02289451": "Schönemann 1966, Psychometrika",
    "10.1007/s10208-011-9093-5": "Mémoli 2011, Foundations of Computational Mathematics",
    "10.1007/s10994-006-6226-1": "Geurts et al. 2006, Machine Learning",
    "10.1016/0047-259X(75)90042-1": "Izenman 1975, Journal of Multivariate Analysis",
    "10.1016/0304-4076(76)90010-5": "Vinod 1976, Journal of Econometrics",
    "10.1016/0377-0427(87)90125-7": "Rousseeuw 1987, Journal of Computational and Applied Mathematics",
    "10.1016/S0169-7439(01)00155-1": "Wold et al. 2001, Chemometrics and Intelligent Laboratory Systems",
    "10.1016/j.acha.2006.04.006": "Coifman and Lafon 2006, Applied and Computational Harmonic Analysis",
    "10.1016/j.cell.2018.06.052": "Cusanovich et al. 2018, Cell",
    "10.1016/j.cels.2020.08.003": "Dibaeinia and Sinha 2020, Cell Systems",
    "10.1038/323533a0": "Rumelhart et al. 1986, Nature",
    "10.1038/nmeth.3971": "Haghverdi et al. 2016, Nature Methods",
    "10.1038/nmeth.4380": "Stoeckius et al. 2017, Nature Methods",
    "10.1038/s41467-019-10500-w": "Zhang et al. 2019, Nature Communications",
    "10.1038/s41587-023-01935-0": "Chen et al. 2024, Nature Biotechnology",
    "10.1038/s41592-018-0229-2": "Lopez et al. 2018, Nature Methods",
    "10.1038/s41592-019-0619-0": "Korsunsky et al. 2019, Nature Methods",
    "10.1038/s41592-021-01282-5": "Stuart et al. 2021, Nature Methods",
    "10.1038/s41592-021-01336-8": "Luecken et al. 2022, Nature Methods",
    "10.1038/s41592-022-01459-6": "Zeira et al. 2022, Nature Methods",
    "10.1038/s41592-023-02112-6": "Martens et al. 2024, Nature Methods",
    "10.1038/s41592-025-02651-0": "Li et al. 2025, Nature Methods",
    "10.1038/s42256-021-00343-w": "Erion et al. 2021, Nature Machine Intelligence",
    "10.1038/s42256-023-00663-z": "Cohen Kalafut et al. 2023, Nature Machine Intelligence",
    "10.1073/pnas.2023070118": "Wu et al. 2021, PNAS",
    "10.1080/00401706.1970.10488634": "Hoerl and Kennard 1970, Technometrics",
    "10.1089/cmb.2021.0446": "Demetci et al. 2022, Journal of Computational Biology",
    "10.1089/cmb.2022.0270": "Demetci et al. 2022, Journal of Computational Biology",
    "10.1090/mcom/3303": "Chizat et al. 2018, Mathematics of Computation",
    "10.1093/bioinformatics/btaa443": "Cao et al. 2020, Bioinformatics",
    "10.1093/biomet/28.3-4.321": "Hotelling 1936, Biometrika",
    "10.1098/rspl.1895.0041": "Pearson 1895, Proceedings of the Royal Society of London",
    "10.1098/rsta.2015.0202": "Jolliffe and Cadima 2016, Philosophical Transactions of the Royal Society A",
    "10.1109/18.61115": "Lin 1991, IEEE Transactions on Information Theory",
    "10.1109/ICCV.2017.244": "Zhu et al. 2017, ICCV",
    "10.1109/TIT.2003.813506": "Endres and Schindelin 2003, IEEE Transactions on Information Theory",
    "10.1109/TPAMI.1979.4766909": "Davies and Bouldin 1979, IEEE TPAMI",
    "10.1111/1467-9868.00196": "Tipping and Bishop 1999, Journal of the Royal Statistical Society B",
    "10.1117/12.2520589": "Smith and Topin 2019, Proc. SPIE",
    "10.1126/science.290.5500.2319": "Tenenbaum et al. 2000, Science",
    "10.1145/3388440.3412410": "Singh et al. 2020, ACM-BCB",
    "10.1148/radiology.143.1.7063747": "Hanley and McNeil 1982, Radiology",
    "10.1162/089976603321780317": "Belkin and Niyogi 2003, Neural Computation",
    "10.1186/s12864-019-6329-2": "Nguyen et al. 2019, BMC Genomics",
    "10.1186/s13059-017-1382-0": "Wolf et al. 2018, Genome Biology",
    "10.1186/s13059-019-1812-2": "Baran et al. 2019, Genome Biology",
    "10.1186/s13059-020-02015-1": "Argelaguet et al. 2020, Genome Biology",
    "10.1186/s13059-021-02577-8": "Bredikhin et al. 2022, Genome Biology",
    "10.18653/v1/K16-1002": "Bowman et al. 2016, CoNLL",
    "10.21105/joss.04371": "Virshup et al. 2024, Journal of Open Source Software",
    "10.2307/1412159": "Spearman 1904, American Journal of Psychology",
    "10.3390/a13090212": "Vayer et al. 2020, Algorithms",
    "10.4230/LIPIcs.WABI.2019.10": "Liu et al. 2019, WABI",
    "10.48550/arXiv.1312.6114": "Kingma and Welling 2013, arXiv",
    "10.48550/arXiv.1412.6980": "Kingma and Ba 2015, ICLR",
    "10.48550/arXiv.1608.03983": "Loshchilov and Hutter 2017, ICLR",
    "10.48550/arXiv.1703.01365": "Sundararajan et al. 2017, arXiv",
    "10.48550/arXiv.1703.05175": "Snell et al. 2017, NeurIPS",
    "10.48550/arXiv.1705.07874": "Lundberg and Lee 2017, arXiv",
    "10.48550/arXiv.1711.05101": "Loshchilov and Hutter 2019, ICLR",
    "10.48550/arXiv.1807.03748": "van den Oord et al. 2018, arXiv",
    "10.48550/arXiv.2002.08276": "Chapel et al. 2020, arXiv",
    "10.48550/arXiv.2009.04266": "Séjourné et al. 2020, arXiv",
    "10.48550/arXiv.2106.01128": "Scetbon et al. 2021, arXiv",
    "10.48550/arXiv.2206.09398": "Thual et al. 2022, arXiv",
    "10.5555/2188385.2188410": "Gretton et al. 2012, Journal of Machine Learning Research",
    "10.5555/3008751.3008847": "Williams and Seeger 2000, NIPS",
    "10.5555/3045390.3045671": "Peyré et al. 2016, ICML",
    "10.5555/645527.657464": "Saunders et al. 1998, ICML",
}


def doi_of(reference: str) -> str:
    """Return the DOI of an entry of `Component.references`."""
    return reference.rpartition("doi:")[2]


def cite(reference: str) -> str:
    """Return ``Cao et al. 2020, Bioinformatics, doi:10.1093/...`` for a DOI; a reference that has it is kept.

    Parameters
    ----------
    reference
        An entry of `Component.references`: a DOI, or a citation that ends in ``doi:`` and the DOI.
    """
    if "doi:" in reference:
        return reference
    return f"{CITATIONS[reference]}, doi:{reference}" if reference in CITATIONS else f"doi:{reference}"
