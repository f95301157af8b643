"""Gains in place of norms: fitted at the start of a training run, kept by checkpoints, needed by predictions."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import yaml
from ase.build import molecule

import ocp_dc
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1 import main as fairchem_main
from ocp_dc.fairchem1.infer.inference import load_trainer
from ocp_dc.fairchem1.train import fit_scales
from ocp_dc.fairchem1.trainer import DCTrainer
from ocp_dc.surgery import FittedGain

from tests.helpers.runs import CGCNN, PAINN, Run, run_main

DC = {"denormalize": "batchnorm", "norm_gain": "fitted"}


@pytest.fixture(scope="module")
def run(tmp_path_factory, small_config) -> Run:
    config = small_config(optim={"max_epochs": 1, "ema_decay": 0.9})
    done = run_main(tmp_path_factory.mktemp("gains"), {**config, "model": {**CGCNN, "dc": DC}})
    assert done.status == 0
    return done


def build(path: Path) -> DCTrainer:
    """The trainer of a config file, with the weights that a training starts from."""
    args, rest = fairchem_main.parse(["--mode", "train", "--config-yml", str(path)])
    return fit_scales.make_trainer(fairchem_main.resolve(args, rest), cpu=True)


def gains(state: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    return {name: value for name, value in state.items() if name.endswith(".gain")}


def test_both_checkpoints_hold_them(run):
    last, best = (gains(run.load(name)["state_dict"]) for name in ("checkpoint.pt", "best_checkpoint.pt"))
    assert list(last) == ["convs.0.bn1.gain", "convs.1.bn1.gain"]
    assert all(torch.isfinite(value) and value > 0 for value in last.values())
    assert last == best
    assert gains(load_trainer(run.checkpoint(), cpu=True).model.state_dict()) == last


def test_they_give_the_first_batch_the_root_mean_square_of_the_norm(run):
    """Which is 1 but for BatchNorm's epsilon; with the weights and the batch that the training started from."""
    trainer = build(run.folder / f"{run.name}.yml")
    saved = gains(run.load()["state_dict"])
    trainer.model.load_state_dict(saved, strict=False)
    found = []
    for part in trainer.model.modules():
        if isinstance(part, FittedGain):
            part.register_forward_hook(lambda part, x, y: found.append(y.detach().square().mean().sqrt()))
    trainer.train_sampler.set_epoch_and_start_iteration(0, 0)
    trainer.model(next(iter(trainer.train_loader)))
    torch.testing.assert_close(torch.stack(found), torch.ones(2), rtol=1e-2, atol=0)


def test_a_prediction_without_them_is_an_error(run, tmp_path):
    checkpoint = run.load()
    for value in gains(checkpoint["state_dict"]).values():
        value.fill_(torch.nan)
    torch.save(checkpoint, tmp_path / "unfitted.pt")
    atoms = molecule("CH3CH2OH")
    atoms.calc = ocp_dc.calculator(tmp_path / "unfitted.pt", cpu=True)
    with pytest.raises(UserError, match=r"convs\.0\.bn1: its gain is not fitted \(model\.dc\.norm_gain\)"):
        atoms.get_potential_energy()
    atoms.calc = ocp_dc.calculator(run.checkpoint(), cpu=True)
    assert abs(atoms.get_potential_energy()) > 0


def test_another_choice_is_another_model(run, tmp_path, small_config, capsys):
    config = {**small_config(), "model": {**CGCNN, "dc": {"denormalize": "batchnorm"}}}
    assert run_main(tmp_path, config, "--checkpoint", str(run.checkpoint())).status == 2
    assert "convs.0.bn1.gain is not in the model" in capsys.readouterr().err


def test_scale_factors_are_fitted_with_gains_that_follow(small_config, tmp_path):
    """PaiNN has both. They leave nothing behind: a second fit, from other gains and factors, ends at the same."""
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump({**small_config(), "model": {**PAINN, "dc": {**DC, "denormalize": "layernorm"}}}))
    trainer = build(path)
    batch = next(iter(trainer.train_loader))
    first = fit_scales.fit(trainer.model, [batch])
    assert len(first) == PAINN["num_layers"]
    assert all(each.value > 0 for each in first)
    for part in trainer.model.modules():
        if isinstance(part, FittedGain):
            part.gain.fill_(3.0)
    assert fit_scales.fit(trainer.model, [batch]) == first
