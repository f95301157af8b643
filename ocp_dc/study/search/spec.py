"""Read the YAML file of a search."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.config_names import find_config
from ocp_dc.core.errors import UserError
from ocp_dc.core.options import check_containers, parse
from ocp_dc.study.engines import get_engine
from ocp_dc.study.engines.engine import Engine
from ocp_dc.study.options import BudgetOptions, DataOptions, SharedOptions, StudyOptions, budget_options
from ocp_dc.study.plan import select_data
from ocp_dc.study.search.options import SPACE, RungOptions, SearchOptions, rung_options, weights
from ocp_dc.study.search.space import Space, read_space
from ocp_dc.study.spec import ArmSpec, Study, build_study, load_block

EXPECTED = "a search such as configs/searches/recipe.yml"


@dataclasses.dataclass(frozen=True)
class Search:
    """A search.

    Args:
        options: its options.
        study: the study without seeds that has its models, arms and data.
        spaces: the space of each arm, by name.
        rungs: the rungs.
        weights: weights of the energy and the force error; None for a Pareto search.
        budget: the budget of a whole run.
        data: the data sets of every trial.
    """

    options: SearchOptions
    study: Study
    spaces: Mapping[str, Space]
    rungs: tuple[RungOptions, ...]
    weights: tuple[float, float] | None
    budget: BudgetOptions
    data: Mapping[str, DataOptions]

    @property
    def engine(self) -> Engine:
        """The engine of the runs."""
        return get_engine(self.options.engine, self.options.host)

    @property
    def goals(self) -> int:
        """The number of objectives."""
        return 2 if self.weights is None else 1

    def arm(self, name: str) -> ArmSpec:
        """Return an arm by its name."""
        return next(arm for arm in self.study.arms if arm.name == name)


def load_search(path: str | Path) -> tuple[Path, dict[str, Any]]:
    """Return the file of a search, and its content with that of the files it includes.

    Args:
        path: the file, or the name of one that ships.

    Raises:
        UserError: a file is missing, not YAML, or of another kind.
    """
    found = find_config(path, EXPECTED)
    return found, load_block(found, "search", EXPECTED)


def read_search(path: Path, block: Mapping[str, Any], data: Sequence[str] = ()) -> Search:
    """Return the search that a block describes.

    Args:
        path: the file of the block, to which bases are relative.
        block: the content.
        data: the data sets to use, as ``--data`` names them; the first one of the search by default.

    Raises:
        UserError: a key is unknown, or a value is not valid.
    """
    options = parse(SearchOptions, block, path.name)
    check_containers(SearchOptions, block, path.name)
    if options.engine != "fairchem":
        raise UserError(
            f"engine: got {options.engine!r}, expected fairchem: a search compares validation errors of "
            "potentials; for physics-informed tasks write a study"
        )
    arms: dict[str, Any] = {}
    spaces: dict[str, Space] = {}
    common = read_space(options.space or {}, SPACE)
    for name, changes in (options.arms or {}).items():
        own = dict(changes or {})
        added = read_space(own.pop(SPACE, None) or {}, f"arms.{name}.{SPACE}")
        arms[str(name)], spaces[str(name)] = own, {**common, **added}
        if not spaces[str(name)]:
            raise UserError(f"space: arm {name!r} has no values to choose from; add such as optim.batch_size: [5, 10]")
    shared = {field.name: getattr(options, field.name) for field in dataclasses.fields(SharedOptions)}
    study = build_study(path, StudyOptions(**{**shared, "arms": arms}))
    if options.budget is None:
        raise UserError(f"{path}: budget is missing; expected, for example, budget: {{minutes: 2}}")
    engine = get_engine(options.engine, options.host)
    return Search(
        options,
        study,
        spaces,
        rung_options(options),
        weights(options),
        budget_options(options.budget, kinds=engine.budgets),
        select_data(study, engine, data),
    )
