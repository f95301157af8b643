"""The runs that a study stands for: each with its resolved config and a stable identifier, checked beforehand."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.config_names import find_config
from ocp_dc.core.digests import text_digest
from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.study.deltas import apply_changes
from ocp_dc.study.engines import engine
from ocp_dc.study.engines.engine import Engine, Facts
from ocp_dc.study.options import (
    BUDGET_KINDS,
    BudgetOptions,
    DataOptions,
    budget_from_text,
    budget_options,
    check_seeds,
    data_options,
)
from ocp_dc.study.spec import ArmSpec, Study


@dataclasses.dataclass(frozen=True)
class Run:
    """One run to be made.

    Args:
        id: model, data set, arm, seed and a digest of all that the run depends on.
        model, data, arm, seed: what it is.
        config: what the engine gets.
        test: what the run is tested on.
        fits_scales: whether scale factors are fitted first.
    """

    id: str
    model: str
    data: str
    arm: str
    seed: int
    config: dict[str, Any]
    test: dict[str, Any]
    fits_scales: bool


@dataclasses.dataclass(frozen=True)
class Plan:
    """A study as it will run: the budget, the data sets, the seeds, and every run."""

    study: Study
    budget: BudgetOptions
    data: Mapping[str, DataOptions]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def engine(self) -> Engine:
        """What trains the runs."""
        return engine(self.study.options.engine)


@dataclasses.dataclass(frozen=True)
class Choices:
    """What the command line chooses of a study: a budget in words; data sets, models, arms and seeds where given.

    The baseline comes with any choice of arms.
    """

    budget: str = "full"
    data: Sequence[str] = ()
    models: Sequence[str] = ()
    arms: Sequence[str] = ()
    seeds: Sequence[int] = ()


def make_plan(study: Study, out: Path, choices: Choices) -> Plan:
    """Resolve and check every run of a study.

    Args:
        study: the study.
        out: its folder; bundled samples are prepared there, and step times are kept.
        choices: what the command line chooses.

    Raises:
        UserError: a config does not hold, surgery cannot do what an arm asks for, two arms are the same run, or arms
            differ in how forces are derived.
    """
    by = engine(study.options.engine)
    budget = _budget(study, by, choices.budget)
    seeds = tuple(choices.seeds or budget.seeds or study.options.seeds)
    check_seeds(seeds, "--seeds")
    data = _chosen_data(study, by, choices.data)
    for name in choices.models:
        if name not in study.models:
            raise unknown_name("model in --models", name, study.models)
    study = dataclasses.replace(study, arms=_chosen_arms(study, choices.arms))
    runs: list[Run] = []
    for model in choices.models or study.models:
        for name, options in data.items():
            arms = [arm for arm in study.arms if study.includes(model, arm)]
            cases = {arm.name: _case(study, model, arm, name, options, budget, out) for arm in arms}
            _check_different(by, cases, f"{model} on {name}")
            if "gradients" not in (study.options.may_differ or ()):
                _check_equal_terms(cases, f"{model} on {name}")
            if budget.minutes is not None:
                cases = _timed(by, cases, budget, out)
            runs += [_run(by, model, name, arm, seed, case) for seed in seeds for arm, case in cases.items()]
    return Plan(study, budget, data, seeds, tuple(runs))


@dataclasses.dataclass(frozen=True)
class _Case:
    """An arm of one model on one data set: its config, its test set, and what building the model told."""

    config: dict[str, Any]
    test: dict[str, Any]
    facts: Facts


def _budget(study: Study, by: Engine, text: str) -> BudgetOptions:
    if text == "smoke":
        own = study.options.smoke or {}
        replaced = {
            *own,
            *(BUDGET_KINDS if set(BUDGET_KINDS) & set(own) else ()),
        }  # 20 steps take the place of 2 epochs
        smoke = {key: value for key, value in by.smoke.items() if key not in replaced}
        return budget_options({**smoke, **own}, "smoke", by.budgets)
    if study.options.smoke:  # no mistake waits in a block that this budget does not read
        budget_options({**by.smoke, **study.options.smoke}, "smoke", by.budgets)
    block = budget_from_text(text)
    if block is not None:
        return budget_options(block, "--budget", by.budgets)
    if study.options.budget is None:
        raise UserError(f"{study.path}: budget is missing; expected such as budget: {{{by.budgets[0]}: 30}}")
    return budget_options(study.options.budget, kinds=by.budgets)


def _chosen_arms(study: Study, chosen: Sequence[str]) -> tuple[ArmSpec, ...]:
    """Return the arms that a command line chooses, and the baseline, in the order of the study."""
    names = [arm.name for arm in study.arms]
    for name in chosen:
        if name not in names:
            raise unknown_name("arm in --arms", name, names)
    return tuple(arm for arm in study.arms if not chosen or arm.name in (*chosen, study.baseline))


def _chosen_data(study: Study, by: Engine, chosen: Sequence[str]) -> dict[str, DataOptions]:
    """Return the data sets that a command line chooses: names of the study's, or folders or files, or NAME=PATH."""
    known = {str(name): block for name, block in (study.options.data or by.default_data).items()}
    data: dict[str, DataOptions] = {}
    for text in chosen or list(known)[:1]:
        name, _, path = text.partition("=")
        if not path and name in known:
            data[name] = data_options(name, known[name])
        elif path or Path(text).exists():
            options = data_options(name, known.get(name)) if path else DataOptions()
            data[Path(name).name] = dataclasses.replace(options, path=path or text, sample=None)
        else:
            raise UserError(
                f"--data {text}: no data set of the study ({', '.join(known)}) and no folder; give a folder as "
                "`ocp-dc prepare` makes it"
            )
    return data


