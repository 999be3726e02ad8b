"""A component as a spec names it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any, Generic, NoReturn, TypeVar

from jamie.core.component import Component
from jamie.core.errors import PluginError, SpecError

K = TypeVar("K", bound=Component)


@dataclass(frozen=True)
class Ref(Generic[K]):
    """A component class and its parameters, checked but not yet built.

    Parameters
    ----------
    kind
        Its kind, such as ``"encoder"``.
    name
        Its name in the registry.
    cls
        The class.
    params
        Every parameter, defaults filled in; a nested component is a `Ref` itself.
    prefix
        The distribution that it comes from; empty for a built-in and one of a file.
    """

    kind: str
    name: str
    cls: type[K]
    params: Mapping[str, Any] = field(default_factory=dict)
    prefix: str = ""

    @property
    def key(self) -> str:
        """What a resolved spec calls it, whatever else is installed: ``name``, or ``distribution:name``."""
        return f"{self.prefix}:{self.name}" if self.prefix else self.name

    def build(self, *args: Any, **reserved: Any) -> K:
        """Build the component, and those nested in it.

        Parameters
        ----------
        *args
            Positional parameters of the kind, such as `n_features` and `n_latent` of an encoder.
        **reserved
            Keyword parameters that do not belong to the spec, such as `n_covariates`.
        """
        if not self.name:
            raise SpecError(f"no {self.kind} is set", where="data", fix="add `data:` to the spec, or pass the data")
        return self.cls(*args, **{key: _built(value) for key, value in self.params.items()}, **reserved)

    def files(self) -> Iterator[Path]:
        """Every file that its parameters name."""
        return _files(self.params)

    def to_plain(self) -> Any:
        """Return it as a spec would write it: ``name`` or ``{name: {parameters}}``."""
        return {self.key: to_plain(self.params)} if self.params else self.key


@dataclass(frozen=True)
class AbsentRef(Ref[Any]):
    """A component that is not here; nothing can be built of it.

    Parameters
    ----------
    reason
        Why it is not here, and what to do about it.
    """

    reason: PluginError = field(kw_only=True, compare=False)

    def build(self, *args: Any, **reserved: Any) -> NoReturn:
        """Say why it cannot be built."""
        raise self.reason


def refs_in(value: Any) -> Iterator[Ref[Any]]:
    """Yield every component of a spec, nested ones too."""
    if isinstance(value, Ref):
        yield value
        value = value.params
    elif is_dataclass(value) and not isinstance(value, type):
        value = [getattr(value, one.name) for one in fields(value) if not one.name.startswith("_")]
    if isinstance(value, Mapping):
        value = list(value.values())
    for part in value if isinstance(value, list | tuple) else ():
        yield from refs_in(part)


def has_absent(spec: Any) -> bool:
    """Whether a component of a spec is not here."""
    return any(isinstance(ref, AbsentRef) for ref in refs_in(spec))


def _built(value: Any) -> Any:
    if isinstance(value, Ref):
        return value.build()
    if isinstance(value, list | tuple):
        return type(value)(_built(one) for one in value)
    return {key: _built(one) for key, one in value.items()} if isinstance(value, dict) else value


def _files(value: Any) -> Iterator[Path]:
    if isinstance(value, Path):
        yield value
    elif isinstance(value, Ref):
        yield from value.files()
    elif isinstance(value, Mapping):
        yield from (file for one in value.values() for file in _files(one))
    elif isinstance(value, list | tuple):
        yield from (file for one in value for file in _files(one))


def to_plain(value: Any) -> Any:
    """Return a resolved value as text, numbers, lists and mappings."""
    if isinstance(value, Ref):
        return value.to_plain()
    if isinstance(value, Mapping):
        return {key: to_plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [to_plain(one) for one in value]
    return value if value is None or isinstance(value, str | bool | int | float) else str(value)


@dataclass(frozen=True)
class SpecDefault:
    """A default in the grammar of the spec, resolved like any other value.

    Parameters
    ----------
    value
        What one would write.
    """

    value: Any


def spec_default(value: Any) -> Any:
    """Return a default in the grammar of the spec; typed as whatever it resolves to."""
    return SpecDefault(value)
