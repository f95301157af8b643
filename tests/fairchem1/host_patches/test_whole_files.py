"""Fairchem's own files appear whole or not at all, and do not follow links."""

from __future__ import annotations

import gc
import importlib
import resource
import signal
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from fairchem.core.trainers.base_trainer import BaseTrainer

from ocp_dc.core.write_errors import WriteError
from ocp_dc.fairchem1.host_patches import whole_files

TRAINERS = ("fairchem.core.trainers.base_trainer", "fairchem.core.trainers.ocp_trainer")
PREDICTIONS = {
    "ids": ["1_0", "0_0"],
    "energy": np.array([2.0, 1.0]),
    "forces": [np.ones((2, 3))] * 2,
    "chunk_idx": [2, 2],
}


def save(folder) -> None:
    BaseTrainer.save_results(SimpleNamespace(name="ocp", config={"cmd": {"results_dir": folder}}), PREDICTIONS, "x")


def test_predictions_replace_a_link(tmp_path):
    theirs = tmp_path / "theirs"
    theirs.write_text("theirs")
    (tmp_path / "ocp_x.npz").symlink_to(theirs)
    save(tmp_path)
    assert theirs.read_text() == "theirs"
    assert not (tmp_path / "ocp_x.npz").is_symlink()
    assert np.load(tmp_path / "ocp_x.npz")["energy"].tolist() == [1.0, 2.0]


@pytest.mark.parametrize("module", TRAINERS)
def test_a_full_disk_leaves_the_older_file(module, tmp_path, monkeypatch):
    save(tmp_path)
    before = (tmp_path / "ocp_x.npz").read_bytes()

    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    monkeypatch.setattr("sys.unraisablehook", lambda found: pytest.fail(f"{found.exc_value}"))
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, limits[1]))
    try:
        with pytest.raises(WriteError, match=r"ocp_x\.npz: cannot be written"):
            importlib.import_module(module).np.savez_compressed(str(tmp_path / "ocp_x.npz"), **PREDICTIONS)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, handler)
    gc.collect()
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("ocp_x.npz", before)]


@pytest.mark.parametrize("module", [TRAINERS[0], "fairchem.core.modules.normalization._load_utils"])
def test_normalizers_and_checkpoints(module, tmp_path):
    found = importlib.import_module(module).save_checkpoint
    assert found is whole_files.save_checkpoint
    path = found({"a": torch.ones(1)}, str(tmp_path), "normalizers.pt")
    assert path == str(tmp_path / "normalizers.pt")
    assert torch.load(path, weights_only=True)["a"] == 1
