"""More epochs for a finished run: learning rates, the rows of validation.csv, the best checkpoint. On both hosts."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import ocp_dc
from ocp_dc.core.errors import UserError
from ocp_dc.hosts import installed_host

from tests.helpers.api_runs import train

LR, PEAK = 1e-3, 0.3  # of the configs that ship, and of an extension


def cycle(steps: np.ndarray, total: int) -> np.ndarray:
    """Return the rates of a new cycle: up to the peak in a tenth of the steps, then down."""
    top, start = PEAK * LR, PEAK * LR / 25
    turn = max(0.1 * (total + 1), 2) - 1  # one step at least
    up = start + (top - start) * (1 - np.cos(np.pi * steps / turn)) / 2
    down = top + (start / 1e4 - top) * (1 - np.cos(np.pi * (steps - turn) / (total - turn))) / 2
    return np.where(steps <= turn, up, down)


@pytest.fixture(scope="module")
def run(ethanol: Path, tmp_path_factory: pytest.TempPathFactory) -> ocp_dc.Run:
    return train(ethanol, tmp_path_factory.mktemp("extended"), "first")


@pytest.fixture(scope="module")
def extended(run: ocp_dc.Run) -> ocp_dc.Run:
    return ocp_dc.extend(run, 5, cpu=True)


def test_a_run_goes_on_with_a_second_cycle(run: ocp_dc.Run, extended: ocp_dc.Run) -> None:
    before, after = run.history, extended.history
    assert extended.name == "first-extended"
    assert extended.folder.parent == run.folder.parent
    assert after["epoch"].tolist() == [1, 2, 3, 4, 5, 6, 7]
    assert after["loss"][:2].tolist() == before["loss"].tolist()
    steps = after["step"][2:] - before["step"][-1]
    np.testing.assert_allclose(after["learning_rate"][2:], cycle(steps, 5 * 4), rtol=1e-5)
    assert after["train_loss"][-1] < before["train_loss"][-1]


def test_a_second_extension_has_the_same_peak(extended: ocp_dc.Run) -> None:
    again = ocp_dc.extend(extended.folder, 3, name="third", cpu=True)
    history = again.history
    assert history["epoch"][-1] == 10
    np.testing.assert_allclose(history["learning_rate"][7:], cycle(history["step"][7:] - 28, 3 * 4), rtol=1e-5)


def with_best_metric(run: ocp_dc.Run, folder: Path, value: float) -> ocp_dc.Run:
    """Return a copy of a run in whose last checkpoint the best metric has this value."""
    copy = ocp_dc.Run(shutil.copytree(run.folder, folder / run.name))
    state = copy.files.state
    path, key = (
        (state / "final" / "ocp_dc_progress.pt", "best_metric") if state.is_dir() else (state, "best_val_metric")
    )
    content = torch.load(path, weights_only=True)
    assert content[key] > 0
    torch.save({**content, key: value}, path)
    return copy


@pytest.mark.parametrize("best", [-1.0, 1e9], ids=["kept", "beaten"])
def test_the_best_checkpoint_is_kept_unless_it_is_beaten(run: ocp_dc.Run, tmp_path: Path, best: float) -> None:
    content = run.best.read_bytes()
    copy = with_best_metric(run, tmp_path, best)
    new = ocp_dc.extend(copy, 1, cpu=True)
    assert (new.best.read_bytes() == content) is (best < 0)
    assert copy.best.read_bytes() == content  # that of the run itself
    assert len(copy.history["epoch"]) == 2


def test_the_same_call_resumes(run: ocp_dc.Run, extended: ocp_dc.Run) -> None:
    again = ocp_dc.extend(run, 5, cpu=True)
    assert again.history["learning_rate"].tolist() == extended.history["learning_rate"].tolist()
    assert again.history["step"].tolist() == extended.history["step"].tolist()


def test_what_cannot_be_extended(run: ocp_dc.Run, extended: ocp_dc.Run) -> None:
    for epochs, peak, words in ((0, 0.3, "epochs: got 0"), (1, 0.0, "peak: got 0"), (1, 2.0, "peak: got 2")):
        with pytest.raises(UserError, match=words):
            ocp_dc.extend(run, epochs, peak=peak)
    with pytest.raises(UserError, match=r"run first-extended: exists in .*; give another name with --name"):
        ocp_dc.extend(run, 7)
    host = installed_host()
    assert extended.files.host == host.name
