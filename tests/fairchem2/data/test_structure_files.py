"""Training on files that are not aselmdb gives the same as on the data sets that prepare makes of them."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
import yaml
from omegaconf import OmegaConf

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.compose import find_fairchem2_config
from ocp_dc.fairchem2.labels.dataset import Float64EnergyDataset
from ocp_dc.fairchem2.labels.fitted import fitted_labels
from ocp_dc.fairchem2.study_runs import StudyRuns

from tests.helpers.fairchem2_runs import train
from tests.helpers.labeled_files import write_files

READING = {"units": "kcal/mol", "length_units": None, "energy_key": "REF_energy", "forces_key": "REF_forces"}


@pytest.fixture
def files(ethanol: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """The small ethanol set as extended XYZ in kcal/mol, with names of its own for the labels."""
    monkeypatch.setenv("OCP_DC_CACHE", str(tmp_path / "cache"))
    return write_files(ethanol, tmp_path)


def validations(run: Path) -> list[dict[str, str]]:
    with (run / "results" / "validation.csv").open(newline="") as lines:
        return list(csv.DictReader(lines))


def test_training_on_xyz_files(files: dict[str, Path], trained: Path, tmp_path: Path) -> None:
    given = [f"sources.{split}={path}" for split, path in files.items()]
    reading = [f"reading.{key}={value}" for key, value in READING.items() if value is not None]
    done = train(tmp_path, "run", Path("nowhere"), *given, *reading)
    assert done.returncode == 0, done.stderr
    rows, others = validations(tmp_path / "run"), validations(trained)
    errors = [key for key in rows[0] if "mae" in key]
    assert errors
    for row, other in zip(rows, others, strict=True):
        assert {key: float(row[key]) for key in errors} == pytest.approx(
            {key: float(other[key]) for key in errors}, rel=2e-3, abs=1e-3
        )
    config = OmegaConf.load(next((tmp_path / "run").rglob("canonical_config.yaml")))
    assert str(files["train"]) in OmegaConf.to_yaml(config)


def test_the_data_set_and_the_fit(files: dict[str, Path], ethanol: Path, tmp_path: Path) -> None:
    dataset = Float64EnergyDataset({"src": [str(files["val"])], "reading": READING, "keep_in_memory": True})
    stock = Float64EnergyDataset({"src": str(ethanol / "val")})
    assert len(dataset) == len(stock) == 10
    assert dataset[3].energy_float64.item() == pytest.approx(
        stock[3].energy_float64.item(), abs=1e-3
    )  # of 1e-5 kcal/mol in the text
    fitted = fitted_labels(str(files["train"]), "composition", "forces_rms", READING)
    assert fitted.scale == pytest.approx(fitted_labels(str(ethanol / "train"), "composition", "forces_rms").scale)
    with pytest.raises(UserError, match=r"reading: unknown key 'unit'.*Did you mean 'units'"):
        Float64EnergyDataset({"src": str(files["val"]), "reading": {"unit": "eV"}})
    with pytest.raises(UserError, match="holds 3 data set"):
        Float64EnergyDataset({"src": str(ethanol)})


def test_data_sources_of_a_study(files: dict[str, Path], tmp_path: Path) -> None:
    studies = StudyRuns()
    shipped = studies.load(find_fairchem2_config("fairchem2/schnet-dc"))
    assert studies.data_source(shipped, "test").src == "data/ethanol/test"
    sources = {split: str(path) for split, path in files.items()}
    own = {"defaults": ["/fairchem2/schnet-dc", "_self_"], "sources": sources, "reading": READING}
    (tmp_path / "own.yaml").write_text("# @package _global_\n" + yaml.safe_dump(own))
    config = studies.load(tmp_path / "own.yaml")
    found = {split: studies.data_source(config, split)._replace(first_n=5) for split in ("train", "val")}
    assert [studies.count_structures(Path(str(source.src))) for source in found.values()] == [40, 10]
    assert all((Path(str(source.src)) / "data.aselmdb").is_file() for source in found.values())
    changed = studies.with_data(config, found)
    assert {split: studies.data_source(changed, split) for split in found} == found
    assert set(changed["reading"].values()) == {None}
    assert studies.count_structures(files["train"]) == 40
