"""Runs of a small model with fairchem 2 and the callback: records, best checkpoint, resume."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from ase.io import iread
from fairchem.core import FAIRChemCalculator
from fairchem.core.units.mlip_unit import load_predict_unit
from omegaconf import OmegaConf

from ocp_dc.core.errors import UserError
from ocp_dc.training.validation_log import read_columns

from tests.helpers.fairchem2_toys import Runs, weights_of

pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # of fairchem, torch and hydra, in every run
]
STEPS_PER_EPOCH = 5
MEASURED = ("step_time", "peak_memory")  # columns that differ between equal runs


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    return Runs(tmp_path_factory.mktemp("runs"))


@pytest.fixture(scope="module")
def whole(runs: Runs) -> Path:
    """An uninterrupted run of 3 epochs, with dropout."""
    return runs.train("whole")


def rows(run: Path) -> list[dict[str, float]]:
    columns = read_columns(run / "results" / "validation.csv")
    names = [name for name in columns if name not in MEASURED]
    return [{name: float(columns[name][row]) for name in names} for row in range(len(columns["step"]))]


def calculated_errors(checkpoint: Path, split: Path) -> dict[str, float]:
    """Return the errors of a checkpoint by fairchem's calculator."""
    unit = load_predict_unit(checkpoint, device="cpu", inference_settings="batch")
    calculator = FAIRChemCalculator(unit, task_name="data")
    energies, forces = [], []
    for frame in iread(split / "data.aselmdb", index=":"):
        label_energy, label_forces = frame.get_potential_energy(), frame.get_forces()
        frame.calc = calculator
        energies.append(abs(frame.get_potential_energy() - label_energy))
        forces.append(np.abs(frame.get_forces() - label_forces).ravel())
    return {"energy_mae": float(np.mean(energies)), "forces_mae": float(np.mean(np.concatenate(forces)))}


def test_rows_and_units(whole: Path) -> None:
    header = (whole / "results" / "validation.csv").read_text().splitlines()[0].split(",")
    assert header == [
        *("step", "epoch", "learning_rate", "train_loss", "train_loss_energy", "train_loss_forces", "loss"),
        *("energy_mae [eV]", "energy_per_atom_mae [eV]", "forces_mae [eV/Å]", "forces_cosine_similarity"),
        *("forces_magnitude_error [eV/Å]", "step_time [s]", "peak_memory [MiB]", "crc32"),
    ]
    found = rows(whole)
    assert [row["step"] for row in found] == [5, 10, 15]
    assert [row["epoch"] for row in found] == [1, 2, 3]
    for row in found:
        assert row["train_loss"] == pytest.approx(row["train_loss_energy"] + row["train_loss_forces"])


def test_the_best_checkpoint_is_the_one_that_was_validated(whole: Path, runs: Runs) -> None:
    found = rows(whole)
    best = min(found, key=lambda row: row["loss"])
    errors = calculated_errors(whole / "results" / "best_inference_ckpt.pt", runs.data / "val")
    assert errors == pytest.approx({name: best[name] for name in errors}, rel=1e-5)
    # the averages differ from the weights by more than the tolerance
    saved = torch.load(whole / "results" / "best_inference_ckpt.pt", weights_only=False)
    assert all(type(config) in (dict, list) for config in (saved.model_config, saved.tasks_config))
    assert not torch.equal(
        saved.model_state_dict["output_heads.efs.last.weight"],
        saved.ema_state_dict["module.output_heads.efs.last.weight"],
    )


def test_the_test_split_is_evaluated_with_the_best_checkpoint(whole: Path, runs: Runs) -> None:
    record = json.loads((whole / "results" / "test.json").read_text())
    errors = calculated_errors(whole / "results" / "best_inference_ckpt.pt", runs.data / "test")
    assert {name: record[name] for name in errors} == pytest.approx(errors, rel=1e-5)
    assert record["n_structures"] == 5
    best = min(rows(whole), key=lambda row: row["loss"])
    assert (record["checkpoint_step"], record["trained_steps"]) == (best["step"], 15)
    assert record["units"]["forces_mae"] == "eV/Å"


def test_files_of_the_run(whole: Path) -> None:
    results = {path.name for path in (whole / "results").iterdir()}
    assert results == {
        *("validation.csv", "best_inference_ckpt.pt", "test.json", "learning_curves.png"),
        *("environment.json", "initial_weights.json"),
    }
    assert json.loads((whole / "results" / "environment.json").read_text())["fairchem-core"].startswith("2.")
    assert {path.name for path in (whole / "checkpoints").iterdir()} == {"step_8", "step_12", "final"}


@pytest.mark.parametrize("checkpoint", ["step_8", "preemption_state"])
def test_a_run_resumes_exactly_within_an_epoch(whole: Path, runs: Runs, checkpoint: str) -> None:
    name = f"crashed-{checkpoint}"
    with pytest.raises(RuntimeError, match="crash"):
        runs.train(name, "crash_step=11")
    crashed = runs.folder(name)
    assert [row["step"] for row in rows(crashed)] == [5, 10]  # the row of step 10 is written again
    if checkpoint == "preemption_state":  # fairchem links it to the newest checkpoint
        (crashed / "checkpoints" / checkpoint).symlink_to(crashed / "checkpoints" / "step_8")
    runs.resume(crashed / "checkpoints" / checkpoint, "runner.callbacks.0.step=null")
    assert rows(crashed) == rows(whole)
    same_weights(crashed / "checkpoints" / "final", whole / "checkpoints" / "final")
    assert same_record(crashed, whole)


