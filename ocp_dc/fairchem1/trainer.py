"""The trainer ``dc``: fairchem's trainer with label rescaling, physical metrics, divergence stops and exact resume."""

from __future__ import annotations

import functools
import json
import logging
from pathlib import Path
from typing import Any

import torch
from fairchem.core.common import distutils
from fairchem.core.common.registry import registry
from torch.utils.data import DataLoader
from torch_geometric.data import Batch

from ocp_dc.core.verbosity import bars_disabled
from ocp_dc.fairchem1.checks import batch_check, config_check
from ocp_dc.fairchem1.infer import prediction, relaxed_ids
from ocp_dc.fairchem1.train import (
    counted_atoms,
    label_fit,
    loop,
    loss_and_metrics,
    padded_ranks,
    resume,
    scale_factors,
    update,
    wrapped_model,
)
from ocp_dc.fairchem1.train.loader import make_loader
from ocp_dc.fairchem1.train.model_boundaries import adapt_boundaries
from ocp_dc.fairchem1.train.resolved_config import check_sources, resolve_config
from ocp_dc.fairchem1.train.run_listeners import ADVICE
from ocp_dc.fairchem1.train.state_trainer import StateTrainer
from ocp_dc.fairchem1.train.transform import attach_rescaling
from ocp_dc.fairchem1.wrappers import stress
from ocp_dc.fairchem1.wrappers.dc_model import surgery_report
from ocp_dc.labels import LabelOptions, LabelRescaling
from ocp_dc.training import gains, records
from ocp_dc.training.averages import averaged_weights
from ocp_dc.training.environment import describe_environment
from ocp_dc.training.finite_checks import RunPosition
from ocp_dc.training.flag_reader import FlagReader
from ocp_dc.training.run_lines import in_words
from ocp_dc.training.subnormals import flushed_subnormals


