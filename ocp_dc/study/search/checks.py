"""Check a search before its first trial."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.digests import content_digest
from ocp_dc.study.deltas import short
from ocp_dc.study.search.runs import TrialRuns
from ocp_dc.study.search.space import start_of
from ocp_dc.study.search.spec import Search


def check_search(
    search: Search, keys: Sequence[tuple[str, str]], out: Path
) -> tuple[dict[str, Any], dict[Any, Any], tuple[str, ...]]:
    """Check every arm, and each value of its space by itself.

    Returns:
        Everything on which trials depend, by name; the start of each model and arm; and ``gradients`` if the forces of
        a model's arms are derived in different ways.
    """
    options, runs = search.options, TrialRuns(search, out)
    definition: dict[str, Any] = {
        "objective": list(search.weights or ()),
        "keep": options.keep,
        "seed": options.seed,
        "rungs": [dataclasses.asdict(rung) for rung in search.rungs],
        "budget": str(search.budget),
        "data": list(search.data),
    }
    starts: dict[Any, Any] = {}
    gradients: dict[str, set[str]] = {}
    for key in keys:
        model, arm = key
        space = search.spaces[arm]
        definition[f"space of {arm}"] = {name: short(dataclasses.asdict(values)) for name, values in space.items()}
        for data in search.data:
            case = runs.case(key, data)
            gradients.setdefault(model, set()).add(case.facts.gradients)
            definition[f"config of {model}, arm {arm}, on {data}"] = content_digest(
                {"identity": runs.engine.identity(case.config, None)}
            )
        starts[key] = start_of(space, case.config)
        for name, values in space.items():
            for value in values.extremes():
                runs.case(key, next(iter(search.data)), {name: value})
    return definition, starts, ("gradients",) if any(len(each) > 1 for each in gradients.values()) else ()
