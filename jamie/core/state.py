"""What was fitted, as arrays and plain values (JSON): all that is ever saved of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

_ARRAY, _MAP, _TUPLE = "array", "map", "tuple"


@dataclass(frozen=True)
class State:
    """Nested mappings, lists and tuples of arrays and plain values, taken apart for files.

    Parameters
    ----------
    arrays
        By a number that stands for each among the values.
    values
        The rest, as JSON.

    Examples
    --------
    >>> state = State.of({"means": {("rna", "protein"): np.ones(3)}, "k": 5})
    >>> state.nested()["means"]["rna", "protein"]
    array([1., 1., 1.])
    """

    arrays: Mapping[str, NDArray[Any]]
    values: Any

    @classmethod
    def of(cls, nested: Any) -> Self:
        """Take nested values apart: mappings, lists, tuples, arrays and tensors of numbers, numbers, text and None.

        Keys of mappings are text, numbers, None, or tuples of these.

        Raises
        ------
        TypeError
            Where there is anything else.
        """
        arrays: dict[str, NDArray[Any]] = {}
        return cls(arrays, _taken_apart(nested, arrays, "state"))

    def nested(self) -> Any:
        """Return what was taken apart; tensors are arrays, and arrays have the memory order that they had."""
        return _put_together(self.values, self.arrays)


def _taken_apart(value: Any, arrays: dict[str, NDArray[Any]], where: str) -> Any:
    if isinstance(value, Mapping):
        items = [[_key(key, where), _taken_apart(one, arrays, f"{where}[{key!r}]")] for key, one in value.items()]
        return {_MAP: items}
    if isinstance(value, list | tuple):
        items = [_taken_apart(one, arrays, f"{where}[{i}]") for i, one in enumerate(value)]
        return {_TUPLE: items} if isinstance(value, tuple) else items
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, str | bool | int | float):
        return value
    if isinstance(value, np.ndarray) and value.dtype.kind in "biuf":
        name = str(len(arrays))
        transposed = value.flags.f_contiguous and not value.flags.c_contiguous
        arrays[name] = value.T if transposed else value
        return {_ARRAY: name, "transposed": transposed}
    what = f"an array of {value.dtype}" if isinstance(value, np.ndarray) else type(value).__name__
    raise TypeError(f"{where}: expected an array of numbers, a number, text, None, or a mapping or list, found {what}")


def _key(key: Any, where: str) -> Any:
    plain = key.item() if isinstance(key, np.generic) else key
    parts = plain if isinstance(plain, tuple) else (plain,)
    if not all(part is None or isinstance(part, str | bool | int | float) for part in parts):
        raise TypeError(f"{where}: expected keys of text, numbers, or tuples of these, found {key!r}")
    return list(plain) if isinstance(plain, tuple) else plain


def _put_together(value: Any, arrays: Mapping[str, NDArray[Any]]) -> Any:
    if isinstance(value, list):
        return [_put_together(one, arrays) for one in value]
    if not isinstance(value, Mapping):
        return value
    if _ARRAY in value:
        found = arrays[value[_ARRAY]]
        return found.T if value["transposed"] else found
    if _TUPLE in value:
        return tuple(_put_together(one, arrays) for one in value[_TUPLE])
    return {tuple(k) if isinstance(k, list) else k: _put_together(one, arrays) for k, one in value[_MAP]}
