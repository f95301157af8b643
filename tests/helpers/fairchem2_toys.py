"""A small model, data and runs for tests with fairchem 2."""

from __future__ import annotations

import argparse
import contextlib
import logging
import os
import shutil
import signal
import subprocess
import sys
import unittest.mock
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.db import connect
from fairchem.core import _cli
from fairchem.core.launchers import slurm_launch
from fairchem.core.models.base import BackboneInterface, HeadInterface
from torch import Tensor, nn
from torchtnt.framework.callback import Callback

ROOT = Path(__file__).resolve().parents[2]
CONFIGS = ROOT / "configs" / "fairchem2"
TOYS = "tests.helpers.fairchem2_toys"
SIZES = {"train": 20, "val": 6, "test": 5}

CONFIG = f"""
defaults: [_base, _self_]
epochs: 3
batch_size: 4
eval_batch_size: 4
checkpoint_every_n_steps: 4
ema_decay: 0.9
crash_step: null
crash_signal: null
model:
  _target_: fairchem.core.models.base.HydraModel
  backbone:
    model: {TOYS}.ToyBackbone
    dropout: 0.2
  heads:
    efs: {{module: {TOYS}.ToyHead}}
runner:
  callbacks:
    - _target_: {TOYS}.Crash
      step: ${{crash_step}}
      signal: ${{crash_signal}}
    - _target_: fairchem.core.components.callbacks.TrainCheckpointCallback
      checkpoint_every_n_steps: ${{checkpoint_every_n_steps}}
      max_saved_checkpoints: 2
    - _target_: ocp_dc.fairchem2.train.callback.RunCallback
      primary_metric: ${{primary_metric}}
      patience: ${{patience}}
      test_dataloader: ${{test_dataloader}}
"""


class ToyBackbone(nn.Module, BackboneInterface):
    """Features of atoms by a sum over all pairs of a structure, with dropout."""

    def __init__(self, width: int = 8, dropout: float = 0.0, poison: int | None = None) -> None:
        super().__init__()
        self.regress_config = argparse.Namespace(direct_forces=False, forces=True, stress=False, hessian=False)
        self.embedding = nn.Embedding(10, width)
        self.pairs = nn.Sequential(nn.Linear(1, width), nn.SiLU(), nn.Dropout(dropout), nn.Linear(width, width))
        self.poison = poison
        self.calls = 0

    def forward(self, data: Any) -> dict[str, Tensor]:
        """Return the features [N, width] and the positions of which they are a function."""
        data["batch_full"], data["atomic_numbers_full"] = data.batch, data.atomic_numbers  # for ElementReferences
        with torch.enable_grad():
            positions = data.pos.detach().requires_grad_(True)
            same = (data.batch[:, None] == data.batch[None, :]) & ~torch.eye(len(positions), dtype=torch.bool)  # [N, N]
            to, source = same.nonzero().T
            distances = (positions[to] - positions[source]).norm(dim=1, keepdim=True)  # [P, 1]
            messages = self.pairs(distances) * self.embedding(data.atomic_numbers.long()[source])  # [P, width]
            features = messages.new_zeros(len(positions), messages.shape[1]).index_add(0, to, messages)
        self.calls += self.training
        if self.training and self.poison == self.calls:
            features = features * torch.nan
        return {"features": features, "positions": positions, "batch": data.batch}

    @classmethod
    def build_inference_settings(cls, settings: Any) -> dict[str, Any]:
        """Return no changes."""
        return {}

    def get_default_untrained_tasks(self, checkpoint_tasks: Any, inference_settings: Any) -> list[Any]:
        """Return no tasks."""
        return []

    def validate_tasks(self, dataset_to_tasks: Any) -> None:
        """Accept all tasks."""

    def prepare_for_inference(self, data: Any, settings: Any) -> ToyBackbone:
        """Return itself."""
        return self

    def on_predict_check(self, data: Any) -> None:
        """Accept every batch."""

    def validate_atoms_data(self, atoms: Any, task_name: str) -> None:
        """Accept all atoms."""


class ToyHead(nn.Module, HeadInterface):
    """Energies, and forces as their gradient."""

    def __init__(self, backbone: ToyBackbone) -> None:
        super().__init__()
        self.last = nn.Linear(backbone.embedding.embedding_dim, 1)

    def forward(self, data: Any, emb: dict[str, Tensor]) -> dict[str, dict[str, Tensor]]:
        """Return energies [B] and forces [N, 3]."""
        with torch.enable_grad():
            of_atoms = self.last(emb["features"])[:, 0]
            energy = of_atoms.new_zeros(len(data.natoms)).index_add(0, emb["batch"], of_atoms)
            (gradient,) = torch.autograd.grad(energy.sum(), emb["positions"], create_graph=self.training)
        return {"energy": {"energy": energy}, "forces": {"forces": -gradient}}


