"""A model of two parts in a run: training, resuming, predictions, the evaluation and both calculators."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
import torch
from ase import Atoms
from fairchem.core.common.relaxation.ase_utils import OCPCalculator
from fairchem.core.datasets.lmdb_dataset import LmdbDataset

import ocp_dc
from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.config_check import check_model
from ocp_dc.fairchem1.checks.model_check import check_same_model
from ocp_dc.fairchem1.wrappers import DCHydra
from ocp_dc.testing.tolerances import FLOAT32_LABEL

from tests.helpers.runs import ESEN, HYDRA, run_main

DC = {"activation": "irelu", "region": "output"}


@pytest.fixture(scope="module")
def config(small_config):
    return {**small_config(), "model": {**HYDRA, "dc": DC}}


@pytest.fixture(scope="module")
def run(config, tmp_path_factory):
    run = run_main(tmp_path_factory.mktemp("hydra"), config)
    assert run.status == 0
    return run


def test_the_report_is_saved(run):
    report = run.json("surgery.json")
    assert report["counts"]["swapped"] == 2
    assert report["swaps"][0]["path"] == "output_heads.energy_and_forces.energy_block.1"


def test_resumes_exactly(config, run, tmp_path):
    """eSEN draws a frame for each edge at each forward, in validations too."""
    half = {**config, "optim": {**config["optim"], "max_epochs": 1}}
    assert run_main(tmp_path, half, name="half").status == 0
    resumed = run_main(tmp_path, config, name="half")
    whole, halves = run.load(), resumed.load()
    assert whole["step"] == halves["step"] == 8
    for name, value in whole["state_dict"].items():
        assert torch.equal(value, halves["state_dict"][name]), name


def test_predictions_agree(config, run, ethanol, tmp_path):
    """`--mode predict`, `ocp-dc evaluate`, and the calculators, also of a config that reads edges from the data."""
    best = run.checkpoint("best_checkpoint.pt")
    predicted = run_main(tmp_path, config, "--checkpoint", str(best), mode="predict")
    assert predicted.status == 0
    file = np.load(predicted.result("ocp_predictions.npz"))
    energies = dict(zip(file["ids"], file["energy"].flatten(), strict=True))

    assert main(["evaluate", str(best), str(ethanol / "test"), "--out", str(tmp_path / "e"), "--cpu"]) == 0
    dataset = LmdbDataset({"src": str(ethanol / "test")})
    samples = [dataset[index] for index in range(len(dataset))]
    error = np.mean([abs(energies[f"{sample.sid}_{sample.fid}"] - sample.y) for sample in samples])
    relative, absolute = FLOAT32_LABEL
    evaluation = json.loads((tmp_path / "e" / "evaluation.json").read_text())
    assert evaluation["energy_mae"] == pytest.approx(error, relative, absolute)

    checkpoint = run.load("best_checkpoint.pt")
    checkpoint["config"]["model"]["backbone"]["otf_graph"] = False
    torch.save(checkpoint, tmp_path / "edges.pt")
    atoms = Atoms(numbers=samples[0].atomic_numbers.numpy(), positions=samples[0].pos.numpy())
    for calculator in (
        ocp_dc.calculator(best, cpu=True),
        ocp_dc.calculator(tmp_path / "edges.pt", cpu=True),
        OCPCalculator(checkpoint_path=best),
    ):
        atoms.calc = calculator
        assert atoms.get_potential_energy() == pytest.approx(
            energies[f"{samples[0].sid}_{samples[0].fid}"], relative, absolute
        )
        assert np.abs(atoms.get_forces().sum(axis=0)).max() < absolute


# ---- checks ----


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"backbone": {"model": "esen_backbon"}},
            r"model\.backbone\.model 'esen_backbon'.*Did you mean 'esen_backbone'",
        ),
        ({"backbone": {**HYDRA["backbone"], "lmx": 2}}, r"model\.backbone: unknown key 'lmx'.*Did you mean 'lmax'"),
        ({"backbone": None}, r"model\.backbone\.model: missing"),
        ({"heads": {"energy": {}}}, r"model\.heads\.energy\.module: missing"),
        ({"heads": {"energy": {"module": "esen_mlp_energy_head", "reduc": "sum"}}}, r"Did you mean 'reduce'"),
    ],
)
def test_mistakes_in_the_parts_are_named(changes, message):
    assert check_model(HYDRA) is DCHydra
    with pytest.raises(UserError, match=message):
        check_model({**HYDRA, **changes})


def test_checkpoints_of_other_parts_are_refused():
    """The arguments of the parts are compared as those of any model, however the hydra is spelled."""
    esen = {**ESEN, "act_type": "gate", "mlp_type": "spectral"}
    model = ocp_dc.fairchem1.wrappers.DCeSEN(**{key: value for key, value in esen.items() if key != "name"})

    def check(config: dict[str, Any], saved: dict[str, Any]) -> None:
        checkpoint = {"config": {"model": saved}, "state_dict": model.state_dict()}
        check_same_model(model, config, checkpoint, "a.pt", strict=True)

    stock = {**HYDRA, "name": "hydra"}
    for config, saved in ((esen, HYDRA), (HYDRA, esen), (HYDRA, stock), (stock, HYDRA)):
        check(config, saved)
    graph = {**HYDRA, "backbone": {**HYDRA["backbone"], "otf_graph": False}}
    check(HYDRA, graph)
    other = {**HYDRA, "backbone": {**HYDRA["backbone"], "cutoff": 4.0}}
    for config, saved in ((HYDRA, other), (esen, other)):
        with pytest.raises(UserError, match=r"model\.cutoff: 4\.0 in the checkpoint, 5\.0 in the config"):
            check(config, saved)


def test_outputs_that_no_head_gives(config, tmp_path, capsys):
    outputs = {**config["outputs"], "dipole": {"level": "system"}}
    assert run_main(tmp_path, {**config, "outputs": outputs}).status == 2
    error = capsys.readouterr().err
    assert "error: outputs: the model returns 'energy', 'forces', but not dipole; remove it, name outputs like" in error
    assert "unexpected" not in error
