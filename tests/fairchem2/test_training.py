"""Training and fine-tuning through the stock command, with the configs that ship made small."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from ase.db import connect
from fairchem.core import _cli
from fairchem.core.calculate import FAIRChemCalculator
from fairchem.core.calculate.pretrained_mlip import load_predict_unit
from omegaconf import OmegaConf

from ocp_dc.checkpoints.inference_checkpoint import InferenceCheckpoint, read_inference_checkpoint
from ocp_dc.core.config_names import configs_folder
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path

from tests.helpers.fairchem2_hydras import kinds
from tests.helpers.fairchem2_toys import same_process

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # those of fairchem's training, which runs in this process
]
CONFIGS = configs_folder() / "fairchem2"
FINAL = "checkpoints/final/inference_ckpt.pt"
SMALL = ["epochs=1", "batch_size=4", "++job.timestamp_id=run"]
ESCNMD = [f"model.backbone.{key}_channels=8" for key in ("sphere", "hidden", "edge")]
SCAIP = ["model.backbone.hidden_size=16", "model.backbone.atten_num_heads=2"]
SIZES = {
    "escnmd": ESCNMD,
    "uma": [*ESCNMD, "model.backbone.num_experts=2"],
    "escaip": SCAIP,
}


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with 12 structures to train on, 4 to validate and 2 to test."""
    out = tmp_path_factory.mktemp("ethanol") / "data"
    prepare(sample_path(), out, format="rmd17", units="eV", train=12, val=4, test=2, to="aselmdb", progress=False)
    return out


def train(config: str, data: Path, folder: Path, *overrides: str) -> Path:
    """Train in this process, as the command does, and return the folder of the run."""
    given = [f"data_dir={data}", f"job.run_dir={folder}", *SMALL, *overrides]
    with same_process():
        _cli.main(argparse.Namespace(config=str(CONFIGS / f"{config}.yaml")), given)
    return folder / "run"


def checkpoint(run: Path, name: str = FINAL) -> InferenceCheckpoint:
    return read_inference_checkpoint(run / name)


@pytest.fixture(scope="session")
def trained(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of eSCN-MD with a dc: block, by the command itself, in a folder that is not that of the configs."""
    folder = tmp_path_factory.mktemp("trained")
    (folder / "mine.yaml").write_text("defaults: [/fairchem2/escnmd-dc, _self_]\n")
    command = [str(Path(sys.executable).parent / "fairchem"), "-c", "mine.yaml", f"data_dir={data}", "job.run_dir=runs"]
    done = subprocess.run(
        [*command, *SMALL, *ESCNMD],
        cwd=folder,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert (done.stdout + done.stderr).count("surgery: 2 activations swapped") == 1
    return folder / "runs" / "run"


def test_the_calculator_of_a_trained_checkpoint(trained: Path, data: Path) -> None:
    unit = load_predict_unit(trained / FINAL, device="cpu", inference_settings="traineval")
    assert kinds(unit.model, "IReLU")["IReLU"] == 2
    with connect(str(data / "val" / "data.aselmdb"), type="aselmdb") as database:
        atoms = database.get_atoms(1)
    label = atoms.get_potential_energy()
    atoms.calc = FAIRChemCalculator(unit, task_name="data")
    assert abs(atoms.get_potential_energy() - label) < 20  # eV, of -4209; it is hardly trained
    assert checkpoint(trained).model_config["dc"] == {
        "activation": {"name": "irelu", "coefficient": 0.25},
        "region": "output",
    }


@pytest.mark.parametrize("name", ["uma", "escaip"])
def test_each_model_trains(name: str, data: Path, tmp_path: Path) -> None:
    run = train(f"{name}-dc", data, tmp_path, *SIZES[name])
    assert checkpoint(run).model_config["dc"]["region"] == "output"
    unit = load_predict_unit(run / FINAL, device="cpu", inference_settings="batch")
    assert kinds(unit.model, "IReLU")["IReLU"] > 0


def test_fine_tuning_with_a_frozen_backbone(trained: Path, data: Path, tmp_path: Path) -> None:
    run = train("finetune", data, tmp_path, f"checkpoint={trained / FINAL}", "freeze_backbone=true", "lr=0.01")
    before, after = checkpoint(trained), checkpoint(run)
    same = [key for key in before.weights if torch.equal(before.weights[key], after.model_state_dict[key])]
    assert {key for key in before.weights if key.startswith("backbone.")} <= set(same)
    assert "output_heads.efs.energy_block.0.weight" not in same
    # the run goes on, and predicts, without the first checkpoint
    resumed = OmegaConf.load(run / "checkpoints/final/resume.yaml").runner.train_eval_unit.model
    for config in (resumed, after.model_config, checkpoint(run, "results/best_inference_ckpt.pt").model_config):
        assert config["_target_"] == "ocp_dc.fairchem2.dc_model.DCHydraModel"
        assert config["dc"]["activation"] == {"name": "irelu", "coefficient": 0.25}
        assert "checkpoint" not in config
    unit = load_predict_unit(run / FINAL, device="cpu", inference_settings="traineval")
    assert kinds(unit.model, "IReLU")["IReLU"] == 2