@registry.register_trainer("dc")
class DCTrainer(StateTrainer):
    """Train, validate, predict and relax like fairchem's ``ocp`` trainer, with the additions of ``docs/``.

    fairchem's main and ``OCPCalculator`` build it with the arguments of ``OCPTrainer``. Values that change from step to
    step are in ``state``; fairchem's attributes for them, such as ``step`` and ``ema``, refer to it.
    """

    label_options: LabelOptions | None = None
    checkpoint_loaded: bool = False
    resumed_from: Path | None = None
    _repeated_batch: Any = None  # structures that the validation in progress counts once more than there are

    # ---- building ----------------------------------------------------------------------------------------------

    def load(self, inference_only: bool) -> None:
        """Build everything; the resolved config is checked and saved before anything is built."""
        self.config = resolve_config(self.config, type(self), inference_only)
        self.label_options = label_fit.label_options(self.config)
        self.save_record("config.yml", records.runnable_config(self.config))
        environment = describe_environment(self.device, ["fairchem-core"], distutils.get_world_size())
        self.save_record("environment.json", json.dumps(environment, indent=2))
        self.open_log()
        super().load(inference_only)

    def load_model(self) -> None:
        """Build the model, then print and save the report of surgery."""
        factors = self.config["model"].pop("scale_file", None)
        super().load_model()
        if factors is not None:
            scale_factors.set_scale_factors(self._unwrapped_model, factors)
            self.config["model"]["scale_file"] = factors
        wrapped_model.settle_model(self)
        if "stress" in self.config["outputs"]:
            stress.provide_stress(self._unwrapped_model)
        report = surgery_report(self._unwrapped_model)
        if report is not None:
            if distutils.is_master():
                logging.info(str(report))
            self.save_record("surgery.json", json.dumps(report.to_dict(), indent=2))

    def load_datasets(self) -> None:
        """Build the data sets; the training set may be missing without training."""
        configured = self.config["dataset"]
        self.config["dataset"] = check_sources(self.config)
        with config_check.subset_errors():
            super().load_datasets()
        self.config["dataset"] = configured
        if getattr(self, "relax_dataset", None) is not None:
            attach_rescaling(self.relax_dataset, None)  # relaxed structures are compared in physical units

    def get_dataloader(self, dataset: Any, sampler: Any, workers: int | None = None) -> DataLoader:
        """Return fairchem's loader, with its own generator and a faster collater."""
        stock = super().get_dataloader(dataset, sampler, workers)
        seed = self.config["cmd"]["seed"] or 0
        return make_loader(stock, self.config["model"], self._unwrapped_model, self.device, seed)

    def load_references_and_normalizers(self) -> None:
        """Build fairchem's references and normalizers; without training data they come from the checkpoint."""
        if self.train_dataset is not None:
            super().load_references_and_normalizers()

    # ---- label rescaling -----------------------------------------------------------------------------------------

    def set_label_rescaling(self, rescaling: LabelRescaling | None) -> None:
        """Use the fitted label rescaling for the data sets and for predictions."""
        self.state.label_rescaling = rescaling
        for dataset in (self.train_dataset, self.val_dataset, self.test_dataset):
            if dataset is not None:
                attach_rescaling(dataset, rescaling)

    def fit_label_rescaling(self) -> None:
        """Fit center and scale on the training set, once, on the first rank; every rank receives the same values."""
        if self.label_options is None:
            return
        self.set_label_rescaling(label_fit.fit_label_rescaling(self.train_dataset, self.label_options, self.device))
        logging.info(str(self.state.label_rescaling))

    def _denorm_preds(self, target_key: str, prediction: torch.Tensor, batch: Any) -> torch.Tensor:
        """Return a prediction in physical units, in float64 if labels are rescaled."""
        rescaling = self.state.label_rescaling
        if rescaling is None or target_key not in loss_and_metrics.RESCALED:
            return super()._denorm_preds(target_key, prediction, batch)
        return loss_and_metrics.to_physical(rescaling, target_key, prediction, batch)

    # ---- training ------------------------------------------------------------------------------------------------

    def _forward(self, batch: Any) -> dict[str, torch.Tensor]:
        """Return the predictions for a batch, after adapting its periodic boundaries to the model."""
        batch_check.check_batch(self._unwrapped_model, batch)
        seen = adapt_boundaries(self._unwrapped_model, batch)
        if batch.pos.device != self.device:
            batch.to(self.device)  # in place: the loss reads labels from it
        with loss_and_metrics.output_errors():
            return super()._forward(seen)

    @functools.cached_property
    def _checkpoint_path(self) -> Path:
        return Path(self.config["cmd"]["checkpoint_dir"], "checkpoint.pt")

    def loss_terms(self, out: Any, batch: Any, reader: FlagReader, progress: float = 1.0) -> dict[str, torch.Tensor]:
        """Return each weighted term of the loss; see :func:`ocp_dc.fairchem1.train.loss_and_metrics.loss_terms`."""
        parts = (self.loss_functions, self.output_targets, self.elementrefs, self.normalizers)
        where = RunPosition(self.state.step, self._checkpoint_path, ADVICE)
        return loss_and_metrics.loss_terms(loss_and_metrics.LossSetup(*parts, progress), out, batch, where, reader)

    def _compute_loss(self, out: dict[str, torch.Tensor], batch: Any) -> torch.Tensor:
        """Return the loss of a validation, with the final weights, so that losses at all epochs can be compared."""
        return loss_and_metrics.total_loss(self.loss_terms(out, batch, FlagReader()))

    def _compute_metrics(self, out: Any, batch: Any, evaluator: Any, metrics: Any = None) -> dict[str, Any]:
        """Return fairchem's metrics of a batch, added to ``metrics``, in eV, eV/Å and eV/Å³."""
        outputs, rescaling = self.output_targets, self.state.label_rescaling
        values = loss_and_metrics.physical_values(outputs, out, batch, self._denorm_preds, rescaling)
        of_atoms = loss_and_metrics.outputs_of_atoms(outputs)
        return counted_atoms.evaluate(evaluator, *values, batch.natoms, of_atoms, metrics)

    def _backward(self, loss: torch.Tensor) -> None:
        """Take an optimizer step as fairchem does, but with gradients of the parameters only."""
        super()._backward(update.ParameterLoss(loss, self.optimizer))

    def train(self, disable_eval_tqdm: bool = False) -> None:
        """Train; see :mod:`ocp_dc.fairchem1.train.loop`."""
        loop.train(self, disable_eval_tqdm)

    def validate(self, split: str = "val", disable_tqdm: bool = False) -> dict[str, Any]:
        """Return and show fairchem's metrics on a split, in physical units, with the averaged weights."""
        metrics = self.errors_on(split, bars_disabled(disable_tqdm or not distutils.is_master()))
        self.say(f"{split}: {in_words({name: float(metric['metric']) for name, metric in metrics.items()})}")
        return metrics

    @torch.no_grad()
    def errors_on(self, split: str, disable_tqdm: bool | None) -> dict[str, Any]:
        """Return fairchem's metrics on a split, in physical units, with the averaged weights."""
        gains.check_fitted(self._unwrapped_model)
        self._repeated_batch = padded_ranks.repeated_batch(self.val_loader if split == "val" else self.test_loader)
        try:
            with averaged_weights(self.state), flushed_subnormals():
                return super().validate(split, disable_tqdm)
        finally:
            self._repeated_batch = None

    def _aggregate_metrics(self, metrics: dict[str, Any]) -> dict[str, Any]:
        """Return the sums over all ranks, with each structure counted once."""
        summed = super()._aggregate_metrics(metrics)
        if self._repeated_batch is None:
            return summed
        with torch.autocast("cuda", enabled=self.state.scaler is not None):
            out = self._forward(self._repeated_batch)  # on every rank: DistributedDataParallel waits for all
        return padded_ranks.subtract_repeats(
            summed, self._compute_metrics(out, self._repeated_batch, self.evaluator, {})
        )

    # ---- prediction ----------------------------------------------------------------------------------------------

    @torch.no_grad()
    def predict(
        self, data_loader: Any, per_image: bool = True, results_file: str | None = None, disable_tqdm: bool = False
    ) -> dict[str, Any]:
        """Return predictions in physical units, with the averaged weights.

        Args:
            data_loader: a loader, or one batch.
            per_image: return lists with an entry per structure; else the tensors of the first batch.
            results_file: write the lists to ``ocp_RESULTS_FILE.npz`` in the results folder, if all values are finite.
            disable_tqdm: hide the progress bar.
        """
        outputs = self.config["outputs"]
        batches = [data_loader] if isinstance(data_loader, Batch) else data_loader
        prediction.check_model(self._unwrapped_model)
        with averaged_weights(self.state), flushed_subnormals():
            self.model.eval()
            if not per_image:
                return self._predict_batch(next(iter(batches)))
            predictions = prediction.predict_structures(batches, self._predict_batch, outputs, disable_tqdm)
            self.save_results(predictions, results_file)
        if results_file is not None:
            self.say(f"predictions: {Path(self.config['cmd']['results_dir'], f'ocp_{results_file}.npz')}")
        return predictions

    def _predict_batch(self, batch: Any) -> dict[str, torch.Tensor]:
        def forward(batch: Any) -> dict[str, torch.Tensor]:
            with torch.autocast("cuda", enabled=self.state.scaler is not None):
                return self._forward(batch)

        return prediction.predict_batch(batch, forward, self._denorm_preds, self.config["outputs"])

    def run_relaxations(self) -> None:
        """Relax the structures of the relax data set, with the averaged weights."""
        loader = self.relax_loader
        self.relax_loader = relaxed_ids.named_apart(loader, self.relax_dataset)
        try:
            with averaged_weights(self.state):
                super().run_relaxations()
        finally:
            self.relax_loader = loader
        self.say(f"relaxed structures: {self.config['cmd']['results_dir']}")

    # ---- checkpoints ---------------------------------------------------------------------------------------------

    def load_checkpoint(
        self, checkpoint_path: str, checkpoint: dict[str, Any] | None = None, inference_only: bool = False
    ) -> None:
        """Read a checkpoint as data; its label rescaling takes precedence over the config's."""
        resume.load(self, checkpoint_path, checkpoint, inference_only)

    @staticmethod
    def _get_timestamp(device: torch.device, suffix: str | None) -> str:
        """Return a run identifier to the millisecond: fairchem's has a resolution of two minutes."""
        return loop.timestamp(device, suffix)
