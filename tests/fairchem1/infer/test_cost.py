"""What validations, predictions and calculators do not compute: graphs of forces, and products of subnormals."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from ase.build import molecule

import ocp_dc
from ocp_dc.fairchem1.train.fit_scales import make_trainer
from ocp_dc.fairchem1.wrappers.native_model import NativeModel

from tests.helpers.runs import MODEL, Run

NATIVE = {"dc": {"activation": "irelu", "accelerate": "native"}}


@pytest.fixture
def forwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[tuple[bool, bool]]]:
    """Collects, for each forward pass, whether the forces have a graph and whether subnormals are kept."""
    seen = []
    forward = NativeModel.forward

    def watched(self: NativeModel, data: Any) -> dict[str, torch.Tensor]:
        out = forward(self, data)
        seen.append((out["forces"].requires_grad, float(torch.tensor(1e-40) * 1.0) != 0.0))
        return out

    monkeypatch.setattr(NativeModel, "forward", watched)
    yield seen
    assert float(torch.tensor(1e-40) * 1.0) != 0.0  # as before


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush")
def test_validation_and_prediction(
    small_config: Callable[..., dict[str, Any]], forwards: list[tuple[bool, bool]]
) -> None:
    trainer = make_trainer({**small_config(model={**MODEL, **NATIVE}), "seed": 0}, cpu=True)
    trainer.val_loader = trainer.train_loader
    batch = next(iter(trainer.train_loader))
    trainer.validate()
    trainer.predict(batch, per_image=False)
    assert set(forwards) == {(False, False)}
    trainer._forward(batch)
    assert forwards[-1] == (True, True)


@pytest.mark.skipif(not torch.set_flush_denormal(False), reason="this processor cannot flush")
def test_calculator(trained: Run, forwards: list[tuple[bool, bool]]) -> None:
    path: Path = trained.checkpoint("best_checkpoint.pt")
    atoms = molecule("CH3CH2OH", calculator=ocp_dc.calculator(path, cpu=True))
    atoms.get_forces()
    assert forwards == [(False, False)]
