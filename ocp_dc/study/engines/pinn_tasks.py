"""Studies of the physics-informed tasks, which DeepXDE trains; the models of such a study are the tasks."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc import pinn
from ocp_dc.core.digests import file_digest
from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.study.folders import RunFolder
from ocp_dc.study.options import BudgetOptions, DataOptions
from ocp_dc.study.record import Quantity
from ocp_dc.training.study_runs import Config, ModelFacts

SCALED = Quantity("train_loss", "training loss, scaled labels", lower_is_better=None)
SMALL_FILE = 2**26  # bytes; a larger file is identified by its path, not its content


class PinnTasks:
    """The engine ``pinn``."""

    host = None
    configs = "pinn"
    x = "iteration"
    budgets = ("steps",)
    smoke: Mapping[str, Any] = {"steps": 20, "seeds": [0]}
    default_data: Mapping[str, Mapping[str, Any]] = {"generated": {}}

    @functools.cached_property
    def terms(self) -> tuple[str, ...]:
        """Return the names of the loss terms of all tasks."""
        from ocp_dc.pinn.physics.tasks import all_loss_terms

        return all_loss_terms()

    @functools.cached_property
    def quantities(self) -> tuple[Quantity, ...]:
        """Return test errors, loss terms and costs.

        Loss terms are evaluated with the last weights in the units of the data, so arms of different C can be compared.
        """
        return (
            Quantity("nRMSE", "nRMSE", primary=True),
            Quantity("RMSE", "RMSE"),
            Quantity("MSE", "MSE"),
            *(Quantity(name, name) for name in self.terms),
            SCALED,
            Quantity("seconds_per_iteration", "time per iteration", "s", lower_is_better=None),
        )

    @functools.cached_property
    def curves(self) -> tuple[Quantity, ...]:
        """Return the columns of ``losses.csv``, loss terms in the units of the data."""
        return (
            Quantity("iteration", "iteration", lower_is_better=None),
            SCALED,
            *(Quantity(name, f"{name}, training", primary=True) for name in self.terms),
        )

    def load(self, base: Path) -> Config:
        """Return a config of a task with all defaults filled in."""
        return pinn.resolve(base)

    def place(
        self, config: Config, name: str, data: DataOptions, budget: BudgetOptions, out: Path, *, test: bool = True
    ) -> tuple[Config, dict[str, Any] | None]:
        """Return the config with its data file, if any, and without a seed, which differs between runs.

        Raises:
            UserError: a sample or limits of structures, which are for potentials.
        """
        for path, options in ((f"data.{name}", data), ("budget", budget)):
            for key in ("sample", "train", "val", "test"):
                if getattr(options, key, None) is not None:
                    raise UserError(
                        f"{path}.{key}: is for interatomic potentials; leave it out. Solutions are generated as the "
                        "config says, or read from the HDF5 file that `path` names"
                    )
        file = data.path or (config.get("data") or {}).get("path")
        overrides = [f"--data.path={json.dumps(str(Path(file).absolute()))}"] if file else []
        config = pinn.resolve(config, overrides)
        return {key: value for key, value in config.items() if key != "seed"}, {}

    def with_budget(self, config: Config, budget: BudgetOptions, step_time: float | None = None) -> Config:
        """Return a config with as many iterations as the budget has steps."""
        return {**config, "optim": {**config["optim"], "iterations": budget.steps}}

    def measure_step_times(self, configs: Mapping[str, Config], cpu: bool) -> dict[str, float]:
        """Raise NotImplementedError: budgets in minutes, which need step times, are not among :attr:`budgets`."""
        raise NotImplementedError("budgets of physics-informed tasks are steps")

    def check(self, config: Config, changes: Iterable[str] = ()) -> ModelFacts:
        """Build everything that the training run needs; on the CPU, since other processes will train."""
        pinn.check(config, cpu=True)
        return ModelFacts()

    def fingerprint(self, config: Config) -> str:
        """Return the network after surgery, however the config asked for it, and the rest of the config, as text."""
        from ocp_dc.pinn.deepxde.network import apply_surgery
        from ocp_dc.pinn.deepxde.setup import build_network
        from ocp_dc.pinn.options import PinnOptions
        from ocp_dc.pinn.physics.tasks import task_class

        options = PinnOptions.from_config(config)
        net = build_network(task_class(options.task)(), options)
        apply_surgery(net, options.dc)
        rest = {key: value for key, value in config.items() if key != "dc"}
        rest["network"] = {key: value for key, value in config["network"].items() if key != "activation"}
        return json.dumps([rest, repr(net)], sort_keys=True)

    def identity(self, config: Config, test: Mapping[str, Any] | None) -> Any:
        """Return all that a run depends on; a file is identified by its content, or by its path if it is large."""
        path = config["data"]["path"]
        return {**config, "data": {**config["data"], "path": path and _file_identity(Path(path))}}

    def length(self, config: Config) -> int:
        """Return the iterations of a run."""
        return int(config["optim"]["iterations"])

    def warning(self, config: Config) -> str | None:
        """Return None: these runs have no averages of their weights."""
        return None

    def describe_data(self, config: Config, test: Mapping[str, Any] | None) -> str:
        """Return the source of the solutions, in words."""
        data = config["data"]
        return f"solution {data['sample']} of {Path(data['path']).name}" if data["path"] else "generated solutions"

    def run(self, folder: RunFolder, cpu: bool) -> dict[str, Any]:
        """Train in the run's ``results`` or resume there; read the results of a finished training run.

        ``test`` has the errors and the loss terms, both evaluated with the last weights and in the units of the data.
        """
        from ocp_dc.pinn.folder import read_test

        description, errors = folder.description(), read_test(folder.results)
        if errors is None:
            try:
                errors = pinn.train(folder.config(), folder.results, seed=description["seed"], cpu=cpu, progress=False)
            except DivergenceError as error:
                message = f"diverged at step {error.step}: {error.what}"
                return {"status": "diverged", "step": error.step, "message": message}
        (folder.results / "checkpoint.pt").unlink(missing_ok=True)  # only needed to resume the run
        return {"status": "done", "message": "", "test": {**errors["overall"], **errors["losses"]}}

    def columns(self, folder: RunFolder) -> dict[str, np.ndarray]:
        """Return the columns of ``losses.csv``, each term in the units of the data; empty before the first row."""
        from ocp_dc.pinn.folder import Folder, read_losses

        columns = read_losses(folder.results) if Folder(folder.results).losses.is_file() else {}
        if not len(columns.get("total", ())):
            return {}
        terms = {name: columns[name] * columns["scale"] ** 2 for name in self.terms if name in columns}
        return {**columns, **terms, "train_loss": columns["total"]}

    def training_quantities(self, columns: Mapping[str, np.ndarray]) -> dict[str, float]:
        """Return the last weighted sum of the loss terms, and the median time of an iteration."""
        if not columns:  # a run of an earlier version, which lost its file
            return {}
        times = columns["seconds_per_iteration"]  # NaN before the first iteration
        return {"train_loss": float(columns["train_loss"][-1]), "seconds_per_iteration": float(np.nanmedian(times))}


def _file_identity(path: Path) -> str:
    """Return the digest of a file, or its path if the file is too large to be read for that."""
    return str(path) if path.stat().st_size > SMALL_FILE else file_digest(path)
