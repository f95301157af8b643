"""What studies ask of this host: :class:`ocp_dc.training.study_runs.StudyRuns`."""

from __future__ import annotations

import copy
import functools
import inspect
import json
import logging
import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import hydra
from omegaconf import OmegaConf

from ocp_dc.core.errors import DivergenceError, UserError, nearest
from ocp_dc.core.log_level import raised_log_level
from ocp_dc.data.dataset_cache import as_dataset, count_structures, read_options
from ocp_dc.fairchem2.backbones.native import native_backbone
from ocp_dc.fairchem2.compose import compose, config_errors, override, without_fits
from ocp_dc.fairchem2.infer.inspect_model import build_model
from ocp_dc.models.scale_factors import scale_factors
from ocp_dc.surgery import canonical_dc
from ocp_dc.surgery.direct_forces import DirectOptions
from ocp_dc.training.scale_fit import UnfittableError
from ocp_dc.training.study_runs import Config, DataSource, Divergence, ModelFacts, RunLength

DATA, SOURCES, READING = "data_dir", "sources", "reading"
EPOCHS, BATCH_SIZE, SEED, AVERAGE = "epochs", "batch_size", "seed", "ema_decay"
SAVE, SCALES = "checkpoint_every_n_steps", "model.backbone.scale_file"
PRIMARY = "primary_metric"
BLOCKS = {"train": "train_dataset", "val": "val_dataset"}
TEST = ("test_dataset", "test_dataloader")  # a study tests by itself


class StudyRuns:
    """Runs of fairchem 2; a config is a composed one with its interpolations, and the keys of configs/fairchem2."""

    def load(self, base: Path) -> Config:
        """Return a base config with its defaults."""
        config: Any = OmegaConf.to_container(compose(base))
        needed = (DATA, EPOCHS, BATCH_SIZE, SEED, *BLOCKS.values(), "model")
        if missing := [key for key in needed if key not in config]:
            raise UserError(
                f"{base}: has no {missing[0]}; a study needs the keys {', '.join(needed)}, as in "
                "configs/fairchem2/_base.yaml"
            )
        if TEST[1] in config:
            config.pop(TEST[0], None)
            config[TEST[1]] = None
        return config

    def data_source(self, config: Config, split: str) -> DataSource:
        """Return the aselmdb of a split, converted where its source is another file, and its ``first_n``."""
        first_n = _split_block(config, split).get("first_n") if split in BLOCKS else None
        keys = OmegaConf.create({key: config[key] for key in (DATA, SOURCES) if key in config})
        src = OmegaConf.select(keys, f"{SOURCES}.{split}", default=str(Path(config[DATA]) / split))
        found = as_dataset(src, "aselmdb", read_options(config.get(READING), READING))
        return DataSource(str(found), first_n)

    def with_data(self, config: Config, sources: Mapping[str, DataSource]) -> Config:
        """Return the config with these training and validation sets."""
        changed = {**copy.deepcopy(config), DATA: str(Path(str(sources["train"].src)).parent)}
        for split, source in sources.items():
            _split_block(changed, split).update(source._asdict())
            if SOURCES in changed:
                changed[SOURCES][split] = source.src
        if changed.get(READING):
            changed[READING] = dict.fromkeys(changed[READING])  # the sources are aselmdb
        return changed

    def count_structures(self, src: Path) -> int:
        """Return the number of structures of aselmdb or other files."""
        return count_structures(src)

    def run_length(self, config: Config) -> RunLength:
        """Return the epochs, the batch size and the decay of the average."""
        return RunLength(int(config[EPOCHS]), int(config[BATCH_SIZE]), config.get(AVERAGE))

    def primary_metric(self, config: Config) -> str:
        """Return the metric of the validation that selects the best weights."""
        return str(config.get(PRIMARY, "loss"))

    def with_epochs(self, config: Config, epochs: int) -> Config:
        """Return the config with another number of epochs."""
        return {**config, EPOCHS: epochs}

    def step_times(self, configs: Mapping[str, Config], cpu: bool) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns, on a GPU if there is one."""
        from ocp_dc.fairchem2.train.step_times import step_times

        return step_times(configs, cpu)

    def check(self, config: Config, changes: Iterable[str]) -> ModelFacts:
        """Check a config as fairchem's main does, and build its model."""
        for key in changes:
            _check_key(config, key)
        return _facts(json.dumps({**config, EPOCHS: 1}, sort_keys=True))

    def fingerprint(self, config: Config) -> str:
        """Return a text that is equal for configs of the same run."""
        model = {key: value for key, value in config["model"].items() if key != "dc"}
        dc = canonical_dc(DirectOptions.from_block(config["model"].get("dc"), "model.dc"))
        return json.dumps([{**config, "model": model}, repr(dc)], sort_keys=True, default=str)

    def train(self, config_path: Path, name: str, seed: int, cpu: bool, fit_scales: bool) -> Divergence | None:
        """Start or continue a training run in the folder of its config; it saves its state after each epoch.

        Scale factors are kept in ``scales.json`` there.
        """
        from ocp_dc.fairchem2.main import main
        from ocp_dc.fairchem2.train.fit_scales import fit_config

        config: Any = OmegaConf.to_container(OmegaConf.load(config_path))
        structures = self.data_source(config, "train").first_n
        folder = {"job.run_dir": config_path.parent, "job.timestamp_id": name}
        settings = [f"++job.device_type={'CPU' if cpu else 'CUDA'}", f"{SEED}={seed}"]
        if SAVE in config and structures:
            settings.append(f"{SAVE}={math.ceil(structures / config[BATCH_SIZE])}")
        scales = config_path.parent / "scales.json"
        try:
            if fit_scales and not scales.exists():
                fit_config(str(config_path), scales, [f"{SEED}={seed}"], cpu=cpu)
            if fit_scales:
                settings.append(f"++{override(SCALES, scales)}")
            main(["-c", str(config_path), *settings, *(f"++{override(key, value)}" for key, value in folder.items())])
        except DivergenceError as error:
            return Divergence(error.step, f"diverged at step {error.step}: {error.what}")
        except UnfittableError as error:  # features overflow or vanish before the first step
            return Divergence(0, f"diverged before the first step: {error}")
        return None

    def trusted_modules(self, config: Config) -> Sequence[str]:
        """Return the modules of the classes that the config names."""
        return sorted({name.rpartition(".")[0] for name in _class_names(config["model"]) if "." in name})


