"""The config of a first training run on new data: :class:`ocp_dc.training.first_run.FirstRuns`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from ocp_dc.core.config_names import configs_folder
from ocp_dc.fairchem1.train.run_config import read_recipe
from ocp_dc.models.schnet import MOST_NEIGHBORS
from ocp_dc.training.first_run import TRIPLET_MODELS, WITH_PAIRS, WITH_TRIPLETS, FirstRun, Neighbors

FIXED = 50  # neighbors that fairchem's SchNet and DimeNet++ keep at most
FIXED_LIMITS = ("schnet", "dimenetplusplus")  # models without an argument max_neighbors


class FirstRuns:
    """Configs of fairchem 1.10, with all blocks of the model's config in them."""

    suffix = ".yml"

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models."""
        return tuple(sorted(path.stem for path in (configs_folder() / "dc").glob("*.yml")))

    def neighbors(self, model: str, periodic: bool) -> Neighbors:
        """Return how many neighbors a model can take."""
        if model in FIXED_LIMITS:
            return Neighbors(MOST_NEIGHBORS if model == "schnet" and not periodic else FIXED, adjustable=False)
        return Neighbors(WITH_TRIPLETS if model in TRIPLET_MODELS else WITH_PAIRS, adjustable=True)

    def config(self, run: FirstRun) -> str:
        """Return the text of a config."""
        blocks = read_recipe(f"md17/{run.model}-dc")
        model = {**blocks["model"], "cutoff": run.cutoff, "use_pbc": run.periodic}
        if run.max_neighbors is not None:
            model["max_neighbors"] = run.max_neighbors
        if run.scale_file is not None:
            model["scale_file"] = str(run.scale_file)
        optim = {**blocks["optim"], "batch_size": run.batch_size, "eval_batch_size": 4 * run.batch_size}
        optim["max_epochs"] = run.epochs
        train = {**blocks["dataset"]["train"], "src": str(run.data / "train")}
        train["format"] = "lmdb_in_memory" if run.in_memory else "lmdb"
        dataset = {"train": train, **{split: {"src": str(run.data / split)} for split in _held_out(run)}}
        command = " ".join(self.command(Path(f"{run.model}{self.suffix}"), run, "first"))
        return "\n".join(
            [
                f"# {run.title}",
                "# Written by `ocp-dc init`; every value can be changed here, or by an override on the command line:",
                f"#   ocp-dc {command} --optim.max_epochs=50",
                f"# The model is that of md17/{run.model}-dc (`ocp-dc configs`) with these changes:",
                *(f"#   {reason}" for reason in run.reasons.values()),
                *(f"{key}: {blocks[key]}" for key in ("trainer", "logger")),
                "",
                "# LMDBs, or any files of structures, with units, length_units, energy_key and forces_key beside src.",
                "# The labels are centered by a fitted energy for each element, then divided by the RMS of the forces.",
                _yaml({"dataset": dataset}),
                _yaml({"model": model}),
                yaml.safe_dump({"optim": optim}, sort_keys=False),
                "# Mean absolute errors of the energy (of a structure) and of the components of the forces.",
                _yaml({key: blocks[key] for key in ("outputs", "loss_functions", "evaluation_metrics")}),
            ]
        )

    def command(self, config: Path, run: FirstRun, name: str) -> list[str]:
        """Return the arguments of ``ocp-dc`` for a training run."""
        device = [] if run.gpu else ["--cpu"]
        return [
            *("main", "--mode", "train", "--config-yml", str(config), *device),
            *("--run-dir", str(run.folder), "--timestamp-id", name),
        ]


def _held_out(run: FirstRun) -> list[str]:
    return ["val", "test"] if run.has_test else ["val"]


def _yaml(blocks: Mapping[str, Any]) -> str:
    return yaml.safe_dump(dict(blocks), sort_keys=False, allow_unicode=True, default_flow_style=None, width=110)
