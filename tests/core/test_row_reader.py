import numpy as np

from jamie.core.row_reader import KeptRows, RowReader, selected_rows

TABLE = np.arange(24, dtype=np.float32).reshape(8, 3)


class Reads:
    def __init__(self):
        self.asked = []

    def __call__(self, rows):
        self.asked.append(rows.tolist())
        return TABLE[rows]


def test_rows_are_read_by_indices_and_slices():
    read = Reads()
    rows = RowReader(8, read)
    assert len(rows) == 8
    np.testing.assert_array_equal(rows[np.array([5, 1])], TABLE[[5, 1]])
    np.testing.assert_array_equal(rows[2:20], TABLE[2:])
    np.testing.assert_array_equal(rows[::-3], TABLE[::-3])
    assert read.asked == [[5, 1], [2, 3, 4, 5, 6, 7], [7, 4, 1]]


def test_rows_are_selected_of_an_array_and_of_rows_that_are_read():
    chosen = np.array([6, 2, 3, 3])
    once = selected_rows(TABLE, chosen)
    twice = selected_rows(once, np.array([3, 0]))
    assert (len(once), len(twice)) == (4, 2)
    np.testing.assert_array_equal(once[:], TABLE[chosen])
    np.testing.assert_array_equal(twice[:], TABLE[[3, 6]])


def test_kept_rows_are_made_once():
    read = Reads()
    rows = KeptRows(TABLE.shape, read)
    assert rows.shape == (8, 3)
    np.testing.assert_array_equal(rows[np.array([4, 1, 4])], TABLE[[4, 1, 4]])
    np.testing.assert_array_equal(rows[np.array([1, 5])], TABLE[[1, 5]])
    np.testing.assert_array_equal(rows[4:6], TABLE[4:6])
    np.testing.assert_array_equal(rows[:], TABLE)
    assert read.asked == [[1, 4], [5], [0, 2, 3, 6, 7]]
