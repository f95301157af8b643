"""The config of a first training run on new data: :class:`ocp_dc.training.first_run.FirstRuns`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from ocp_dc.core.config_names import configs_folder
from ocp_dc.fairchem2.compose import compose
from ocp_dc.training.first_run import TRIPLET_MODELS, WITH_PAIRS, WITH_TRIPLETS, FirstRun, Neighbors

CUTOFFS = ("cutoff", "max_radius")  # the argument of a backbone for it
OWN_LIMITS = ("escnmd", "uma", "escaip", "allscaip")  # models whose numbers of neighbors are part of their design


class FirstRuns:
    """Configs of fairchem 2, which change the model's config that ships."""

    suffix = ".yaml"

    @property
    def models(self) -> tuple[str, ...]:
        """The names of the models."""
        names = (configs_folder() / "fairchem2").glob("*-dc.yaml")
        return tuple(sorted(path.stem.removesuffix("-dc") for path in names))

    def neighbors(self, model: str, periodic: bool) -> Neighbors:
        """Return how many neighbors a model can take."""
        return Neighbors(WITH_TRIPLETS if model in TRIPLET_MODELS else WITH_PAIRS, model not in OWN_LIMITS)

    def config(self, run: FirstRun) -> str:
        """Return the text of a config."""
        stock: Any = compose(configs_folder() / "fairchem2" / f"{run.model}-dc.yaml").model.backbone
        backbone: dict[str, Any] = {next(key for key in CUTOFFS if key in stock): run.cutoff}
        if "use_pbc" in stock:
            backbone["use_pbc"] = run.periodic
        if run.max_neighbors is not None:
            backbone["max_neighbors"] = run.max_neighbors
        if run.scale_file is not None:
            backbone["scale_file"] = str(run.scale_file)
        values = {
            "data_dir": str(run.data),
            "epochs": run.epochs,
            "batch_size": run.batch_size,
            "eval_batch_size": 4 * run.batch_size,
            "keep_in_memory": run.in_memory,
            **({} if run.has_test else {"test_dataloader": None}),
            "model": {"backbone": backbone},
            "job": {"run_dir": str(run.folder), "device_type": "CUDA" if run.gpu else "CPU"},
        }
        command = " ".join(self.command(Path(f"{run.model}{self.suffix}"), run, "first"))
        return "\n".join(
            [
                "# @package _global_",
                f"# {run.title}",
                "# Written by `ocp-dc init`; every value can be changed here, or by an override on the command line:",
                f"#   ocp-dc {command} epochs=50",
                "# All other values are those of the config in defaults (`ocp-dc configs`): the labels are centered by",
                "# a fitted energy for each element, then divided by the RMS of the forces. What this config changes:",
                *(f"#   {reason}" for reason in run.reasons.values()),
                f"defaults: [/fairchem2/{run.model}-dc, _self_]",
                yaml.safe_dump(values, sort_keys=False, allow_unicode=True, width=110),
            ]
        )

    def command(self, config: Path, run: FirstRun, name: str) -> list[str]:
        """Return the arguments of ``ocp-dc`` for a training run."""
        return ["main", "-c", str(config), f"++job.timestamp_id={name}"]
