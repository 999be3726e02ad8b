"""The one hook through which every component arrives: built-ins, installed distributions and files alike."""

from __future__ import annotations

import pluggy

hookspec = pluggy.HookspecMarker("jamie")
hookimpl = pluggy.HookimplMarker("jamie")


@hookspec
def jamie_components() -> list[type]:  # type: ignore[empty-body]  # a hook spec has no body
    """Return the component classes of a plugin."""
