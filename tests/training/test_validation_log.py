"""The CSV of validations: its columns, and files that something else began."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from ocp_dc.training.validation_log import ValidationLog, read_training_log

OLD_HEADER = "step,epoch,learning_rate,train_loss,loss,energy_mae [eV],forces_mae [eV/Å]"
METRICS = {"loss": 4.0, "energy_mae": 0.5, "forces_mae": 0.25, "energy_forces_within_threshold": 0.1}


def add(log: ValidationLog, step: int, train_losses: dict[str, float] | None = None) -> None:
    log.add(
        step=step,
        epoch=step / 4,
        learning_rate=1e-3,
        train_losses=train_losses or {"loss": 3.0, "loss_energy": 1.0, "loss_forces": 2.0},
        metrics=METRICS,
        step_time=0.125,
        peak_memory=64.0,
    )


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file, restval="(short)"))


def test_columns(tmp_path):
    path = tmp_path / "validation.csv"
    add(ValidationLog(path), 4)
    (row,) = rows(path)
    assert row.pop("crc32").isdecimal()
    assert row == {
        "step": "4",
        "epoch": "1.0",
        "learning_rate": "0.001",
        "train_loss": "3.0",
        "train_loss_energy": "1.0",
        "train_loss_forces": "2.0",
        "loss": "4.0",
        "energy_mae [eV]": "0.5",
        "forces_mae [eV/Å]": "0.25",
        "efwt": "0.1",
        "step_time [s]": "0.125",
        "peak_memory [MiB]": "64.0",
    }


def test_metrics_of_several_sets_have_units(tmp_path: Path) -> None:
    path = tmp_path / "validation.csv"
    metrics = {"loss": 1.0, "oc20.energy_mae": 2.0, "omat.stress_mae": 3.0, "omat.forces_cosine_similarity": 0.5}
    ValidationLog(path).add(
        step=1, epoch=1, learning_rate=0.1, train_losses={}, metrics=metrics, step_time=None, peak_memory=None
    )
    assert set(path.read_text(encoding="utf-8").splitlines()[0].split(",")) >= {
        *("oc20.energy_mae [eV]", "omat.stress_mae [eV/Å^3]", "omat.forces_cosine_similarity"),
    }


def test_one_target(tmp_path):
    path = tmp_path / "validation.csv"
    add(ValidationLog(path), 4, {"loss": 3.0, "loss_energy": 3.0})
    assert [name for name in rows(path)[0] if name.startswith("train_")] == ["train_loss", "train_loss_energy"]


def test_a_file_that_an_earlier_version_began(tmp_path):
    """Its rows stay, with nothing in the columns that it did not have."""
    path = tmp_path / "validation.csv"
    path.write_text(f"{OLD_HEADER}\n4,1.0,0.1,9.0,8.0,7.0,6.0\n8,2.0,0.1,5.0,4.0,3.0,2.0\n", encoding="utf-8")
    log = ValidationLog(path)
    log.cut_after(1.0)
    add(log, 8)
    add(log, 12)
    old, second, third = rows(path)
    assert {name: value for name, value in old.items() if value} == dict(
        zip(OLD_HEADER.split(","), "4,1.0,0.1,9.0,8.0,7.0,6.0".split(","), strict=True)
    )
    assert (second["step"], third["step"]) == ("8", "12")
    assert second["train_loss_forces"] == third["train_loss_forces"] == "2.0"
    assert read_training_log(path).energy_mae.tolist() == [7.0, 0.5, 0.5]
    assert [file.name for file in tmp_path.iterdir()] == ["validation.csv"]


def test_a_run_with_fewer_steps_an_epoch_keeps_its_rows(tmp_path):
    """Epoch 3 was step 12, and is step 6 with batches of twice the size."""
    path = tmp_path / "validation.csv"
    log = ValidationLog(path)
    for step in (4, 8, 12, 16):
        add(log, step)
    log.cut_after(3.0)
    assert [row["step"] for row in rows(path)] == ["4", "8", "12"]
    assert read_training_log(path).epoch.tolist() == [1.0, 2.0, 3.0]


def test_a_column_that_a_row_does_not_have(tmp_path):
    """The config of the resumed run may have fewer terms: the column stays."""
    path = tmp_path / "validation.csv"
    add(ValidationLog(path), 4)
    add(ValidationLog(path), 8, {"loss": 3.0, "loss_energy": 3.0})
    assert [row["train_loss_forces"] for row in rows(path)] == ["2.0", ""]
    assert [row["peak_memory [MiB]"] for row in rows(path)] == ["64.0", "64.0"]


def test_a_row_that_a_kill_cut_short_is_dropped(tmp_path):
    path = tmp_path / "validation.csv"
    path.write_text(f"{OLD_HEADER}\n4,1.0,0.1,9.0,8.0,7.0,6.0\n1", encoding="utf-8")  # of 12
    log = ValidationLog(path)
    log.cut_after(2.0)
    add(log, 12)
    assert [row["step"] for row in rows(path)] == ["4", "12"]


def test_only_one_process_writes(tmp_path):
    log = ValidationLog(tmp_path / "validation.csv", enabled=False)
    add(log, 4)
    log.cut_after(0)
    assert list(tmp_path.iterdir()) == []


def test_a_row_cut_in_its_last_number_is_not_read(tmp_path):
    """``64.0`` cut to ``6`` is a number as well."""
    path = tmp_path / "validation.csv"
    for step in (4, 8):
        add(ValidationLog(path), step)
    path.write_bytes(path.read_bytes()[:-4])
    assert read_training_log(path).epoch.tolist() == [1.0]
    add(ValidationLog(path), 12)  # as a training does that starts anew
    assert [row["step"] for row in rows(path)] == ["4", "12"]


@pytest.mark.parametrize("link", [Path.symlink_to, Path.hardlink_to], ids=["symbolic", "hard"])
def test_a_link_is_not_appended_through(tmp_path, link):
    path, other = tmp_path / "validation.csv", tmp_path / "other.csv"
    add(ValidationLog(other), 4)
    before = other.read_bytes()
    link(path, other)
    add(ValidationLog(path), 8)
    assert other.read_bytes() == before
    assert not path.is_symlink()
    assert [row["step"] for row in rows(path)] == ["4", "8"]


def test_rows_that_are_left_out_at_a_resume_are_told(tmp_path, caplog):
    path = tmp_path / "validation.csv"
    for step in (4, 8):
        add(ValidationLog(path), step)
    path.write_text(path.read_text(encoding="utf-8").replace("\n4,", "\nt,"), encoding="utf-8")
    ValidationLog(path).cut_after(2.0)
    assert [row["step"] for row in rows(path)] == ["8"]
    assert "1 of 2 rows are damaged" in caplog.text


def test_an_empty_file_and_bytes_of_a_power_cut(tmp_path):
    path = tmp_path / "validation.csv"
    for content in (b"", bytes(40)):
        path.write_bytes(content)
        log = ValidationLog(path)
        log.cut_after(1.0)
        add(log, 8)
        assert [row["step"] for row in rows(path)] == ["8"]
