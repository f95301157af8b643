"""Studies of interatomic potentials: what the planner and the report need to know of fairchem's configs and runs."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocp_dc.data.lmdb_check import check_lmdb
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path, slab_sample_path
from ocp_dc.errors import UserError
from ocp_dc.study.options import BudgetOptions, DataOptions
from ocp_dc.study.record import Quantity

SAMPLE_SIZES = {"ethanol": (600, 100, 300), "slabs": (200, 50, 50)}
SAMPLE_FILES = {"ethanol": (sample_path, "rmd17"), "slabs": (slab_sample_path, "ase")}
X = "epoch"
QUANTITIES = (
    Quantity("energy_mae", "energy MAE", "eV", primary=True),
    Quantity("forces_mae", "force MAE", "eV/Å", primary=True),
    Quantity("energy_per_atom_mae", "energy MAE per atom", "eV/atom"),
    Quantity("energy_rmse", "energy RMSE", "eV"),
    Quantity("forces_rmse", "force RMSE", "eV/Å"),
    Quantity("forces_cosine", "force cosine", lower_is_better=False),
    Quantity("efwt", "EFwT", "fraction", lower_is_better=False),
    Quantity("train_loss", "training loss, scaled labels", lower_is_better=None),
    Quantity("train_loss_energy", "its energy term", lower_is_better=None),
    Quantity("train_loss_forces", "its force term", lower_is_better=None),
    Quantity("step_time", "time per step", "s"),
    Quantity("peak_memory", "peak memory", "MiB"),
)
CURVES = (
    Quantity("epoch", "epoch", lower_is_better=None),
    Quantity("energy_mae", "energy MAE, validation", "eV", primary=True),
    Quantity("forces_mae", "force MAE, validation", "eV/Å", primary=True),
    Quantity("train_loss", "training loss, scaled labels", lower_is_better=None),
)


@dataclasses.dataclass(frozen=True)
class Facts:
    """What building a config's model tells: how its forces are derived, and whether it has scale factors to fit."""

    gradients: str
    fits_scales: bool


def load_base(path: Path) -> dict[str, Any]:
    """Return the blocks of a config of fairchem, its includes resolved.

    Raises:
        UserError: no such file, no mapping, or blocks that contradict each other.
    """
    from ocp_dc.fairchem1 import main as run_main
    from ocp_dc.fairchem1.records import BLOCKS

    args, overrides = run_main.parse(["--mode", "train", "--config-yml", str(path)])
    config = run_main.resolve(args, overrides)
    return {key: value for key, value in config.items() if key in (*BLOCKS, "dataset")}


def check(config: Mapping[str, Any]) -> Facts:
    """Check a config and build its model, so that surgery which cannot be done is known before anything trains.

    Raises:
        UserError: as fairchem's main would, of the same config.
    """
    from ocp_dc.fairchem1.config_check import check_run_config

    check_run_config(config)
    return _facts(json.dumps(config["model"], sort_keys=True))


@functools.lru_cache(maxsize=256)
def _facts(model_block: str) -> Facts:
    from ocp_dc.fairchem1.inspect_model import build_model
    from ocp_dc.fairchem1.model_check import GRADIENT_CHOICES
    from ocp_dc.fairchem1.scale_factors import scale_factors

    model = build_model(json.loads(model_block))
    chosen = [str(getattr(model, key)) for key in GRADIENT_CHOICES if hasattr(model, key)]
    unfitted = [factor for factor in scale_factors(model).values() if not factor.fitted]
    derived = "-dE/dx" if getattr(model, "conservative", False) else "not -dE/dx"
    return Facts(" ".join([derived, *chosen]), bool(unfitted))


def meaning(config: Mapping[str, Any]) -> str:
    """Return a text that is equal for two configs that ask for the same run, however they are spelled."""
    from ocp_dc.fairchem1.model_check import meaning as meaning_of_dc

    model = {key: value for key, value in config["model"].items() if key != "dc"}
    dc = meaning_of_dc(config["model"].get("dc"), gradients=True)
    return json.dumps([{**config, "model": model}, repr(dc)], sort_keys=True, default=str)


