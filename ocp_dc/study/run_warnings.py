"""Warnings about planned runs, whose results would say little: they are printed, and kept for the report."""

from __future__ import annotations

from collections.abc import Sequence

from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.planned_runs import Run


def run_warnings(engine: Engine, runs: Sequence[Run]) -> list[str]:
    """Return the warnings about runs, each once for the arms that it concerns, seeds taken together.

    Args:
        engine: the engine of the runs.
        runs: the planned runs.
    """
    found: dict[tuple[str, str, str], list[str]] = {}
    for run in runs:
        if text := engine.warning(run.config):
            arms = found.setdefault((run.model, run.data, text), [])
            if run.arm not in arms:
                arms.append(run.arm)
    return [
        f"{model} on {data}, arm{'s' * (len(arms) > 1)} {', '.join(arms)}: {text}"
        for (model, data, text), arms in found.items()
    ]
