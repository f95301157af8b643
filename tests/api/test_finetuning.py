"""Fine-tuning: better than from scratch, with references of the new data, and a frozen backbone. On both hosts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
import yaml

import ocp_dc
from ocp_dc.checkpoints.convert import convert_checkpoint
from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_json
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.hosts import installed_host

from tests.helpers.api_runs import train

SHIFT = 1000.0  # eV


@pytest.fixture(scope="module")
def run(ethanol: Path, tmp_path_factory: pytest.TempPathFactory) -> ocp_dc.Run:
    return train(ethanol, tmp_path_factory.mktemp("pretrained"), "first", epochs=60, lr=1e-2)


@pytest.fixture(scope="module")
def shifted(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Other ethanols whose energies are 1000 eV higher: train (20), val (10)."""
    folder = tmp_path_factory.mktemp("shifted")
    arrays = dict(np.load(sample_path()))
    key = next(name for name in arrays if name.lower().startswith("energ"))
    arrays[key] = arrays[key] + SHIFT
    np.savez(folder / "shifted.npz", **arrays)
    prepare(
        folder / "shifted.npz",
        folder / "data",
        format="rmd17",
        units="eV",
        train=20,
        val=10,
        test=0,
        seed=1,
        progress=False,
    )
    return folder / "data"


def parameters(path: Path) -> dict[str, torch.Tensor]:
    """Return the weights with which a checkpoint predicts, by their names in the potential."""
    if installed_host().name == "fairchem1":
        return dict(torch.load(path, weights_only=True)["state_dict"])
    from ocp_dc.checkpoints.inference_checkpoint import read_inference_checkpoint

    return {
        name.removeprefix("backbone.potential."): value
        for name, value in read_inference_checkpoint(path).weights.items()
    }


@pytest.fixture(scope="module")
def tuned(run: ocp_dc.Run, shifted: Path, tmp_path_factory: pytest.TempPathFactory) -> ocp_dc.Run:
    return ocp_dc.finetune(run.best, shifted, out=tmp_path_factory.mktemp("tuned"), name="tuned", epochs=2, cpu=True)


def test_it_beats_training_from_scratch(tuned: ocp_dc.Run, shifted: Path, tmp_path: Path) -> None:
    scratch = train(shifted, tmp_path, "scratch", epochs=2)
    assert scratch.history["step"].tolist() == tuned.history["step"].tolist()
    assert tuned.history["forces_mae"].min() < 0.8 * scratch.history["forces_mae"].min()
    assert tuned.history["energy_mae"].min() < scratch.history["energy_mae"].min()


def test_references_of_the_new_data(run: ocp_dc.Run, tuned: ocp_dc.Run) -> None:
    """They were off by 1000 eV."""
    assert tuned.history["energy_mae"].max() < 0.5
    assert tuned.history["forces_mae"].max() < 1.5 * run.history["forces_mae"].min()


def test_the_config_is_written_with_a_comment(tuned: ocp_dc.Run) -> None:
    path = next(tuned.folder.glob("finetune.y*ml"))
    text = path.read_text(encoding="utf-8")
    assert "# Fine-tuning of" in text
    assert yaml.safe_load(text)
    assert not list(tuned.folder.glob("converted.pt"))


def test_only_the_head(run: ocp_dc.Run, shifted: Path, tmp_path: Path) -> None:
    tuned = ocp_dc.finetune(run.best, shifted, out=tmp_path, epochs=1, head_only=True, cpu=True)
    assert tuned.name == "finetune"
    before, after = parameters(run.best), parameters(tuned.best)
    assert before.keys() == after.keys()
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == {"lin1.weight", "lin1.bias", "lin2.weight", "lin2.bias"}


def test_a_checkpoint_of_the_other_host(run: ocp_dc.Run, shifted: Path, tmp_path: Path, tuned: ocp_dc.Run) -> None:
    convert_checkpoint(run.best, tmp_path / "other.pt")
    again = ocp_dc.finetune(tmp_path / "other.pt", shifted, out=tmp_path / "runs", name="a", epochs=2, cpu=True)
    for key in ("energy_mae", "forces_mae"):
        np.testing.assert_allclose(again.history[key], tuned.history[key], rtol=1e-3)


def test_the_same_call_resumes_and_another_is_refused(run: ocp_dc.Run, tuned: ocp_dc.Run, shifted: Path) -> None:
    out = tuned.folder.parent
    before = tuned.history["step"].tolist()
    assert (
        ocp_dc.finetune(run.best, shifted, out=out, name="tuned", epochs=2, cpu=True).history["step"].tolist() == before
    )
    with pytest.raises(UserError, match="run tuned: is of another checkpoint or other data"):
        ocp_dc.finetune(run.best, shifted, out=out, name="tuned", epochs=2, head_only=True, cpu=True)


def test_structures_without_a_split_are_split(run: ocp_dc.Run, shifted: Path, tmp_path: Path) -> None:
    tuned = ocp_dc.finetune(run.best, shifted / "train", out=tmp_path, epochs=1, head_only=True, cpu=True)
    assert len(tuned.history["step"]) == 1
    data = Path(read_json(tuned.folder / "finetune.json", "")["data"])
    assert {path.name for path in data.iterdir() if path.is_dir()} == {"train", "val", "test"}


def test_mistakes(run: ocp_dc.Run, ethanol: Path, shifted: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no file of structures"):
        ocp_dc.finetune(run.best, tmp_path)
    with pytest.raises(UserError, match="lr: got -1"):
        ocp_dc.finetune(run.best, shifted, lr=-1)
    with pytest.raises(UserError, match=r"nothing\.pt"):
        ocp_dc.finetune(tmp_path / "nothing.pt", shifted, out=tmp_path / "runs")
