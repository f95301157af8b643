"""The trainer ``dc``: fairchem's trainer with label rescaling, physical metrics, divergence stops and exact resume."""

from __future__ import annotations

import contextlib
import functools
import json
import logging
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils
from fairchem.core.common.registry import registry
from fairchem.core.trainers import OCPTrainer
from torch.utils.data import DataLoader

from ocp_dc.data.oc20_lmdb.lmdb_check import check_lmdb
from ocp_dc.fairchem1.checks import batch_check, config_check
from ocp_dc.fairchem1.infer import prediction, relaxed_ids
from ocp_dc.fairchem1.train import (
    label_fit,
    loop,
    loss_and_metrics,
    norm_gains,
    padded_ranks,
    resume,
    scale_factors,
    swapped_weights,
)
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.environment import environment
from ocp_dc.fairchem1.train.model_boundaries import adapt_boundaries, has_boundaries
from ocp_dc.fairchem1.train.transform import TRANSFORM_NAME, attach_rescaling
from ocp_dc.fairchem1.wrappers.factory import surgery_report
from ocp_dc.labels import LabelOptions, LabelRescaling
from ocp_dc.training import records, schedule
from ocp_dc.training.running_means import RunningMeans


@registry.register_trainer("dc")
class DCTrainer(OCPTrainer):
    """Trains, validates, predicts and relaxes like fairchem's ``ocp`` trainer, with what ``docs/`` describes on top.

    It is built by fairchem's main and by ``OCPCalculator``, with the arguments of ``OCPTrainer``.
    """

    label_options: LabelOptions | None = None
    label_rescaling: LabelRescaling | None = None
    best_val_metric: float | None
    ema: Any
    checkpoint_loaded: bool = False
    resumed_from: Path | None = None
    random_states: list[Any] | None = None
    evaluations_since_best: int = 0
    running_means: RunningMeans

    # ---- building ----------------------------------------------------------------------------------------------

    def load(self, inference_only: bool) -> None:
        """Build everything; the resolved config is checked and saved before anything is built."""
        if not inference_only:
            config_check.check_trainer_config(self.config, type(self))
        self.config["trainer"] = f"{type(self).__module__}.{type(self).__qualname__}"
        model_class = registry.get_model_class(self.config["model"]["name"])
        if "stock_class" in vars(model_class):  # one of our wrappers: a dotted path needs no registration to be found
            self.config["model"]["name"] = f"{model_class.__module__}.{model_class.__qualname__}"
        given = self.config["evaluation_metrics"]
        self.config["evaluation_metrics"] = loss_and_metrics.all_metrics(self.config["outputs"], given)
        if not inference_only:
            config_check.check_metrics(self.config["evaluation_metrics"])
        self.config["task"] = {"relax_opt": {}, "write_pos": True, **(self.config["task"] or {})}
        self.config["model"] = scale_factors.inline_scale_file(self.config["model"], keep=not inference_only)
        self.config["optim"].setdefault("num_workers", 0)
        for name in ("dataset", "val_dataset", "test_dataset"):  # YAML's empty block is None, which fairchem reads from
            self.config[name] = {key: value for key, value in self.config[name].items() if value is not None}
        self.label_options = self._label_options()
        self._save_record("config.yml", records.runnable(self.config))
        self._save_record("environment.json", environment(self.device))
        self.running_means = RunningMeans()
        super().load(inference_only)

    def load_model(self) -> None:
        """Build the model, then print and save what surgery did."""
        factors = self.config["model"].pop("scale_file", None)
        super().load_model()
        if factors is not None:
            scale_factors.set_scale_factors(self._unwrapped_model, factors)
            self.config["model"]["scale_file"] = factors
        if distutils.get_world_size() == 1:  # fairchem wraps even then, and every step pays for gradient buckets
            self.model = self._unwrapped_model
        elif hasattr(self._unwrapped_model, "shared_parameters"):  # read by the backward step, and hidden by DDP
            self.model.shared_parameters = self._unwrapped_model.shared_parameters
        report = surgery_report(self._unwrapped_model)
        if report is not None:
            if distutils.is_master():
                logging.info(str(report))
            self._save_record("surgery.json", json.dumps(report.to_dict(), indent=2))

    def load_datasets(self) -> None:
        """Build the data sets; the training set may be missing where nothing trains."""
        configured = self.config["dataset"]
        for name in ("dataset", "val_dataset", "test_dataset", "relax_dataset"):
            source = self.config[name].get("src")
            file_format = self.config[name].get("format", configured.get("format", "lmdb"))
            if not isinstance(source, str) or "lmdb" not in file_format or file_format == "ase_lmdb":
                continue
            if name == "dataset" and not Path(source).exists():
                logging.warning(f"dataset.train.src {source} does not exist: this run can predict, but not train")
                self.config["dataset"] = {k: v for k, v in configured.items() if k != "src"}
                continue
            check_lmdb(Path(source))
        with config_check.subset_errors():
            super().load_datasets()
        self.config["dataset"] = configured
        if getattr(self, "relax_dataset", None) is not None:
            attach_rescaling(self.relax_dataset, None)  # relaxed structures are compared in physical units

    def get_dataloader(self, dataset: Any, sampler: Any, workers: int | None = None) -> DataLoader:
        """Return fairchem's loader, with a generator of its own and a faster collater.

        The loader draws from its generator whenever an iterator is made: from the global one, a resumed run would
        make one draw more than the uninterrupted run, and dropout would differ.
        """
        loader = super().get_dataloader(dataset, sampler, workers)
        model, built = self.config["model"], self._unwrapped_model
        options = {
            "otf_graph": model.get("otf_graph", "backbone" in model),
            # with periodic boundaries fairchem finds missing edges itself
            "needs_edges": not (getattr(built, "otf_graph", True) or getattr(built, "use_pbc", True)),
        }
        return DataLoader(
            dataset,
            collate_fn=functools.partial(collate, use_pbc=has_boundaries(built), **options),
            num_workers=loader.num_workers,
            pin_memory=self.device.type == "cuda",
            batch_sampler=sampler,
            generator=torch.Generator().manual_seed(self.config["cmd"]["seed"] or 0),
        )

    def load_references_and_normalizers(self) -> None:
        """Build what the config asks of fairchem's own; without training data they come from the checkpoint."""
        if self.train_dataset is not None:
            super().load_references_and_normalizers()

    def load_extras(self) -> None:
        """Build the schedule, whose length follows from epochs and loader, clipping and EMA."""
        super_config = self.config["optim"]
        self.config["optim"] = schedule.with_length(super_config, self.train_loader)
        super().load_extras()
        self.config["optim"] = super_config

    # ---- label rescaling -----------------------------------------------------------------------------------------

    def _label_options(self) -> LabelOptions | None:
        block = (self.config["dataset"].get("transforms") or {}).get(TRANSFORM_NAME)
        return None if block is None else LabelOptions.from_block(block, f"dataset.train.transforms.{TRANSFORM_NAME}")

    def set_label_rescaling(self, rescaling: LabelRescaling | None) -> None:
        """Take fitted numbers into use, for the data sets as well as for predictions."""
        self.label_rescaling = rescaling
        for dataset in (self.train_dataset, self.val_dataset, self.test_dataset):
            if dataset is not None:
                attach_rescaling(dataset, rescaling)

    def fit_label_rescaling(self) -> None:
        """Fit centre and scale on the training set, once, on the first rank; every rank gets the same numbers."""
        if self.label_options is None:
            return
        self.set_label_rescaling(label_fit.fit_on(self.train_dataset, self.label_options, self.device))
        logging.info(str(self.label_rescaling))

    def _denorm_preds(self, target_key: str, prediction: torch.Tensor, batch: Any) -> torch.Tensor:
        """Return a prediction in physical units, in float64 where labels are rescaled."""
        if self.label_rescaling is None or target_key not in ("energy", "forces"):
            return super()._denorm_preds(target_key, prediction, batch)
        return loss_and_metrics.to_physical(self.label_rescaling, target_key, prediction, batch)

    # ---- training ------------------------------------------------------------------------------------------------

    def _forward(self, batch: Any) -> dict[str, torch.Tensor]:
        """Return what the model makes of a batch, seen with the boundaries that its structures have."""
        batch_check.check_batch(self._unwrapped_model, batch)
        seen = adapt_boundaries(self._unwrapped_model, batch)
        batch.to(self.device)  # in place: the loss reads labels from it
        with loss_and_metrics.output_errors():
            return super()._forward(seen)

    def _compute_loss(self, out: dict[str, torch.Tensor], batch: Any) -> torch.Tensor:
        return sum(loss_and_metrics.loss_terms(self, out, batch).values())

    def _compute_metrics(self, out: Any, batch: Any, evaluator: Any, metrics: Any = None) -> dict[str, Any]:
        return loss_and_metrics.update_metrics(self, out, batch, evaluator, metrics)

    def train(self, disable_eval_tqdm: bool = False) -> None:
        """Run the training; see :mod:`ocp_dc.fairchem1.train.loop`."""
        loop.train(self, disable_eval_tqdm)

    def update_best(self, primary_metric: str, val_metrics: dict[str, Any], disable_eval_tqdm: bool = True) -> None:
        """Save the best weights so far; the test set waits for the end of the training."""
        value = float(val_metrics[primary_metric]["metric"])
        sign = -1.0 if schedule.higher_is_better(primary_metric) else 1.0
        self.evaluations_since_best += 1
        if self.best_val_metric is None or sign * value < sign * self.best_val_metric:
            self.best_val_metric = value
            self.evaluations_since_best = 0
            self.save(metrics=val_metrics, checkpoint_file="best_checkpoint.pt", training_state=False)

    def ema_weights(self) -> contextlib.AbstractContextManager[None]:
        """Put the averaged weights into the model for a while; without EMA, or within itself, do nothing."""
        return swapped_weights.averaged_weights(self)

    @torch.no_grad()
    def validate(self, split: str = "val", disable_tqdm: bool = False) -> dict[str, Any]:
        """Return fairchem's metrics on a split, in physical units, with the averaged weights."""
        norm_gains.ensure_fitted(self._unwrapped_model)
        with self.ema_weights(), padded_ranks.counted_once(self, split):
            return super().validate(split, disable_tqdm)

    # ---- prediction ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(
        self, data_loader: Any, per_image: bool = True, results_file: str | None = None, disable_tqdm: bool = False
    ) -> dict[str, Any]:
        """Return predictions in physical units; see :func:`ocp_dc.fairchem1.infer.prediction.predict`."""
        with self.ema_weights():
            return prediction.predict(self, data_loader, per_image, results_file, disable_tqdm)

    def run_relaxations(self) -> None:
        """Relax the structures of the relax data set, with the averaged weights."""
        with self.ema_weights(), relaxed_ids.named_apart(self):
            super().run_relaxations()

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def save(
        self, metrics: Any = None, checkpoint_file: str = "checkpoint.pt", training_state: bool = True
    ) -> str | None:
        """Write a checkpoint whole; the best one holds the averaged weights."""
        return resume.save(self, metrics, checkpoint_file, training_state)

    def load_checkpoint(
        self, checkpoint_path: str, checkpoint: dict[str, Any] | None = None, inference_only: bool = False
    ) -> None:
        """Read a checkpoint as data; its label rescaling wins over the config's."""
        resume.load(self, checkpoint_path, checkpoint, inference_only)

    def _save_record(self, name: str, text: str) -> None:
        """Write a text file beside the results, on the first rank; one of another content stays."""
        if not self.is_debug and distutils.is_master():
            records.keep(Path(self.config["cmd"]["results_dir"], name), text)

    @staticmethod
    def _get_timestamp(device: torch.device, suffix: str | None) -> str:
        """Return a run identifier to the millisecond: fairchem's has a resolution of two minutes."""
        return loop.timestamp(device, suffix)