class Crash(Callback):
    """Raise an error, or send a signal to the process, at the end of a step."""

    def __init__(self, step: int | None, signal: int | None = None) -> None:
        self.step, self.signal = step, signal

    def on_train_step_end(self, state: Any, unit: Any) -> None:
        """Raise, or send the signal, if the step is the given one."""
        if unit.train_progress.num_steps_completed == self.step:
            if self.signal is None:
                raise RuntimeError("crash")
            os.kill(os.getpid(), self.signal)


class NoCallback(Callback):
    """Do nothing, with the arguments of another callback."""

    def __init__(self, **ignored: Any) -> None:
        pass


def write_data(folder: Path, sizes: dict[str, int] | None = None, seed: int = 0) -> Path:
    """Write clusters of 3 to 5 atoms, with energies of springs between all pairs, as fairchem 2's data sets."""
    rng = np.random.default_rng(seed)
    for split, size in (sizes or SIZES).items():
        (folder / split).mkdir(parents=True)
        frames = [cluster(rng) for _ in range(size)]
        with connect(folder / split / "data.aselmdb", type="aselmdb") as database:
            for frame in frames:
                database.write(frame)
        np.savez(folder / split / "metadata.npz", natoms=np.array([len(frame) for frame in frames]))
    return folder


def cluster(rng: np.random.Generator) -> Atoms:
    """Return a random cluster with labels."""
    count = int(rng.integers(3, 6))
    positions = rng.normal(size=(count, 3)) * 1.5
    apart = positions[:, None] - positions[None, :]  # [N, N, 3]
    distances = np.linalg.norm(apart, axis=2) + np.eye(count)
    energy = 0.25 * ((distances - 1) ** 2 * (1 - np.eye(count))).sum()
    forces = -(((distances - 1) / distances * (1 - np.eye(count)))[..., None] * apart).sum(axis=1)
    frame = Atoms(rng.choice([1, 6, 8], size=count), positions=positions)
    frame.calc = SinglePointCalculator(frame, energy=energy, forces=forces)
    return frame


def write_config(folder: Path) -> Path:
    """Write the config of the small model beside a copy of the base config."""
    folder.mkdir(parents=True, exist_ok=True)
    shutil.copy(CONFIGS / "_base.yaml", folder)
    path = folder / "toy.yaml"
    path.write_text(CONFIG)
    return path


def train(config: Path, *overrides: str) -> None:
    """Do what the command ``fairchem -c CONFIG OVERRIDES`` does, in this process."""
    with same_process():
        _cli.main(argparse.Namespace(config=str(config)), list(overrides))


@contextlib.contextmanager
def same_process() -> Iterator[None]:
    """Undo what fairchem's command changes in its process."""
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
    environment = dict(os.environ)
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    logging.getLogger("c10d-NullHandler-dcp_logger").setLevel(logging.WARNING)
    try:
        # the report calls pip, which takes seconds
        with unittest.mock.patch.object(slurm_launch, "write_environment_report"):
            yield
    finally:
        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        for number, handler in before.items():
            signal.signal(number, handler)
        os.environ.clear()
        os.environ.update(environment)
        root.handlers[:], root.level = handlers, level


class Runs:
    """Runs of the small model below one folder, in this process.

    Args:
        folder: the folder.
    """

    def __init__(self, folder: Path) -> None:
        self.data = write_data(folder / "data")
        self.config = write_config(folder / "config")
        self._runs = folder / "runs"

    def folder(self, name: str) -> Path:
        """Return the folder of a run."""
        return self._runs / name

    def overrides(self, name: str) -> list[str]:
        """Return the overrides of a run."""
        return [f"data_dir={self.data}", f"job.run_dir={self._runs}", f"+job.timestamp_id={name}"]

    def train(self, name: str, *overrides: str) -> Path:
        """Train, and return the folder of the run."""
        train(self.config, *self.overrides(name), *overrides)
        return self.folder(name)

    def resume(self, checkpoint: Path, *overrides: str) -> Path:
        """Resume from a checkpoint, and return the folder of the run."""
        train(checkpoint / "resume.yaml", f"job.runner_state_path={checkpoint}", *overrides)
        moved = [text.partition("=")[2] for text in overrides if text.startswith("job.timestamp_id=")]
        return self.folder(moved[0]) if moved else checkpoint.parent.parent


def command(config: Path, *overrides: str) -> subprocess.CompletedProcess[str]:
    """Run the stock command in its own process."""
    program = Path(sys.executable).with_name("fairchem")
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    arguments: Sequence[str] = [str(program), "-c", str(config), *overrides]
    return subprocess.run(arguments, env=environment, capture_output=True, text=True, check=False, timeout=300)


def weights_of(checkpoint: Path) -> dict[str, Tensor]:
    """Return the weights and the averages of a checkpoint of fairchem, from its inference checkpoint."""
    saved = torch.load(checkpoint / "inference_ckpt.pt", weights_only=False)
    return {**saved.model_state_dict, **{f"ema.{name}": value for name, value in saved.ema_state_dict.items()}}
