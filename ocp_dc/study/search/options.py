"""The options of a search's YAML file: defaults, documentation and valid values."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from ocp_dc.core.errors import UserError, bad_value
from ocp_dc.core.numbers import Number, count
from ocp_dc.core.options import check_keys, option, parse
from ocp_dc.study.options import SEEDS, BudgetOptions, SharedOptions, check_seeds

PARETO = "pareto"
SPACE = "space"  # also the key of an arm
ERRORS = ("energy", "forces")


@dataclasses.dataclass(frozen=True)
class RungOptions:
    """A rung: the runs of a trial, after which the trial ends or goes on with the next rung."""

    share: float = option(
        1.0,
        help="length of its runs, as a share of the budget",
        number=Number(0, 1, above=True, nullable=False),
    )
    seeds: Sequence[int] = option((0,), help="seeds of its runs", schema=SEEDS)


@dataclasses.dataclass(frozen=True)
class SearchOptions(SharedOptions):
    """A search, as its file describes it, with the values of one host."""

    space: Mapping[str, Any] | None = option(
        None,
        help="the values to choose from, by dotted key of the config: a list of values, or a range {low, high} with "
        "`log: true` for a logarithmic one and `step` for multiples; a key `space` of an arm adds to it",
    )
    objective: Mapping[str, Any] | str | None = option(
        None,
        help="weights of the logarithms of the energy and the force error, or pareto for both errors side by side; "
        "default: {energy: 1, forces: 1}",
        schema={
            "anyOf": [
                {"enum": [PARETO, None]},
                {
                    "type": "object",
                    "properties": {name: {"type": "number", "minimum": 0} for name in ERRORS},
                    "additionalProperties": False,
                },
            ]
        },
    )
    trials: int = option(24, help="trials of each arm with each model", number=count(nullable=False))
    rungs: Sequence[Mapping[str, Any] | None] = option(
        ({"share": 0.25, "seeds": [0]}, {"share": 1, "seeds": [0]}, {"share": 1, "seeds": [0, 1, 2]}),
        help="what a trial trains before it ends or goes on; a pareto search has the last one only",
        block=RungOptions,
    )
    keep: float = option(
        0.33,
        help="share of the trials that go on after a rung; the best one always does",
        number=Number(0, 1, above=True, nullable=False),
    )
    seed: int = option(0, help="seed of the choice of values", number=count(0, nullable=False))


def rung_options(options: SearchOptions) -> tuple[RungOptions, ...]:
    """Return the rungs of a search; of a Pareto search, which cannot compare trials in between, the last one.

    Raises:
        UserError: there are none, a rung trains less than the one before, or its seeds are not valid.
    """
    if isinstance(options.rungs, str) or not isinstance(options.rungs, Sequence) or not options.rungs:
        raise bad_value("rungs", options.rungs, "a list such as [{share: 0.25, seeds: [0]}, {share: 1, seeds: [0, 1]}]")
    rungs = [parse(RungOptions, block, f"rungs[{number}]") for number, block in enumerate(options.rungs)]
    for number, rung in enumerate(rungs):
        check_seeds(rung.seeds, f"rungs[{number}].seeds")
        if number and rung.share < rungs[number - 1].share:
            raise UserError(
                f"rungs[{number}].share: got {rung.share:g} after {rungs[number - 1].share:g}, expected shares that do "
                "not decrease: later rungs decide between fewer trials"
            )
    return tuple(rungs[-1:] if options.objective == PARETO else rungs)


def weights(options: SearchOptions) -> tuple[float, float] | None:
    """Return the weights of the energy and the force error; None for a Pareto search.

    Raises:
        UserError: the objective has another form, or no weight is above zero.
    """
    if options.objective == PARETO:
        return None
    objective = {"energy": 1, "forces": 1} if options.objective is None else options.objective
    if not isinstance(objective, Mapping):
        raise bad_value("objective", objective, "weights such as {energy: 1, forces: 1}, or pareto", names=[PARETO])
    check_keys(objective, ERRORS, "objective")
    found = [objective.get(name, 0) for name in ERRORS]
    for name, weight in zip(ERRORS, found, strict=True):
        Number(0, nullable=False).check(weight, f"objective.{name}")
    if not sum(found):
        raise UserError("objective: got no weight above zero, expected such as {energy: 1, forces: 1}")
    return float(found[0]), float(found[1])


def share_of(budget: BudgetOptions, share: float) -> BudgetOptions:
    """Return a share of a budget, at least one epoch or step."""
    parts: dict[str, Any] = {}
    for name in ("epochs", "steps"):
        if (whole := getattr(budget, name)) is not None:
            parts[name] = max(1, round(whole * share))
    if budget.minutes is not None:
        parts["minutes"] = budget.minutes * share
    return dataclasses.replace(budget, **parts)
