"""A pairing."""

from itertools import combinations

import jamie


class Example(jamie.Pairing):
    """Cells of the same name, whatever its case."""

    name = "example"

    def _pairs(self, modalities):
        names = {m: {str(cell).lower(): i for i, cell in enumerate(data.cells)} for m, data in modalities.items()}
        found = {}
        for a, b in combinations(modalities, 2):
            shared = sorted(names[a].keys() & names[b].keys())
            rows, columns = [names[a][cell] for cell in shared], [names[b][cell] for cell in shared]
            shape = modalities[a].n_cells, modalities[b].n_cells
            found[a, b] = jamie.Correspondence.from_pairs(rows, columns, shape)
        return found