def _split_block(config: Config, split: str) -> dict[str, Any]:
    """Return the block of a split, in the one data set of a config; a validation set may be named otherwise."""
    splits = [block["splits"] for block in config[BLOCKS[split]]["dataset_configs"].values()]
    if len(splits) != 1:
        raise UserError(f"{BLOCKS[split]}: got {len(splits)} data sets, expected one, which the study fills in")
    block: dict[str, Any] = next(iter(splits[0].values()))
    return block


def _check_key(config: Config, key: str) -> None:
    """Check that a changed key, if it is an argument of a class or function, is one that this takes."""
    *names, last = key.split(".")
    block: Any = config
    for name in names:
        block = block.get(name) if isinstance(block, Mapping) else None
    if not isinstance(block, Mapping) or "_target_" not in block:
        return  # fairchem's main checks keys at the top, and the model its own
    known = inspect.signature(hydra.utils.get_object(block["_target_"])).parameters
    if last not in known and not any(each.kind is each.VAR_KEYWORD for each in known.values()):
        raise UserError(f"{key}: {block['_target_']} has no argument {last!r}.{nearest(last, known)}")


@functools.lru_cache(maxsize=64)
def _facts(text: str) -> ModelFacts:
    from fairchem.core._cli import get_canonical_config
    from fairchem.core.launchers.api import JobConfig

    # the surgery of each arm is told by its run
    with config_errors(Path("config")), without_fits(), raised_log_level(logging.WARNING):
        job = OmegaConf.create({"job": OmegaConf.structured(JobConfig(run_dir="."))})  # its default makes a folder
        model = build_model(get_canonical_config(OmegaConf.merge(job, json.loads(text))))
    backbone = native_backbone(model)
    fits_scales = backbone is not None and bool(scale_factors(backbone.potential)) and not _scale_file(text)
    derived = "-dE/dx" if getattr(model, "conservative", False) else "not -dE/dx"
    return ModelFacts(derived, fits_scales)


def _scale_file(text: str) -> Any:
    return json.loads(text)["model"]["backbone"].get("scale_file")


def _class_names(block: Any) -> Iterable[str]:
    if isinstance(block, Mapping):
        for key, value in block.items():
            if key in ("_target_", "model", "module") and isinstance(value, str):
                yield value
            else:
                yield from _class_names(value)
