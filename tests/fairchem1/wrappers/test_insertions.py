"""Dropout and batch normalization through runs: trained, evaluated and used as a calculator; test_resume resumes."""

from __future__ import annotations

import copy
import json

import pytest
import torch
import yaml
from ase.build import molecule

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.model_check import read_dc
from ocp_dc.fairchem1.infer.inspect_model import build_model, inspect_config
from ocp_dc.fairchem1.train import fit_scales
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.fairchem1.train.scale_factors import _settings_before_output
from ocp_dc.surgery import DCOptions, RegularizedActivation, canonical_dc
from ocp_dc.testing.tolerances import FINITE_DIFFERENCE

from tests.helpers.runs import CGCNN, DIMENETPLUSPLUS, GEMNET, MODEL, run_main

DC = {"dropout": 0.1, "insert_norm": "batchnorm", "insert_region": ["^act$", r"interactions\.1\.act"]}


@pytest.fixture(scope="module")
def config(small_config):
    return small_config(model={"dc": DC})


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    run = run_main(tmp_path_factory.mktemp("inserted"), config)
    assert run.status == 0
    return run


def test_a_run_says_what_it_inserted(run, config, tmp_path):
    found = run.json("surgery.json")
    assert found["counts"]["insertions"] == 2
    assert [item["path"] for item in found["insertions"]] == ["act", "interactions.1.act"]
    path = tmp_path / "config.yml"
    path.write_text(yaml.safe_dump(config))
    lines = inspect_config(str(path)).splitlines()
    assert "  act: ShiftedSoftplus() -> BatchNorm1d(8) -> Dropout(0.1)" in lines
    assert "conservative: forces are -dE/dx" in lines


def test_predictions_have_no_random_part(run):
    """Whatever torch's seed: calculators neither drop features nor move running statistics."""
    atoms, found = molecule("CH3CH2OH"), []
    for seed in (0, 1):
        torch.manual_seed(seed)
        atoms.calc = ocp_dc.calculator(run.checkpoint("best_checkpoint.pt"), cpu=True)
        found.append((atoms.get_potential_energy(), atoms.get_forces()))
    assert found[0][0] == found[1][0]
    assert (found[0][1] == found[1][1]).all()
    parts = [part for part in atoms.calc.predictor.trainer.model.modules() if isinstance(part, RegularizedActivation)]
    assert len(parts) == 2
    assert not any(part.training or part.norm.training for part in parts)
    saved = run.load("best_checkpoint.pt")["state_dict"]["act.norm.running_mean"]
    assert torch.equal(atoms.calc.predictor.trainer.model.state_dict()["act.norm.running_mean"], saved)


def test_the_mask_is_drawn_anew_at_each_step_and_serves_energy_and_forces(structures):
    """Forces of a training pass are the derivative of its energy, mask included."""
    model = build_model({**MODEL, "dc": {"dropout": 0.5, "insert_region": "full"}}).double()
    batch = collate([copy.copy(structure) for structure in structures], otf_graph=True)
    batch.pos = batch.pos.double()

    def run(seed, moved=0.0):
        torch.manual_seed(seed)
        pos = batch.pos.detach().clone()
        pos[0, 0] += moved
        shifted = copy.copy(batch)
        shifted.pos = pos
        out = model(shifted)
        return out["energy"].detach().sum().item(), out["forces"].detach()[0, 0].item()

    energies = {seed: run(seed)[0] for seed in range(3)}
    assert len(set(energies.values())) == 3
    for seed in energies:
        difference = (run(seed, -1e-5)[0] - run(seed, 1e-5)[0]) / 2e-5
        assert run(seed)[1] == pytest.approx(difference, *FINITE_DIFFERENCE)


def test_evaluate_reads_the_checkpoint(run, ethanol, tmp_path):
    arguments = ["evaluate", str(run.checkpoint()), str(ethanol / "test"), "--cpu", "--out"]
    assert main([*arguments, str(tmp_path / "a")]) == main([*arguments, str(tmp_path / "b")]) == 0
    first, second = (json.loads((tmp_path / name / "evaluation.json").read_text()) for name in "ab")
    assert first["forces_mae"] == second["forces_mae"] > 0


