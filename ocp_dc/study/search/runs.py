"""The runs of a trial: ordinary runs of a study without a test set, with the length of a rung."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocp_dc.core.digests import text_digest
from ocp_dc.core.files import read_json, write_json
from ocp_dc.core.locks import folder_lock
from ocp_dc.study.deltas import apply_changes
from ocp_dc.study.engines.engine import Config
from ocp_dc.study.options import BudgetOptions
from ocp_dc.study.plan import make_case
from ocp_dc.study.planned_runs import Case, Run, make_run
from ocp_dc.study.search.journal import Key
from ocp_dc.study.search.options import RungOptions, share_of
from ocp_dc.study.search.space import Range, Space
from ocp_dc.study.search.spec import Search
from ocp_dc.study.step_times import Resources, cached_step_times, measure

CUTOFF = "cutoff"  # in keys: it changes the number of edges
PATIENCE = 600.0  # seconds to wait for another worker that measures step times


class TrialRuns:
    """The runs of trials.

    Args:
        search: the search.
        out: its folder.
        resources: what each run gets, for a budget in minutes; one thread by default.
    """

    def __init__(self, search: Search, out: Path, resources: Resources | None = None) -> None:
        self.search, self.out, self.resources = search, out, resources or Resources()
        self.engine = search.engine

    def case(
        self, key: Key, data: str, changes: Mapping[str, Any] | None = None, budget: BudgetOptions | None = None
    ) -> Case:
        """Return the checked config of an arm with further changes; its length is set unless it is in minutes."""
        model, name = key
        arm = self.search.arm(name)
        if changes:  # after those of the arm for this model
            by_model = {**arm.by_model, model: {**arm.by_model.get(model, {}), **changes}}
            arm = dataclasses.replace(arm, by_model=by_model)
        return make_case(
            self.search.study,
            self.engine,
            model,
            arm,
            data,
            self.search.data[data],
            budget or self.search.budget,
            self.out,
            test=False,
        )

    def runs(self, key: Key, changes: Mapping[str, Any], rung: RungOptions) -> list[Run]:
        """Return the runs of a trial in a rung: with each seed on each data set.

        Args:
            key: the model and the arm.
            changes: the values of the trial.
            rung: the rung.
        """
        budget = share_of(self.search.budget, rung.share)
        runs = []
        for data in self.search.data:
            case = self.case(key, data, changes, budget)
            if budget.minutes is not None:
                seconds = self._step_time(key, data, case.config)
                case = dataclasses.replace(case, config=self.engine.with_budget(case.config, budget, seconds))
            runs += [make_run(self.engine, *key[:1], data, key[1], seed, case) for seed in rung.seeds]
        return runs

    def _step_time(self, key: Key, data: str, config: Config) -> float:
        """Return the seconds of a training step: those of the arm's own config, times a ratio measured in turns.

        So a trial gets the same epochs, whatever else the machine does when the trial starts.
        """
        folder = self.out / "step_times"
        with folder_lock(folder, "another worker", PATIENCE):
            arms = {arm.name: self.case((key[0], arm.name), data).config for arm in self.search.study.arms}
            path = folder / f"{key[0]}-{data}.json"
            seconds = cached_step_times(self.engine, arms, path, self.resources)[key[1]]
            return seconds * self._ratio(arms[key[1]], config, self.search.spaces[key[1]], folder)

    def _ratio(self, base: Config, config: Config, space: Space, folder: Path) -> float:
        texts = [json.dumps(timed_part(each, space), sort_keys=True) for each in (base, config)]
        if texts[0] == texts[1]:
            return 1.0
        path = folder / f"ratio-{text_digest(json.dumps([*texts, str(self.resources)]))[:16]}.json"
        if not path.is_file():
            times = measure(self.engine, {"base": base, "trial": config}, self.resources)
            write_json(path, {"ratio": times["trial"] / times["base"]})
        return float(read_json(path, "remove it to measure again")["ratio"])


def timed_part(config: Config, space: Space) -> Any:
    """Return the part of a config on which the time of a step depends: all but numbers that are not whole.

    Cutoffs are kept. A number of the space that need not be whole is left out, even if it is whole in this config.
    """
    ranges = [key for key, values in space.items() if isinstance(values, Range) and not values.is_whole]
    return _without_floats(apply_changes(config, dict.fromkeys(key for key in ranges if CUTOFF not in key), "space"))


def _without_floats(value: Any) -> Any:
    if isinstance(value, Mapping):
        kept = {key: each for key, each in value.items() if CUTOFF in str(key) or not isinstance(each, float)}
        return {key: _without_floats(each) for key, each in kept.items()}
    if isinstance(value, list):
        return [_without_floats(each) for each in value]
    return value
