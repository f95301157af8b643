"""How often the host waits for the device in a step, counted by what reads a number from a tensor."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.fairchem1.train import loop, loss_and_metrics
from ocp_dc.fairchem1.train.fit_scales import make_trainer
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.training.finite_checks import GradientCheck
from ocp_dc.training.flag_reader import FlagReader

from tests.helpers.runs import run_main


class Reads(TorchDispatchMode):
    """Counts the operators whose result, or its size, the host must know."""

    NAMES = ("aten::_local_scalar_dense", "aten::nonzero")

    def __init__(self) -> None:
        super().__init__()
        self.counts: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        masks = [a for a in args[1] if a is not None] if func.name() == "aten::index.Tensor" else []
        if func.name() in self.NAMES or any(mask.dtype == torch.bool for mask in masks):
            self.counts[func.name()] += 1
        return func(*args, **(kwargs or {}))


@pytest.fixture
def trainer(small_config: Callable[..., dict[str, Any]]) -> DCTrainer:
    return make_trainer({**small_config(optim={"ema_decay": 0.9}), "seed": 0}, cpu=True)


def test_a_late_step_reads_nothing_but_what_the_model_reads(trainer: DCTrainer, tmp_path: Path) -> None:
    """Loss, backward, clipping, optimizer, averages and checks: only which atoms are free."""
    trainer.clip_grad_norm = 10.0
    reader = FlagReader(late=True)
    check = GradientCheck(tmp_path / "checkpoint.pt", "", reader)
    batch = next(iter(trainer.train_loader))
    loop._step(trainer, batch, reader)  # the optimizer makes its moments
    with Reads() as model:
        out = trainer._forward(batch)
    with Reads() as step:
        loop._step(trainer, batch, reader)
        check.step(trainer.state, {})
    assert out["forces"].shape == batch.pos.shape
    assert step.counts - model.counts == {"aten::nonzero": 1}


def test_metrics_read_a_number_of_times_that_does_not_depend_on_the_batch(trainer: DCTrainer) -> None:
    counts = []
    for size in (2, 10):
        batch = trainer.train_loader.collate_fn([trainer.train_dataset[index] for index in range(size)])
        out = {"energy": batch.energy[:, None].clone(), "forces": batch.forces.clone()}  # within the thresholds
        with Reads() as reads:
            trainer._compute_metrics(out, batch, trainer.evaluator, {})
        counts.append(reads.counts)
    assert counts[0] == counts[1]


def test_late_flags_of_the_loss_name_their_step(trainer: DCTrainer) -> None:
    """A prediction of the second step, then a label of the fourth, read a step later."""
    batch = next(iter(trainer.train_loader))
    out = {"energy": torch.zeros(10, 1), "forces": torch.zeros_like(batch.forces)}
    reader = FlagReader(late=True)
    trainer.state.step = 2
    terms = trainer.loss_terms({**out, "forces": out["forces"] * torch.nan}, batch, reader)
    assert bool(loss_and_metrics.total_loss(terms).isnan())
    reader.end_step()
    trainer.state.step = 3
    trainer.loss_terms(out, batch, reader)
    with pytest.raises(DivergenceError, match="at step 2: the forces loss is not finite"):
        reader.end_step()
    batch.energy[3] = torch.inf
    trainer.loss_terms(out, batch, reader)
    with pytest.raises(UserError, match=r"the label energy of structure .* is NaN or infinite: bad data"):
        reader.settle()


@pytest.mark.parametrize(("bad", "checkpoint_every"), [(3, 1), (4, 1), (5, 4)])
def test_a_late_run_writes_no_weights_of_a_step_that_diverged(
    tmp_path: Path,
    small_config: Callable[..., dict[str, Any]],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    bad: int,
    checkpoint_every: int,
) -> None:
    """After the bad step a checkpoint is due, or a validation as well, or nothing until the next step."""
    monkeypatch.setattr(loop, "FlagReader", lambda late: FlagReader(late=True))
    backward = DCTrainer._backward

    def spoiled(self: DCTrainer, loss: torch.Tensor) -> None:
        backward(self, loss * torch.nan if self.step == bad else loss)

    monkeypatch.setattr(DCTrainer, "_backward", spoiled)
    run = run_main(tmp_path, small_config(optim={"checkpoint_every": checkpoint_every, "ema_decay": 0.9}))
    assert run.status == 1
    assert f"training diverged at step {bad}: the gradient of" in capsys.readouterr().err
    state = run.load()
    assert state["step"] == bad - 1
    assert run.checkpoint("best_checkpoint.pt").is_file() == (bad > 4)
    assert all(bool(value.isfinite().all()) for value in state["state_dict"].values())
    assert all(bool(value.isfinite().all()) for value in state["ema"]["shadow_params"])
