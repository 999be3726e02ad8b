"""A command."""

import jamie


class Example(jamie.Command):
    """Count the losses that a preset has.

    Parameters
    ----------
    preset
        Name of the preset.
    """

    name = "example"

    def __init__(self, *, preset: str = "default") -> None:
        self.preset = preset

    def _run(self, context):
        losses = jamie.JAMIE(self.preset).spec.losses
        return [{"preset": self.preset, "losses": len(losses)}]
