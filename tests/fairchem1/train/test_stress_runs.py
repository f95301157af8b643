"""Training by the stress, and what its checkpoints are good for: cell relaxation and dynamics at constant pressure."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from ase.io import write

import ocp_dc
from ocp_dc.data.prepare import prepare

from tests.helpers.runs import MODEL, SCN, Run, run_main
from tests.helpers.strained_crystals import crystal, write_crystals
from tests.helpers.stress_contract import StressContract, check_derivative

DIRECT = {"name": "dc_scn", **SCN, "use_pbc": True}


@pytest.fixture(scope="module")
def crystals(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_crystals(tmp_path_factory.mktemp("crystals"), "oc20")


@pytest.fixture(scope="module")
def config(crystals: Path, small_config: Callable[..., dict[str, Any]]) -> Callable[..., dict[str, Any]]:
    def make(stress: float = 100.0, **model: Any) -> dict[str, Any]:
        made = small_config(model={**MODEL, "use_pbc": True, "dc": {"activation": "irelu"}, **model})
        for split in ("train", "val", "test"):
            made["dataset"][split]["src"] = str(crystals / split)
        made["outputs"]["stress"] = {"level": "system"}
        made["loss_functions"].append({"stress": {"fn": "mae", "coefficient": stress}})
        made["optim"] |= {"max_epochs": 20, "lr_initial": 3e-3, "ema_decay": 0.9, "scheduler": "OneCycleLR"}
        return made

    return make


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, config: Callable[..., dict[str, Any]]) -> Run:
    found = run_main(tmp_path_factory.mktemp("run"), config())
    assert found.status == 0
    return found


def test_the_error_falls(run: Run) -> None:
    """In physical units, on structures that were not trained on."""
    rows = run.validations()
    name = "stress_mae [eV/Å^3]"
    assert float(rows[-1][name]) < 0.5 * float(rows[0][name])


@pytest.fixture(scope="module")
def calculator(run: Run) -> Any:
    return ocp_dc.calculator(run.checkpoint("best_checkpoint.pt"), cpu=True)


class TestStress(StressContract):
    """On the checkpoint of the run."""


def test_the_forward_pass_of_fairchem(run: Run, tmp_path: Path) -> None:
    checkpoint = run.load("best_checkpoint.pt")
    checkpoint["config"]["model"]["dc"]["accelerate"] = "off"
    torch.save(checkpoint, tmp_path / "checkpoint.pt")
    check_derivative(ocp_dc.calculator(tmp_path / "checkpoint.pt", cpu=True))


def test_a_checkpoint_without_a_stress_in_its_loss(tmp_path: Path, config: Callable[..., dict[str, Any]]) -> None:
    """Its calculator has the stress all the same, in physical units."""
    made = config()
    del made["outputs"]["stress"], made["loss_functions"][2]
    made["optim"]["max_epochs"] = 1
    run = run_main(tmp_path, made)
    assert "stress" not in run.load()["config"]["outputs"]
    check_derivative(ocp_dc.calculator(run.checkpoint(), cpu=True))


def test_factors_of_fairchem(tmp_path: Path, config: Callable[..., dict[str, Any]]) -> None:
    """Without label rescaling, a stress that was not trained on has fairchem's factor of the energies."""
    made = config()
    del made["outputs"]["stress"], made["loss_functions"][2]
    made["optim"]["max_epochs"] = 1
    scale = {"mean": 1.0, "rmsd": 2.5}
    made["dataset"]["train"]["transforms"] = {"normalizer": {"energy": scale, "forces": {**scale, "mean": 0.0}}}
    run = run_main(tmp_path, made)
    check_derivative(ocp_dc.calculator(run.checkpoint(), cpu=True))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"use_pbc": False}, r"model.use_pbc: got false, but outputs asks for stress"),
        ({"regress_forces": False}, r"model.regress_forces: got false, but outputs asks for (forces|stress)"),
        (DIRECT, r"outputs.stress: dc_scn has no stress: its forces are not the derivatives of its energy"),
    ],
)
def test_models_without_one(
    tmp_path: Path,
    config: Callable[..., dict[str, Any]],
    capsys: pytest.CaptureFixture[str],
    change: dict[str, Any],
    message: str,
) -> None:
    made = config()
    made["model"] = {**made["model"], **change} if "name" not in change else change
    assert run_main(tmp_path, made).status != 0
    assert re.search(message, capsys.readouterr().err)


def test_structures_without_the_label(
    tmp_path: Path, config: Callable[..., dict[str, Any]], capsys: pytest.CaptureFixture[str]
) -> None:
    made = [crystal(seed) for seed in range(4)]
    for atoms in made:
        del atoms.calc.results["stress"]
    write(tmp_path / "all.xyz", made)
    prepare(tmp_path / "all.xyz", tmp_path / "data", format="ase", train=3, val=1, test=0, to="oc20", progress=False)
    changed = config()
    changed["dataset"]["train"]["src"] = str(tmp_path / "data" / "train")
    assert run_main(tmp_path, changed).status != 0
    assert "outputs.stress: the data have no label of this name" in capsys.readouterr().err
