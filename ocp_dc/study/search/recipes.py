"""The recipes that a search found: changes for a training run, and a study that compares the arms."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocp_dc.study.search.folder import SearchFolder, data_block
from ocp_dc.study.search.journal import Key
from ocp_dc.study.search.record import TrialRecord
from ocp_dc.study.search.runs import TrialRuns

SEEDS = 5  # of the study


def recipe(folder: SearchFolder, record: TrialRecord) -> dict[str, Any]:
    """Return all changes of a trial's base config as blocks, which ``ocp-dc main --with`` merges into that config.

    A list of the config, such as ``loss_functions``, is there as a whole, since blocks cannot be merged into it.
    """
    search = folder.search
    model, name = record.key
    config = TrialRuns(search, folder.out).case(record.key, next(iter(search.data)), record.values).config
    arm = search.arm(name)
    changes = [search.options.common, search.study.models[model], *(each for _, each in arm.changes_of(model))]
    blocks: dict[str, Any] = {}
    for dotted in dict.fromkeys(key for each in (*changes, record.values) for key in each or ()):
        source, target = config, blocks
        *parents, last = dotted.split(".")
        for parent in parents:
            if isinstance(source.get(parent), list):
                last = parent
                break
            source, target = source[parent], target.setdefault(parent, {})
        if last in source:
            target[last] = source[last]
    return blocks


def finals(folder: SearchFolder, best: Mapping[Key, list[TrialRecord]]) -> dict[str, Any]:
    """Return the study that trains the best trial of each model and arm with the whole budget and more seeds.

    Args:
        folder: the search.
        best: the best trials of each model and arm, the best one first; of a Pareto search, the front.
    """
    search, options = folder.search, folder.search.options
    chosen = {key: records if search.weights is None else records[:1] for key, records in best.items() if records}
    arms: dict[str, Any] = {}
    for arm in search.study.arms:
        places = max((len(records) for key, records in chosen.items() if key[1] == arm.name), default=0)
        own = {key: value for _, changes in arm.changes for key, value in changes.items()}
        base = _findable(str(arm.base or options.base), search.study.path, next(iter(search.study.models)), search)
        for place in range(places):
            by_model = {
                key[0]: {**arm.by_model.get(key[0], {}), **records[place].values}
                for key, records in chosen.items()
                if key[1] == arm.name and place < len(records)
            }
            name = arm.name if search.weights else f"{arm.name}, trial {place + 1} of the front"
            arms[name] = {"base": base, **own, "models": by_model}
    models = {model: dict(search.study.models[model]) for model in dict.fromkeys(key[0] for key in chosen)}
    missing = [
        {"model": model, "arm": name} for name, arm in arms.items() for model in models if model not in arm["models"]
    ]
    unseen = 1 + max(seed for rung in search.rungs for seed in rung.seeds)
    budget = {key: value for key, value in dataclasses.asdict(search.budget).items() if value is not None}
    return {
        "title": f"{options.title or search.study.path.stem}: finals",
        "question": "Do the found recipes of the arms differ, with seeds and a test set that no search has seen?",
        **({"host": options.host} if options.host else {}),
        "models": models,
        "data": {name: data_block(data) for name, data in search.data.items()},
        **({"common": dict(options.common)} if options.common else {}),
        "arms": arms,
        **({"exclude": missing} if missing else {}),
        **({"may_differ": list(folder.may_differ)} if folder.may_differ else {}),
        "seeds": list(range(unseen, unseen + SEEDS)),
        "budget": budget,
    }


def _findable(base: str, path: Path, model: str, search: Any) -> str:
    """Return a base relative to the search's file as an absolute path; a name of a config that ships is kept."""
    beside = os.path.normpath(path.absolute().parent / base)
    for suffix in (".yml", ".yaml"):
        filled = beside.replace("{model}", model).replace("{configs}", search.engine.configs)
        if Path(filled).with_suffix(suffix).exists():
            return beside
    return base