def _case(
    study: Study, model: str, arm: ArmSpec, data: str, options: DataOptions, budget: BudgetOptions, out: Path
) -> _Case:
    by = engine(study.options.engine)
    where = f"{study.path.name}, arm {arm.name!r}, model {model!r}"
    try:
        base = str(arm.base or study.options.base).replace("{model}", model).replace("{configs}", options.configs)
        beside = study.path.parent / base
        config = by.load(beside if beside.exists() else find_config(base, "the config that an arm starts from"))
        steps = (("common", study.options.common), (f"models.{model}", study.models[model]))
        every = (*steps, (f"data.{data}.changes", options.changes), *arm.changes)
        for path, changes in every:
            config = apply_changes(config, changes, path)
        config, test = by.place(config, data, options, budget, out)
        if budget.minutes is None:
            config = by.with_budget(config, budget)
        return _Case(config, test, by.check(config, [key for _, changes in every for key in changes or ()]))
    except UserError as error:
        written = {key: value for _, changes in arm.changes for key, value in changes.items()}
        replaced = [key for key, value in written.items() if "." not in key and isinstance(value, Mapping)]
        hint = (
            f" (the arm replaces the whole block {replaced[0]}; dotted keys change what is in it)" if replaced else ""
        )
        raise UserError(f"{where}: {error}{hint}") from error


def _check_different(by: Engine, cases: Mapping[str, _Case], where: str) -> None:
    seen: dict[str, str] = {}
    for arm, case in cases.items():
        other = seen.setdefault(by.meaning(case.config), arm)
        if other != arm:
            raise UserError(
                f"{where}: the arms {other!r} and {arm!r} are the same run; take one out with exclude, or change it"
            )


def _check_equal_terms(cases: Mapping[str, _Case], where: str) -> None:
    by_gradients: dict[str, list[str]] = {}
    for arm, case in cases.items():
        by_gradients.setdefault(case.facts.gradients, []).append(arm)
    if len(by_gradients) > 1:
        listing = "; ".join(f"{kind}: {', '.join(arms)}" for kind, arms in by_gradients.items())
        raise UserError(
            f"{where}: forces are derived in different ways ({listing}), so that the arms do not compare; set "
            "model.dc.angle_gradients or force_gradients to one value in `common` or `models`, or say "
            "may_differ: [gradients]"
        )


def _timed(by: Engine, cases: Mapping[str, _Case], budget: BudgetOptions, out: Path) -> dict[str, _Case]:
    """Give each arm the epochs that fit into the minutes, from step times that were measured side by side."""
    from ocp_dc.study.step_times import step_times

    times = step_times(by, {arm: case.config for arm, case in cases.items()}, out / "step_times.json")
    return {
        arm: dataclasses.replace(case, config=by.with_budget(case.config, budget, times[arm]))
        for arm, case in cases.items()
    }


def _run(by: Engine, model: str, data: str, arm: str, seed: int, case: _Case) -> Run:
    identity = [by.identity(case.config, case.test), seed]
    digest = text_digest(json.dumps(identity, sort_keys=True))[:10]
    name = re.sub(r"[^A-Za-z0-9.]+", "-", f"{model}-{data}-{arm}").strip("-").lower()
    run_id = f"{name[:80]}-s{seed}-{digest}"
    return Run(run_id, model, data, arm, seed, case.config, case.test, case.facts.fits_scales)