def place_data(
    config: dict[str, Any], name: str, options: DataOptions, limit: BudgetOptions, out: Path
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return a config with its data sets in place, and what to test on: the worker does that, once.

    Args:
        config: the config, with a share such as ``25 %`` in ``dataset.train.first_n`` perhaps.
        name: of the data set.
        options: where it lies and how much of it is used.
        limit: the budget, whose limits hold beside those of the data set.
        out: the study's folder, where a bundled sample is prepared.

    Returns:
        the config without a test set, and the test set: ``src`` and ``first_n``.

    Raises:
        UserError: data that are not there.
    """
    limits = {split: _smaller(getattr(options, split), getattr(limit, split)) for split in ("train", "val", "test")}
    blocks = {split: dict(config["dataset"].get(split) or {}) for split in ("train", "val", "test")}
    folder = _folder(name, options, limits, out)
    for split, block in blocks.items():
        if folder is not None:
            block["src"] = str(folder / split)
        if not isinstance(block.get("src"), str):
            raise UserError(f"data.{name}: dataset.{split}.src is missing in the base config; give data.{name}.path")
        block["src"] = str(Path(block["src"]).absolute())
        count = check_lmdb(Path(block["src"]))
        first = _smaller(count, limits[split])
        if split == "train" and block.get("first_n") is not None:
            first = _smaller(first, _share(block["first_n"], first or count))
        block["first_n"] = first
    test = blocks.pop("test")
    dataset = {**config["dataset"], **blocks}
    dataset.pop("test", None)
    return {**config, "dataset": dataset}, {"src": test["src"], "first_n": test["first_n"]}


def with_budget(config: dict[str, Any], budget: BudgetOptions, step_time: float | None = None) -> dict[str, Any]:
    """Return a config that trains as long as the budget says, in whole epochs, one at least.

    Args:
        config: the config, its data in place.
        budget: the budget.
        step_time: seconds per step, for a budget in minutes.
    """
    optim = config["optim"]
    per_epoch = math.ceil(config["dataset"]["train"]["first_n"] / optim["batch_size"])
    if budget.epochs is not None:
        epochs = budget.epochs
    elif budget.steps is not None:
        epochs = math.ceil(budget.steps / per_epoch)
    else:
        assert budget.minutes is not None
        assert step_time is not None
        epochs = max(1, int(60 * budget.minutes / (per_epoch * step_time)))
    return {**config, "optim": {**optim, "max_epochs": epochs}}


def data_identity(src: str) -> str:
    """Return what a data set is, wherever it lies: the digest of its ``dataset.json`` and split, else its path."""
    path = Path(src)
    description = path.parent / "dataset.json"
    if not description.is_file():
        return src
    return f"{path.name} {hashlib.sha256(description.read_bytes()).hexdigest()}"


def _folder(name: str, options: DataOptions, limits: Mapping[str, int | None], out: Path) -> Path | None:
    if options.path is not None:
        path = Path(options.path)
        if missing := [split for split in ("train", "val", "test") if not (path / split).exists()]:
            raise UserError(
                f"data.{name}.path {path}: has no {' and no '.join(missing)}; expected a folder as "
                f"`ocp-dc prepare SRC {path} ...` makes it"
            )
        return path
    if options.sample is None:
        return None
    counts = {s: limits[s] or n for s, n in zip(limits, SAMPLE_SIZES[options.sample], strict=True)}
    folder = out / "data" / "-".join([options.sample, *map(str, counts.values())])
    if not folder.exists():
        source, layout = SAMPLE_FILES[options.sample]
        prepare(
            source(), folder, format=layout, units="eV", train=counts["train"], val=counts["val"], test=counts["test"]
        )
    return folder


def _smaller(a: int | None, b: int | None) -> int | None:
    return min((n for n in (a, b) if n is not None), default=None)


def _share(first_n: Any, count: int) -> int:
    """Return a number of structures, given as such or as a share of what there is."""
    if isinstance(first_n, str) and first_n.replace(" ", "").endswith("%"):
        try:
            return max(1, round(float(first_n.rstrip(" %")) / 100 * count))
        except ValueError:
            pass
    if isinstance(first_n, bool) or not isinstance(first_n, int):
        raise UserError(f"dataset.train.first_n: got {first_n!r}, expected a number of structures or a share: '25 %'")
    return first_n
