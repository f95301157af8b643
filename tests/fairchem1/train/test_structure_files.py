"""Training on files that are not LMDBs gives the same as on the LMDBs that prepare makes of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from tests.helpers.labeled_files import SPLITS, write_files
from tests.helpers.runs import run_main


@pytest.fixture
def files(ethanol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The small ethanol set as extended XYZ in kcal/mol, with names of its own for the labels."""
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    return write_files(ethanol, tmp_path)


def with_files(config: dict[str, Any], files: dict[str, Path], **reading: str) -> dict[str, Any]:
    train = {**config["dataset"]["train"], "src": str(files["train"]), **reading}
    return {**config, "dataset": {"train": train, **{split: {"src": str(files[split])} for split in ("val", "test")}}}


def test_training_on_xyz_files(files, small_config, tmp_path):
    reading = {"units": "kcal/mol", "energy_key": "REF_energy", "forces_key": "REF_forces"}
    trained = run_main(tmp_path, small_config())
    run = run_main(tmp_path, with_files(small_config(), files, **reading))
    assert run.status == 0
    for row, other in zip(run.validations(), trained.validations(), strict=True):
        assert float(row["forces_mae [eV/Å]"]) == pytest.approx(float(other["forces_mae [eV/Å]"]), rel=1e-3)
        assert float(row["energy_mae [eV]"]) == pytest.approx(float(other["energy_mae [eV]"]), rel=1e-3, abs=1e-3)
    saved = yaml.safe_load(run.result("config.yml").read_text())["dataset"]
    assert {split: saved[split]["src"] for split in SPLITS} == {split: str(path) for split, path in files.items()}
    assert saved["train"]["energy_key"] == "REF_energy"
    config = with_files(small_config(optim={"max_epochs": 3}), files, **reading)
    again = run_main(tmp_path, config, name=run.name)  # resumes
    assert [row["step"] for row in again.validations()] == ["4", "8", "12"]


def test_mistakes(files, small_config, tmp_path, capsys):
    """Each ends with one message before anything is trained."""
    plain = small_config()
    for reading, words in (
        ({}, "Likely meant: --energy-key REF_energy --forces-key REF_forces"),
        ({"units": "kcal/mold"}, "dataset.train: unknown energy unit 'kcal/mold'"),
        ({"energy_keys": "REF_energy"}, "Did you mean 'energy_key'?"),
        ({"energy_key": "REF_energie", "forces_key": "REF_forces"}, "Did you mean 'REF_energy'"),
        ({"units": "eV", "format": "ase_read"}, "dataset.train.units: read only for format lmdb"),
    ):
        assert run_main(tmp_path, with_files(plain, files, **reading)).status == 2
        assert words in capsys.readouterr().err
    folder = files["train"].parent
    config = with_files(plain, {**files, "train": folder / "trains.xyz"})
    assert run_main(tmp_path, config).status == 2
    assert "no such file" in capsys.readouterr().err


def test_a_folder_of_prepare_names_its_data_sets(ethanol, small_config, tmp_path, capsys):
    config = small_config()
    config["dataset"]["train"]["src"] = str(ethanol)
    assert run_main(tmp_path, config).status == 2
    assert f"holds 3 data set(s); expected one. Give {ethanol / 'train'}" in capsys.readouterr().err


def test_npz_for_a_stock_trainer(small_config, tmp_path, monkeypatch):
    """The data set itself reads them, so that every trainer of fairchem does."""
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    from fairchem.core.common.registry import registry

    rng = np.random.default_rng(0)
    energies, (positions, forces) = rng.normal(size=4), rng.normal(size=(2, 4, 3, 3))
    np.savez(tmp_path / "water.npz", z=[8, 1, 1], R=positions, E=energies, F=forces)
    dataset = registry.get_dataset_class("lmdb")({"src": str(tmp_path / "water.npz"), "units": "eV"})
    assert [sample.y for sample in (dataset[index] for index in range(4))] == energies.tolist()
    assert list(dataset.get_metadata("natoms", [0, 3])) == [3, 3]