@pytest.mark.parametrize(
    ("dc", "message"),
    [
        ({**DC, "dropout": 0.2}, "model.dc: "),
        ({**DC, "insert_norm": "none"}, "act.norm.bias is not in the model"),
        ({"dropout": 0.1}, "act.norm.bias is not in the model"),
    ],
)
def test_another_insertion_is_another_model(run, small_config, tmp_path, capsys, dc, message):
    config = small_config(model={"dc": dc})
    assert run_main(tmp_path, config, "--checkpoint", str(run.checkpoint())).status == 2
    assert message in capsys.readouterr().err


def test_what_two_blocks_have_in_common():
    def canonical(block):
        return canonical_dc(read_dc({"name": "dc_schnet", "dc": block}))

    assert canonical({"dropout": 0.0}) == canonical(None)
    assert canonical({"dropout": 0.1}) == canonical({"dropout": 0.1, "insert_region": "output"})
    assert canonical({"dropout": 0.1}) != canonical({"dropout": 0.1, "insert_region": "full"})
    assert canonical({"dropout": 0.1}) != canonical({"insert_norm": "batchnorm"})


def test_a_mistake_ends_the_run(small_config, tmp_path, capsys):
    assert run_main(tmp_path, small_config(model={"dc": {"dropout": 1.5}})).status == 2
    assert "model.dc.dropout: got 1.5, expected a finite number, at least 0 and below 1" in capsys.readouterr().err


def test_a_batch_of_one_structure_behind_the_pooling_is_named(small_config, tmp_path, capsys):
    """CGCNN's output layers see a row for each structure: 40 structures in batches of 13 leave one."""
    config = {**small_config(optim={"batch_size": 13}), "model": {**CGCNN, "dc": {"insert_norm": "batchnorm"}}}
    assert run_main(tmp_path, config).status == 2
    assert "a batch brings 1 row(s) of 16 features" in capsys.readouterr().err


def test_places_of_several_widths_are_named():
    block = {"insert_norm": "batchnorm", "insert_region": "full"}
    with pytest.raises(UserError, match=r"interaction_blocks\.0\.act: features of shape \[12, 16\], \[12, 8\]"):
        build_model({**copy.deepcopy(DIMENETPLUSPLUS), "dc": block})


def test_scale_factors_are_fitted_with_the_statistics_of_the_batch(small_config, tmp_path):
    """Behind norms features have a variance of one; they leave no trace, and dropout rests."""
    path = tmp_path / "config.yml"
    block = {"insert_norm": "batchnorm", "insert_region": "full", "dropout": 0.5}
    fitted = []
    for dc in (None, {"insert_norm": "batchnorm"}, block, {**block, "dropout": 0.0}):
        path.write_text(yaml.safe_dump({**small_config(), "model": {**GEMNET, "dc": dc}}))
        trainer = fit_scales.make_trainer(fit_scales.run_main.resolve(*_parsed(path)), cpu=True)
        batch = next(iter(trainer.train_loader))
        fitted.append([each.value for each in fit_scales.fit(trainer.model, [batch])])
        norms = [part.norm for part in trainer.model.modules() if isinstance(part, RegularizedActivation)]
        assert all(int(norm.num_batches_tracked) == 0 and not norm.training for norm in norms)
    stock, behind_output, everywhere, without_dropout = fitted
    assert behind_output == stock  # no factor comes after the output blocks' layers
    assert everywhere == without_dropout
    assert everywhere != stock
    options = DCOptions.from_block
    unchanged = _settings_before_output(options(None))
    assert _settings_before_output(options({"insert_norm": "batchnorm"})) == unchanged
    assert _settings_before_output(options({"dropout": 0.5, "insert_region": "full"})) == unchanged
    assert _settings_before_output(options(block)) != unchanged


def _parsed(path):
    return fit_scales.run_main.parse(["--mode", "train", "--config-yml", str(path)])
