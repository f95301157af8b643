"""Plan the runs of a study: each with its resolved and checked config and a stable identifier."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path

from ocp_dc.core.config_names import find_config, shipped_config
from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.study.deltas import apply_changes
from ocp_dc.study.engines import get_engine
from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.options import (
    BUDGET_KINDS,
    BudgetOptions,
    DataOptions,
    budget_from_text,
    budget_options,
    check_seeds,
    data_options,
)
from ocp_dc.study.planned_runs import Case, Run, make_run
from ocp_dc.study.spec import ArmSpec, Study
from ocp_dc.study.step_times import Resources, cached_step_times


@dataclasses.dataclass(frozen=True)
class Plan:
    """The plan of a study: the budget, the data sets, the seeds, and every run."""

    study: Study
    budget: BudgetOptions
    data: Mapping[str, DataOptions]
    seeds: tuple[int, ...]
    runs: tuple[Run, ...]

    @property
    def engine(self) -> Engine:
        """The engine of the runs."""
        return _engine(self.study)


@dataclasses.dataclass(frozen=True)
class Choices:
    """The parts of a study selected on the command line: a budget as text; data sets, models, arms and seeds.

    Without a selection, the first data set and all models, arms and seeds of the study are used. The baseline is part
    of any selection of arms.
    """

    budget: str = "full"
    data: Sequence[str] = ()
    models: Sequence[str] = ()
    arms: Sequence[str] = ()
    seeds: Sequence[int] = ()


def make_plan(study: Study, out: Path, choices: Choices, resources: Resources | None = None) -> Plan:
    """Resolve and check every run of a study.

    Args:
        study: the study.
        out: its folder, in which bundled samples are prepared and step times are stored.
        choices: the selection on the command line.
        resources: what each run gets, for a budget in minutes; one thread by default.

    Raises:
        UserError: a config has an error, surgery cannot do what an arm asks for, two arms are the same run, or arms
            differ in how forces are derived.
    """
    engine = _engine(study)
    budget = _budget(study, engine, choices.budget)
    seeds = tuple(choices.seeds or budget.seeds or study.options.seeds)
    check_seeds(seeds, "--seeds")
    data = select_data(study, engine, choices.data)
    for name in choices.models:
        if name not in study.models:
            raise unknown_name("model in --models", name, study.models)
    study = dataclasses.replace(study, arms=_select_arms(study, choices.arms))
    runs: list[Run] = []
    for model in dict.fromkeys(choices.models or study.models):
        for name, options in data.items():
            arms = [arm for arm in study.arms if study.includes(model, arm)]
            cases = {arm.name: make_case(study, engine, model, arm, name, options, budget, out) for arm in arms}
            _check_different(engine, cases, f"{model} on {name}")
            if "gradients" not in (study.options.may_differ or ()):
                _check_equal_terms(cases, f"{model} on {name}")
            if budget.minutes is not None:
                cases = _with_step_times(engine, cases, budget, out, resources or Resources())
            runs += [make_run(engine, model, name, arm, seed, case) for seed in seeds for arm, case in cases.items()]
    return Plan(study, budget, data, seeds, tuple(runs))


def _budget(study: Study, engine: Engine, text: str) -> BudgetOptions:
    own = study.options.smoke or {}
    replaced = {*own, *(BUDGET_KINDS if set(BUDGET_KINDS) & set(own) else ())}  # 20 steps replace 2 epochs
    default = {key: value for key, value in engine.smoke.items() if key not in replaced}
    smoke = budget_options({**default, **own}, "smoke", engine.budgets)  # checked even if this budget is another
    if text == "smoke":
        return smoke
    block = budget_from_text(text)
    if block is not None:
        return budget_options(block, "--budget", engine.budgets)
    if study.options.budget is None:
        raise UserError(f"{study.path}: budget is missing; expected, for example, budget: {{{engine.budgets[0]}: 30}}")
    return budget_options(study.options.budget, kinds=engine.budgets)


def _select_arms(study: Study, chosen: Sequence[str]) -> tuple[ArmSpec, ...]:
    """Return the arms selected on the command line, and the baseline, in the order of the study."""
    names = [arm.name for arm in study.arms]
    for name in chosen:
        if name not in names:
            raise unknown_name("arm in --arms", name, names)
    return tuple(arm for arm in study.arms if not chosen or arm.name in (*chosen, study.baseline))


def select_data(study: Study, engine: Engine, chosen: Sequence[str]) -> dict[str, DataOptions]:
    """Return the data sets selected on the command line by a name of the study, a path, or NAME=PATH."""
    known = {str(name): block for name, block in (study.options.data or engine.default_data).items()}
    data: dict[str, DataOptions] = {}
    for text in chosen or list(known)[:1]:
        name, _, path = (text, "", "") if Path(text).exists() else text.partition("=")
        key = name if name in known else Path(name).name or Path(name).resolve().name
        if key in data:
            raise UserError(f"--data {text}: the second data set named {key!r}; name it otherwise, as NAME=PATH")
        if not path and name in known:
            data[key] = data_options(name, known[name])
        elif path or Path(text).exists():
            options = data_options(name, known.get(name)) if path else DataOptions()
            data[key] = dataclasses.replace(options, path=path or text, sample=None)
        else:
            raise UserError(
                f"--data {text}: neither a data set of the study ({', '.join(known)}) nor a folder; give a folder made "
                "by `ocp-dc prepare`"
            )
    return data


def _engine(study: Study) -> Engine:
    return get_engine(study.options.engine, study.options.host)


def make_case(
    study: Study,
    engine: Engine,
    model: str,
    arm: ArmSpec,
    data: str,
    options: DataOptions,
    budget: BudgetOptions,
    out: Path,
    *,
    test: bool = True,
) -> Case:
    """Resolve and check the config of an arm; with a budget in minutes, its length is not set.

    Args:
        study: the study.
        engine: its engine.
        model: the name of the model.
        arm: the arm.
        data: the name of the data set.
        options: the data set.
        budget: the budget of a run.
        out: the folder in which bundled samples are prepared.
        test: whether runs are tested; if not, the test set need not exist.

    Raises:
        UserError: the config has an error, or surgery cannot do what the arm asks for.
    """
    changes_of_arm = arm.changes_of(model)
    where = f"{study.path.name}, arm {arm.name!r}, model {model!r}"
    try:
        base = str(arm.base or study.options.base).replace("{model}", model)
        config = engine.load(_find_base(study, base.replace("{configs}", options.configs or engine.configs)))
        steps = (("common", study.options.common), (f"models.{model}", study.models[model]))
        every = (*steps, (f"data.{data}.changes", options.changes), *changes_of_arm)
        for path, changes in every:
            config = apply_changes(config, changes, path)
        config, test_set = engine.place(config, data, options, budget, out, test=test)
        changed = [key for _, changes in every for key in changes or ()]
        facts = engine.check(config, changed)  # before the batch size and the numbers of structures are divided
        if budget.minutes is None:
            config = engine.with_budget(config, budget)
            facts = engine.check(config, changed)
        return Case(config, test_set, facts)
    except UserError as error:
        written = {key: value for _, changes in changes_of_arm for key, value in changes.items()}
        replaced = [key for key, value in written.items() if "." not in key and isinstance(value, Mapping)]
        hint = (
            f" (the arm replaces the whole block {replaced[0]}; dotted keys change what is in it)" if replaced else ""
        )
        raise UserError(f"{where}: {error}{hint}") from error


def _find_base(study: Study, base: str) -> Path:
    """Return the base config: a file beside the study, in either spelling of its suffix, or one that ships."""
    for name in (Path(base), Path(base).with_suffix(".yaml")):
        relative = study.path.parent / name
        found = relative if relative.exists() else shipped_config(name)
        if found is not None:
            return found
    return find_config(base, "the config that an arm starts from")


def _check_different(engine: Engine, cases: Mapping[str, Case], where: str) -> None:
    seen: dict[str, str] = {}
    for arm, case in cases.items():
        other = seen.setdefault(engine.fingerprint(case.config), arm)
        if other != arm:
            raise UserError(
                f"{where}: the arms {other!r} and {arm!r} are the same run; remove one with exclude, or change it"
            )


def _check_equal_terms(cases: Mapping[str, Case], where: str) -> None:
    by_gradients: dict[str, list[str]] = {}
    for arm, case in cases.items():
        by_gradients.setdefault(case.facts.gradients, []).append(arm)
    if len(by_gradients) > 1:
        listing = "; ".join(f"{kind}: {', '.join(arms)}" for kind, arms in by_gradients.items())
        raise UserError(
            f"{where}: forces are derived in different ways ({listing}), so the arms cannot be compared; set "
            "model.dc.angle_gradients or force_gradients to one value in `common` or `models`, or set "
            "may_differ: [gradients]"
        )


def _with_step_times(
    engine: Engine, cases: Mapping[str, Case], budget: BudgetOptions, out: Path, resources: Resources
) -> dict[str, Case]:
    """Return the cases with the epochs that fit into the minutes; step times are measured in turns."""
    configs = {arm: case.config for arm, case in cases.items()}
    times = cached_step_times(engine, configs, out / "step_times.json", resources)
    return {
        arm: dataclasses.replace(case, config=engine.with_budget(case.config, budget, times[arm]))
        for arm, case in cases.items()
    }
