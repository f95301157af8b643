"""What studies ask of this host: :class:`ocp_dc.training.study_runs.StudyRuns`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from ocp_dc.core.errors import DivergenceError
from ocp_dc.data.dataset_cache import KEYS, count_structures
from ocp_dc.fairchem1 import main as run_main
from ocp_dc.fairchem1.checks.config_check import check_run_config
from ocp_dc.fairchem1.checks.model_check import GRADIENT_CHOICES, read_dc
from ocp_dc.fairchem1.checks.trust import modules_of
from ocp_dc.fairchem1.host_patches.structure_files import lmdb_of
from ocp_dc.fairchem1.infer.inspect_model import build_model
from ocp_dc.fairchem1.train.fit_scales import fit_config
from ocp_dc.fairchem1.train.scale_factors import scale_factors
from ocp_dc.fairchem1.train.step_times import step_times
from ocp_dc.surgery import canonical_dc
from ocp_dc.training.records import BLOCKS
from ocp_dc.training.scale_fit import UnfittableError
from ocp_dc.training.study_runs import Config, DataSource, Divergence, ModelFacts, RunLength


class StudyRuns:
    """Runs of fairchem 1.10; a config has the blocks of a run config."""

    def load(self, base: Path) -> Config:
        """Return the blocks of a fairchem config with its includes resolved."""
        config = run_main.resolve_training(str(base))
        return {key: value for key, value in config.items() if key in (*BLOCKS, "dataset")}

    def data_source(self, config: Config, split: str) -> DataSource:
        """Return the LMDBs of a split, converted where its source is another file, and its ``first_n``."""
        block = config["dataset"].get(split) or {}
        inherited = config["dataset"].get("train") or {} if block.get("use_train_settings", True) else {}
        src = block.get("src")
        found = lmdb_of({**inherited, **block}, f"dataset.{split}") if isinstance(src, str) else None
        return DataSource(src if found is None else str(found), block.get("first_n"))

    def with_data(self, config: Config, sources: Mapping[str, DataSource]) -> Config:
        """Return the config with these training and validation sets, and without a test set."""
        dataset = {split: block for split, block in config["dataset"].items() if split != "test"}
        for split, source in sources.items():
            block = {key: value for key, value in (dataset.get(split) or {}).items() if key not in KEYS}
            dataset[split] = {**block, "src": source.src, "first_n": source.first_n}
        return {**config, "dataset": dataset}

    def count_structures(self, src: Path) -> int:
        """Return the number of structures of LMDBs or other files."""
        return count_structures(src)

    def run_length(self, config: Config) -> RunLength:
        """Return the epochs, the batch size and the decay of the average."""
        optim = config["optim"]
        return RunLength(int(optim.get("max_epochs", 0)), optim["batch_size"], optim.get("ema_decay"))

    def primary_metric(self, config: Config) -> str:
        """Return the metric of the validation that selects the best weights."""
        return str(config["evaluation_metrics"].get("primary_metric", "loss"))

    def with_epochs(self, config: Config, epochs: int) -> Config:
        """Return the config with another number of epochs."""
        return {**config, "optim": {**config["optim"], "max_epochs": epochs}}

    def step_times(self, configs: Mapping[str, Config], cpu: bool) -> dict[str, float]:
        """Return the seconds per training step of each config, measured in turns, on a GPU if there is one."""
        return step_times(configs, cpu)

    def check(self, config: Config, changes: Iterable[str]) -> ModelFacts:
        """Check a config and build its model, so that errors of surgery are found before any run starts."""
        check_run_config(config, changes)
        return _facts(json.dumps(config["model"], sort_keys=True))

    def fingerprint(self, config: Config) -> str:
        """Return a text that is equal for configs of the same run."""
        model = {key: value for key, value in config["model"].items() if key != "dc"}
        dc = canonical_dc(read_dc(config["model"]))
        return json.dumps([{**config, "model": model}, repr(dc)], sort_keys=True, default=str)

    def train(self, config_path: Path, name: str, seed: int, cpu: bool, fit_scales: bool) -> Divergence | None:
        """Start or continue a training run in the folder of its config; scale factors are kept in ``scales.json``."""
        folder, seeded = config_path.parent, f"--seed={seed}"
        scales = folder / "scales.json"
        overrides = [f"--model.scale_file={scales}"] if fit_scales else []
        try:
            if fit_scales and not scales.exists():
                fit_config(str(config_path), scales, [seeded], cpu=cpu)
            flags = ["--mode", "train", "--config-yml", str(config_path), seeded, *(["--cpu"] if cpu else [])]
            run_main.main([*flags, "--run-dir", str(folder), "--timestamp-id", name, *overrides])
        except DivergenceError as error:
            return Divergence(error.step, f"diverged at step {error.step}: {error.what}")
        except UnfittableError as error:  # features overflow or vanish before the first step
            return Divergence(0, f"diverged before the first step: {error}")
        return None

    def trusted_modules(self, config: Config) -> Sequence[str]:
        """Return the modules whose code the config names."""
        return modules_of(config)


@functools.lru_cache(maxsize=256)
def _facts(model_block: str) -> ModelFacts:
    model = build_model(json.loads(model_block))
    chosen = [str(getattr(model, key)) for key in GRADIENT_CHOICES if hasattr(model, key)]
    unfitted = [factor for factor in scale_factors(model).values() if not factor.fitted]
    derived = "-dE/dx" if getattr(model, "conservative", False) else "not -dE/dx"
    return ModelFacts(" ".join([derived, *chosen]), bool(unfitted))
