"""``jamie explain``: the model of a finished run, explained."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

from jamie.commands.inputs import require_same_data
from jamie.commands.report import message_of, renew_page
from jamie.core.context import Context, Progress
from jamie.core.errors import DataError
from jamie.core.explanation import Explainable, Explanation
from jamie.core.global_state import keep_global_state
from jamie.core.interfaces.results import Explainer
from jamie.core.names import LEFT_OUT
from jamie.data.load import load_dataset
from jamie.explain.explained_model import ExplainedModel
from jamie.model.store import load_model
from jamie.runs.explanation_files import save_explanation
from jamie.runs.file_names import RESOLVED_SPEC
from jamie.runs.run import Run
from jamie.spec import Ref, Spec, load_saved
from jamie.training.device import device_for

log = logging.getLogger(__name__)


@keep_global_state
def explain_run(
    path: str | Path,
    explainers: Sequence[str] = (),
    sets: Sequence[str] = (),
    *,
    allow_unsafe_model: bool = False,
    progress: Progress | None = None,
    plugins: Sequence[str | Path] = (),
) -> dict[str, Explanation]:
    """Explain the model of a finished run, and write the explanations into ``explain/``; its page is renewed.

    Parameters
    ----------
    path
        The run directory.
    explainers
        Names of explainers; those of the run's spec by default. One that the spec lists has its parameters there.
    sets
        Parameters: ``"features=3"``, or ``"shap.features=3"`` if there are several explainers.
    allow_unsafe_model
        Whether files of the model may be read by which code can run.
    progress
        Called as ``progress(stage, done, total, values)``.
    plugins
        Files with components of the run, or with explainers.

    Returns
    -------
    dict of str to Explanation
        By their names in the run directory.

    Raises
    ------
    OutputError
        If there is no finished run.
    SpecError
        If there is no such explainer or parameter, or a file that the run has read is gone.
    DataError
        If the data have changed since the run, or lack what the explainer needs.
    """
    run = Run.finished(path, plugins=plugins)
    spec = _spec_with_explainers(run, explainers, sets)
    require_same_data(spec, run.manifest)
    context = Context(seed=spec.seed, device=device_for("auto")).with_progress(progress)
    dataset = load_dataset(spec, context).dataset
    fitted = load_model(run.path, context.device, run.plugins, allow_unsafe=allow_unsafe_model)
    model = ExplainedModel(fitted, dataset, run.split(dataset), context)
    explanations = {}
    for ref in spec.explain:
        explanation = ref.build().explain(model, context.for_stage(f"explain {ref.name}"))
        with run.locked():
            explanations[save_explanation(run, explanation, ref.to_plain())] = explanation
    renew_page(run, spec, context)
    return explanations


def explain_or_warn(run: Run, refs: Sequence[Ref[Explainer]], model: Explainable, context: Context) -> None:
    """Explain the model of a run that is saved; an explainer that fails is left out, with a warning."""
    for ref in refs:
        try:
            explanation = ref.build().explain(model, context.for_stage(f"explain {ref.name}"))
            save_explanation(run, explanation, ref.to_plain())
        except Exception as error:  # whatever it is, also of a plugin: the run must not be lost for it
            log.warning(
                "explainer '%s' failed, and the run is without it: %s\n  once that is mended: jamie explain %s %s",
                *(ref.name, message_of(error), run.path, ref.name),
                extra={LEFT_OUT: f"explanation {ref.name}"},
            )


def _spec_with_explainers(run: Run, explainers: Sequence[str], sets: Sequence[str]) -> Spec:
    """Return the spec of a run with the explainers and parameters that are given."""
    listed = {
        ref.name: [other.to_plain() for other in run.spec.explain if other.name == ref.name] for ref in run.spec.explain
    }
    chosen = [ref for name in explainers or listed for ref in listed.get(name, [name])]
    if not chosen:
        raise DataError(
            "expected an explainer, found none in its spec",
            where=str(run.path),
            fix=f"name one of {', '.join(run.spec.registry.names('explainer'))}",
        )
    registry = run.spec.registry
    spec = load_saved(run.path / RESOLVED_SPEC, {"explain": chosen}, registry=registry)
    names = [ref.name for ref in spec.explain]
    settings = [key for text in sets for key in _overrides(text, names)]
    return load_saved(spec.to_plain(), settings, registry=registry) if sets else spec


def _overrides(text: str, names: Sequence[str]) -> list[str]:
    """Turn ``features=3`` or ``shap.features=3`` into settings of the spec, one for each explainer of that name."""
    first, dot, rest = text.partition(".")
    named = first.strip() if dot and first.strip() in names else ""
    if not named and len(set(names)) > 1:
        raise DataError(
            f"expected the name of an explainer before the parameter, one of {', '.join(dict.fromkeys(names))}",
            where=f"--set {text}",
            fix=f"for example --set {names[0]}.{text}",
        )
    name, setting = (named, rest) if named else (names[0], text)
    if names.count(name) == 1:
        return [f"explain.{name}.{setting}"]
    return [f"explain.{i}.{setting}" for i, other in enumerate(names) if other == name]
