"""Cells of the same name are the same cell."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from itertools import combinations
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from jamie.core.correspondence import Correspondence, Correspondences
from jamie.core.data import ModalityData
from jamie.core.errors import DataError
from jamie.core.interfaces.data import Pairing
from jamie.core.matrix import format_percent
from jamie.data.pairings.name_rules import MIN_SHARE, RULES, find_rule, match_names, require_unique

log = logging.getLogger(__name__)


class ByName(Pairing):
    """A cell name that occurs in two modalities is one cell measured in both.

    It is an error if no name is shared, so that names meant to agree are not silently ignored; the error shows the rule
    that would match. A rule is applied to the names of either modality or of both, whichever matches
    most, and never where it would give two cells of a modality one name.

    Parameters
    ----------
    min_overlap
        Least fraction of the smaller modality's cells whose names are shared, where any is. Barcodes coincide by
        chance between unrelated runs, so that fewer shared names are refused rather than believed.
    strip_spaces
        Ignore spaces around names.
    ignore_case
        Treat upper and lower case as equal.
    numbers
        Treat numbers as equal however they are written: 7, 007 and 7.0.
    replace
        Text to replace, such as {'.': '-'} for names that R has changed.
    strip_prefix
        Ignore the text before the barcode; in names without one, the first part up to a - _ . : # | / or space.
    strip_suffix
        Ignore the text after the barcode; in names without one, the last part.
    reverse_complement
        Treat a barcode and its reverse complement as equal.
    complement
        Positions of the barcode, the first being 1, whose bases are complemented in one modality, such as [8, 9].
    """

    name = "by_name"

    def __init__(
        self,
        *,
        min_overlap: Annotated[float, Field(ge=0, le=1)] = 0.05,
        strip_spaces: bool = False,
        ignore_case: bool = False,
        numbers: bool = False,
        replace: dict[Annotated[str, Field(min_length=1)], str] | None = None,
        strip_prefix: bool = False,
        strip_suffix: bool = False,
        reverse_complement: bool = False,
        complement: list[Annotated[int, Field(ge=1)]] | None = None,
    ) -> None:
        self.min_overlap = min_overlap
        given: dict[str, Any] = {
            "strip_spaces": strip_spaces,
            "ignore_case": ignore_case,
            "numbers": numbers,
            "replace": replace,
            "strip_prefix": strip_prefix,
            "strip_suffix": strip_suffix,
            "reverse_complement": reverse_complement,
            "complement": complement,
        }
        self.rules = {rule: given[rule] for rule in RULES if given[rule]}

    def match_cells(self, cells: Mapping[str, pd.Index]) -> Correspondences:
        """Pair cells by their names as far as these agree, be it none.

        Raises
        ------
        DataError
            Where a rule would give two cells of a modality one name.
        """
        found = {
            (a, b): require_unique(match_names(cells[a], cells[b], self.rules), a, b) for a, b in combinations(cells, 2)
        }
        return Correspondences({m: len(names) for m, names in cells.items()}, found)

    def _pairs(self, modalities: Mapping[str, ModalityData]) -> dict[tuple[str, str], Correspondence]:
        cells = {name: m.cells for name, m in modalities.items()}
        found = dict(self.match_cells(cells).items())
        if found and not any(c.n_pairs for c in found.values()):
            raise self._nothing_shared(modalities)
        for (a, b), pairs in found.items():
            self._require_overlap(modalities[a], modalities[b], pairs)
            self._log_matches(modalities[a], modalities[b], pairs)
        self._suggest_rule(cells, found)
        return found

    def _nothing_shared(self, modalities: Mapping[str, ModalityData]) -> DataError:
        hint = self._hint({name: m.cells for name, m in modalities.items()}, thorough=True)
        agree = "make the names of cells that were measured in two modalities agree,"
        return DataError(
            f"expected names of cells that occur in two of {', '.join(modalities)}, found none (they look like "
            f"{', '.join(repr(m.cells[0]) for m in modalities.values() if m.n_cells)})",
            where="pairing 'by_name'",
            fix=f"{f'{hint};' if hint else agree} or give their "
            "pairs (correspondence.known: table); where there are none, partners are inferred with "
            "correspondence.known: none",
        )

    def _require_overlap(self, a: ModalityData, b: ModalityData, found: Correspondence) -> None:
        n, smaller = found.n_pairs, min(a.n_cells, b.n_cells)
        if 0 < n < self.min_overlap * smaller:
            hint = self._hint({a.name: a.cells, b.name: b.cells}, thorough=True)
            raise DataError(
                f"expected at least {100 * self.min_overlap:.3g} % of the smaller modality's cells to share their "
                f"names, found {n} of {smaller} ({format_percent(n, smaller)}); the first is "
                f"'{a.cells[found.pairs()[0][0]]}'",
                where=f"pairing 'by_name', modalities '{a.name}' and '{b.name}'",
                fix=f"{hint}{'; else ' * bool(hint)}barcodes coincide by chance: add the sample to the names or use "
                "'known: none'; if these pairs are real, lower min_overlap",
            )

    def _log_matches(self, a: ModalityData, b: ModalityData, found: Correspondence) -> None:
        where = f"pairing 'by_name', modalities '{a.name}' and '{b.name}'"
        if self.rules:
            alike = Correspondence.from_names(a.cells, b.cells).n_pairs
            log.info(
                "%s: %d cells share their names by %s; %d have equal ones",
                *(where, found.n_pairs, ", ".join(self.rules), alike),
            )
        if found.n_pairs and all(side.cells.astype(str).str.isdigit().all() for side in (a, b)):
            log.warning(
                "%s: cells are named by numbers, such as '%s', and equal numbers are regarded as one cell; where they "
                "only count rows, name the cells or use 'known: none'",
                *(where, a.cells[0]),
            )

    def _suggest_rule(self, cells: Mapping[str, pd.Index], found: Mapping[tuple[str, str], Correspondence]) -> None:
        """Warn where another rule would match many more cells."""
        smaller = {pair: min(matched.shape) for pair, matched in found.items()}
        if all(smaller[pair] - matched.n_pairs < MIN_SHARE * smaller[pair] for pair, matched in found.items()):
            return
        hint = self._hint(cells, thorough=False)
        if hint:
            n = ", ".join(f"{matched.n_pairs} of {a} and {b}" for (a, b), matched in found.items())
            log.warning("pairing 'by_name': %s share their names; more would by another rule: %s", n, hint)

    def _hint(self, cells: Mapping[str, pd.Index], *, thorough: bool) -> str:
        hint = find_rule(cells, self.rules, thorough=thorough)
        also = {"min_overlap": self.min_overlap} if self.min_overlap != 0.05 else {}
        return hint.to_text({m: len(names) for m, names in cells.items()}, also) if hint else ""