def test_a_run_resumes_exactly_in_another_folder(whole: Path, runs: Runs) -> None:
    before = (whole / "results" / "validation.csv").read_bytes()
    moved = runs.resume(whole / "checkpoints" / "step_12", "job.timestamp_id=moved")
    assert rows(moved) == rows(whole)
    same_weights(moved / "checkpoints" / "final", whole / "checkpoints" / "final")
    assert (whole / "results" / "validation.csv").read_bytes() == before
    # a checkpoint of the new run resumes in the new folder
    assert OmegaConf.load(moved / "checkpoints" / "final" / "resume.yaml").job.timestamp_id == "moved"


def test_a_longer_run_begins_like_a_shorter_one(runs: Runs) -> None:
    schedule = ("runner.train_eval_unit.cosine_lr_scheduler_fn.epochs=9",)  # the same for both
    long = runs.train("long", "epochs=2", *schedule)
    short = runs.train("short", "epochs=1", *schedule)
    runs.resume(short / "checkpoints" / "final", "runner.max_epochs=2")
    assert rows(short) == rows(long)
    same_weights(short / "checkpoints" / "final", long / "checkpoints" / "final")
    assert json.loads((short / "results" / "test.json").read_text())["trained_steps"] == 10


def test_a_finished_run_is_not_tested_again(whole: Path, runs: Runs, tmp_path: Path) -> None:
    record = whole / "results" / "test.json"
    changed = record.stat().st_mtime_ns
    runs.resume(whole / "checkpoints" / "final")
    assert record.stat().st_mtime_ns == changed
    assert [row["step"] for row in rows(whole)] == [5, 10, 15]


def test_a_checkpoint_without_progress_resumes_with_a_warning(
    whole: Path, runs: Runs, caplog: pytest.LogCaptureFixture
) -> None:
    copy = runs.folder("bare") / "checkpoints" / "step_12"
    shutil.copytree(whole / "checkpoints" / "step_12", copy)
    (copy / "ocp_dc_progress.pt").unlink()
    runs.resume(copy, "job.timestamp_id=bare", f"job.runner_state_path={copy}")
    assert "the resume is not exact" in caplog.text


@pytest.mark.parametrize("every", [STEPS_PER_EPOCH, 2])
def test_one_row_for_each_step(runs: Runs, every: int) -> None:
    run = runs.train(f"every-{every}", f"+runner.evaluate_every_n_steps={every}", "epochs=2")
    assert [row["step"] for row in rows(run)] == {5: [5, 10], 2: [2, 4, 5, 6, 8, 10]}[every]
    assert rows(run)[-1]["epoch"] == 2
    if every == 2:
        assert rows(run)[0]["epoch"] == pytest.approx(0.4)


def test_early_stopping_within_an_epoch(runs: Runs, caplog: pytest.LogCaptureFixture) -> None:
    run = runs.train("early", "+runner.evaluate_every_n_steps=2", "patience=2", "lr=1.0e-30", "epochs=4")
    assert [row["step"] for row in rows(run)] == [2, 4, 5]
    assert caplog.text.count("of the random first weights in the averages") == 1
    record = json.loads((run / "results" / "test.json").read_text())
    assert (record["checkpoint_step"], record["trained_steps"]) == (2, 5)
    runs.resume(run / "checkpoints" / "final")  # with the same patience it has ended
    assert [row["step"] for row in rows(run)] == [2, 4, 5]
    assert caplog.text.count("of the random first weights in the averages") == 1


def test_a_metric_to_be_maximized(runs: Runs) -> None:
    run = runs.train("cosine", "primary_metric=forces_cosine_similarity", "lr=1.0", "ema_decay=null", "epochs=2")
    best = max(rows(run), key=lambda row: row["forces_cosine_similarity"])
    assert json.loads((run / "results" / "test.json").read_text())["checkpoint_step"] == best["step"]
    # without averages the weights take their place, for fairchem's calculator
    errors = calculated_errors(run / "results" / "best_inference_ckpt.pt", runs.data / "val")
    assert errors == pytest.approx({name: best[name] for name in errors}, rel=1e-5)


def test_an_unknown_metric_is_refused_at_the_start(runs: Runs) -> None:
    with pytest.raises(UserError, match=r"expected one of energy_mae, .* Did you mean 'forces_mae'\?"):
        runs.train("metric", "primary_metric=force_mae")


def test_a_fine_tuned_model(whole: Path, runs: Runs) -> None:
    start = whole / "results" / "best_inference_ckpt.pt"
    model = "{_target_: fairchem.core.units.mlip_unit.mlip_unit.initialize_finetuning_model, "
    model += f"checkpoint_location: {start}, heads: {{efs: {{module: tests.helpers.fairchem2_toys.ToyHead}}}}}}"
    run = runs.train("tuned", "~model", f"+model={model}", "epochs=1")
    saved = torch.load(run / "results" / "best_inference_ckpt.pt", weights_only=False)
    assert saved.model_config["_target_"].endswith("HydraModel")
    errors = calculated_errors(run / "results" / "best_inference_ckpt.pt", runs.data / "val")
    assert errors == pytest.approx({name: rows(run)[0][name] for name in errors}, rel=1e-5)


def same_weights(one: Path, other: Path) -> None:
    found, expected = weights_of(one), weights_of(other)
    assert found.keys() == expected.keys()
    assert all(torch.equal(found[name], expected[name]) for name in found)


def same_record(one: Path, other: Path) -> bool:
    return (one / "results" / "test.json").read_bytes() == (other / "results" / "test.json").read_bytes()
