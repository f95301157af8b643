"""A record that cannot be meant ends every command with one message, wherever it stands, and is never a divergence."""

from __future__ import annotations

import copy
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from fairchem.core.datasets.lmdb_dataset import LmdbDataset

from ocp_dc.cli import main
from ocp_dc.core.errors import DivergenceError, UserError
from ocp_dc.data.oc20_lmdb.lmdb_io import write_lmdb
from ocp_dc.fairchem1.train import loss_and_metrics
from ocp_dc.fairchem1.train.collate import collate
from ocp_dc.training.finite_checks import RunPosition
from ocp_dc.training.flag_reader import FlagReader

from tests.helpers.predictions import predict_labels
from tests.helpers.runs import run_main

RECORD = 3
FAULTS: dict[str, dict[str, Callable[[Any], Any]]] = {
    "positions are NaN": {"pos": lambda pos: pos.index_fill(0, torch.tensor([2]), torch.nan)},
    "the cell is NaN": {"cell": lambda cell: cell * torch.inf},
    "energy: NaN or infinite; bad data": {"y": lambda y: float("nan")},
    "forces: NaN or infinite; bad data": {"force": lambda force: force * torch.inf},
    "natoms is not 9": {"natoms": lambda natoms: 10},
}


@pytest.fixture
def bad(tmp_path: Path, ethanol: Path) -> Callable[[str, str], Path]:
    """Makes the folders of the three sets, one record of one of them being bad."""

    def make(split: str, fault: str) -> Path:
        folder = tmp_path / "data"
        shutil.copytree(ethanol, folder)
        dataset = LmdbDataset({"src": str(folder / split)})
        samples = [copy.copy(dataset[index]) for index in range(len(dataset))]
        for sample in samples:
            del sample.id
        for key, change in FAULTS[fault].items():
            samples[RECORD][key] = change(samples[RECORD][key])
        shutil.rmtree(folder / split)
        (folder / split).mkdir()
        write_lmdb(folder / split / "data.lmdb", samples)
        return folder

    return make


def with_data(config: dict[str, Any], folder: Path) -> dict[str, Any]:
    blocks = {name: {**block, "src": str(folder / name)} for name, block in config["dataset"].items()}
    return {**config, "dataset": blocks}


def assert_said(error: str, split: str, fault: str) -> None:
    assert re.search(rf"error: \S*{split}/data\.lmdb: record {RECORD}: .*{fault}", error), error
    assert "Traceback" not in error
    assert "diverged" not in error


@pytest.mark.parametrize(
    ("split", "fault", "workers"),
    [
        ("train", "positions are NaN", 0),
        ("train", "natoms is not 9", 1),
        ("val", "energy: NaN or infinite; bad data", 1),
        ("test", "forces: NaN or infinite; bad data", 0),
    ],
)
def test_in_a_training(tmp_path, small_config, bad, capsys, split, fault, workers):
    config = with_data(small_config(optim={"num_workers": workers, "max_epochs": 1}), bad(split, fault))
    assert run_main(tmp_path, config).status == 2
    assert_said(capsys.readouterr().err, split, fault)


@pytest.mark.parametrize(("mode", "split"), [("predict", "test"), ("validate", "val")])
def test_in_the_other_modes(tmp_path, small_config, trained, bad, capsys, mode, split):
    config = with_data(
        small_config(model={"dc": trained.load()["config"]["model"]["dc"]}), bad(split, "the cell is NaN")
    )
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    assert run_main(tmp_path, config, "--checkpoint", checkpoint, mode=mode).status == 2
    assert_said(capsys.readouterr().err, split, "the cell is NaN")


def test_in_an_evaluation(tmp_path, trained, bad, capsys):
    folder, out = bad("test", "energy: NaN or infinite; bad data"), tmp_path / "evaluation"
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    assert main(["evaluate", checkpoint, str(folder / "test"), "--out", str(out), "--cpu"]) == 2
    assert_said(capsys.readouterr().err, "test", "energy: NaN or infinite; bad data")
    assert not out.exists()


def test_without_sid_predictions_have_the_number_of_the_record(tmp_path, small_config, trained, ethanol):
    folder = tmp_path / "data"
    shutil.copytree(ethanol, folder)
    dataset = LmdbDataset({"src": str(folder / "test")})
    samples = [copy.copy(dataset[index]) for index in range(len(dataset))]
    for sample in samples:
        del sample.id, sample.sid, sample.fid
    shutil.rmtree(folder / "test")
    (folder / "test").mkdir()
    write_lmdb(folder / "test" / "data.lmdb", samples)
    config = with_data(small_config(model={"dc": trained.load()["config"]["model"]["dc"]}), folder)
    run = run_main(tmp_path, config, "--checkpoint", str(trained.checkpoint("best_checkpoint.pt")), mode="predict")
    assert run.status == 0
    (file,) = run.result("").glob("*.npz")
    assert sorted(map(int, np.load(file)["ids"])) == list(range(len(samples)))


@pytest.mark.parametrize("whose", ["label", "prediction"])
def test_a_label_of_any_name_is_bad_data_and_a_prediction_a_divergence(structures, tmp_path, whose):
    batch = collate(structures, otf_graph=True)
    batch.charge = torch.zeros(4)
    out = {"charge": torch.zeros(4, 1)}
    (batch.charge if whose == "label" else out["charge"])[2] = torch.nan
    setup = loss_and_metrics.LossSetup(
        functions=[("charge", {"coefficient": 1, "fn": lambda p, t, natoms: (p - t).abs().mean()})],
        outputs={"charge": {"level": "system"}},
        references={},
        normalizers={},
    )
    where = RunPosition(5, tmp_path / "checkpoint.pt", "Lower it")
    message, error = {
        "label": (r"the label charge of .* is NaN or infinite: bad data", UserError),
        "prediction": ("training diverged at step 5: the charge loss", DivergenceError),
    }[whose]
    with pytest.raises(error, match=message):
        loss_and_metrics.loss_terms(setup, out, batch, where, FlagReader())


def written(folder: Path, ethanol: Path, change: Callable[[int, Any], None]) -> Path:
    """Copy the data sets, every record of the test set changed."""
    shutil.copytree(ethanol, folder)
    dataset = LmdbDataset({"src": str(folder / "test")})
    samples = [copy.copy(dataset[index]) for index in range(len(dataset))]
    for index, sample in enumerate(samples):
        del sample.id
        change(index, sample)
    shutil.rmtree(folder / "test")
    (folder / "test").mkdir()
    write_lmdb(folder / "test" / "data.lmdb", samples)
    return folder


def test_predictions_of_records_with_the_same_ids_are_all_written(tmp_path, small_config, trained, ethanol, caplog):
    def change(index: int, sample: Any) -> None:
        sample.sid = max(index - 3, 0)  # four have 0
        sample.fid = 0

    folder = written(tmp_path / "data", ethanol, change)
    config = with_data(small_config(model={"dc": trained.load()["config"]["model"]["dc"]}), folder)
    checkpoint = trained.checkpoint("best_checkpoint.pt")
    run = run_main(tmp_path, config, "--checkpoint", str(checkpoint), mode="predict")
    assert run.status == 0
    (file,) = run.result("").glob("*.npz")
    found = dict(np.load(file))
    assert sorted(found["ids"]) == sorted([f"0_0#0_{n}" for n in range(4)] + [f"{n}_0" for n in range(1, 7)])
    assert "1 ids (sid and fid) belong to several structures" in caplog.text
    order = [int(name.rpartition("_")[2]) if "#" in name else 3 + int(name.split("_")[0]) for name in found["ids"]]
    expected = predict_labels(checkpoint, folder / "test", cpu=True)
    np.testing.assert_allclose(found["energy"].ravel(), expected.energy_pred[order], rtol=0, atol=1e-5)


@pytest.mark.parametrize("fids_differ", [True, False])
def test_relaxed_structures_of_the_same_sid_are_all_written(tmp_path, small_config, trained, ethanol, fids_differ):
    def change(index: int, sample: Any) -> None:
        sample.sid, sample.fid = index // 5, index % 5 if fids_differ else 0

    folder = written(tmp_path / "data", ethanol, change)
    config = with_data(small_config(model={"dc": trained.load()["config"]["model"]["dc"]}), folder)
    config["dataset"]["relax"] = {"src": str(folder / "test")}
    relax_opt = {"memory": 5, "traj_dir": str(tmp_path / "traj")}
    config["task"] = {"relaxation_steps": 1, "relaxation_fmax": 1e-3, "relax_opt": relax_opt}
    checkpoint = str(trained.checkpoint("best_checkpoint.pt"))
    run = run_main(tmp_path, config, "--checkpoint", checkpoint, mode="run-relaxations")
    assert run.status == 0
    names = [f"{n // 5}_{n % 5}" if fids_differ else f"{n // 5}#0_{n}" for n in range(10)]
    with np.load(run.result("relaxed_positions.npz")) as relaxed:
        assert sorted(relaxed["ids"]) == sorted(names)
        assert relaxed["pos"].shape == (90, 3)
    assert sorted(path.stem for path in (tmp_path / "traj").glob("*.traj")) == sorted(names)


@pytest.mark.parametrize("same", [False, True])
def test_a_label_under_both_of_its_names(tmp_path, small_config, trained, ethanol, capsys, same):
    def change(index: int, sample: Any) -> None:
        sample.energy = sample.y if same else sample.y + 1.0

    folder = written(tmp_path / "data", ethanol, change)
    shutil.rmtree(folder / "val")
    shutil.copytree(folder / "test", folder / "val")
    run = run_main(tmp_path, with_data(small_config(optim={"max_epochs": 1}), folder))
    assert run.status == (0 if same else 2)
    arguments = [str(trained.checkpoint("best_checkpoint.pt")), str(folder / "test"), "--out", str(tmp_path / "e")]
    assert main(["evaluate", *arguments, "--cpu"]) == (0 if same else 2)
    error = capsys.readouterr().err
    assert "Traceback" not in error
    for message in ("already has energy", "energy and y are different labels"):
        assert (message in error) is not same
