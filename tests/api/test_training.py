"""Training from Python: a run, its properties, and a process that is afterwards as before. On both hosts."""

from __future__ import annotations

import logging
import os
import random
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from ase.build import molecule

import ocp_dc
from ocp_dc.api.process_state import unchanged_process
from ocp_dc.core.errors import UserError
from ocp_dc.hosts import installed_host

from tests.helpers.api_runs import overrides, shipped, train


def process_state() -> dict[str, Any]:
    """Return what a training run may not change."""
    root = logging.getLogger()
    return {
        "log": (root.level, list(root.handlers)),
        "signals": [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)],
        "places": (Path.cwd(), dict(os.environ), sys.excepthook),
        "random": (random.getstate(), np.random.get_state()[1].tolist(), torch.get_rng_state().tolist()),
        "torch": (torch.get_default_dtype(), torch.get_num_threads(), torch.is_grad_enabled()),
    }


@pytest.fixture(scope="module")
def run(ethanol: Path, tmp_path_factory: pytest.TempPathFactory) -> ocp_dc.Run:
    return train(ethanol, tmp_path_factory.mktemp("api"), "first")


def test_the_process_is_as_before_and_trains_again(ethanol: Path, run: ocp_dc.Run, tmp_path: Path) -> None:
    random.seed(5)
    before = process_state()
    again = train(ethanol, tmp_path, "again")
    assert process_state() == before
    assert again.history["loss"].tolist() == run.history["loss"].tolist()  # the same seed


def test_a_run(run: ocp_dc.Run) -> None:
    history = run.history
    assert history["epoch"].tolist() == [1, 2]
    assert history["step"].tolist() == [4, 8]
    assert np.isfinite(history["energy_mae"]).all()
    assert "crc32" not in history
    assert run.best.is_file()
    assert run.name == run.folder.name == "first"
    assert {"model", "optim"} <= set(run.config) or {"job", "runner"} <= set(run.config)
    assert repr(ocp_dc.Run(run.folder)) == repr(run)
    atoms = molecule("CH3CH2OH")
    atoms.calc = run.calculator(cpu=True)
    assert np.isfinite(atoms.get_potential_energy())


def test_names_of_runs(run: ocp_dc.Run, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "runs").symlink_to(run.folder.parent)
    monkeypatch.chdir(tmp_path)
    assert ocp_dc.Run("first").best.samefile(run.best)
    with pytest.raises(UserError, match=r"frist: no run of this name; .* Did you mean 'first'"):
        ocp_dc.Run("frist")


def test_a_config_as_a_dictionary_and_a_free_name(run: ocp_dc.Run, ethanol: Path, tmp_path: Path) -> None:
    if installed_host().name == "fairchem2":
        config: dict[str, Any] = {"defaults": ["/fairchem2/schnet-dc", "_self_"]}
    else:
        config = {"includes": ["md17/schnet-dc.yml"]}
    settings = {"out": tmp_path, "epochs": 1, "overrides": overrides(), "cpu": True}
    first, second = (ocp_dc.train(config, ethanol, **settings) for _ in range(2))
    assert [first.name, second.name] == ["run", "run-2"]
    assert first.history["loss"][0] == second.history["loss"][0]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"config": "schnett-dc"}, "schnett-dc: no such file; expected a config such as"),
        ({"data": "nowhere"}, "nowhere: no such file or folder; expected structures"),
        ({"epochs": 0}, "epochs: got 0, expected a whole number"),
        ({"overrides": "lr=1"}, "overrides: got 'lr=1', expected a list of texts"),
        ({"overrides": ["--model.dc.region=outputt"]}, "unknown region 'outputt'.* Did you mean 'output'"),
    ],
)
def test_mistakes(ethanol: Path, tmp_path: Path, change: dict[str, Any], words: str) -> None:
    before = process_state()
    arguments = {"config": shipped(), "data": ethanol, "out": tmp_path, "cpu": True, **change}
    with pytest.raises(UserError, match=words):
        ocp_dc.train(**arguments)
    assert process_state() == before


def stopped_by_a_signal() -> None:
    """Change the process as fairchem does, until Ctrl-C."""
    with unchanged_process():
        signal.signal(signal.SIGINT, lambda number, frame: sys.exit(0))
        logging.getLogger().addHandler(logging.NullHandler())
        torch.manual_seed(3)
        os.environ["OCP_DC_TEST_ONLY"] = "1"
        signal.raise_signal(signal.SIGINT)


def test_a_signal_is_an_interrupt() -> None:
    before = process_state()
    with pytest.raises(KeyboardInterrupt):
        stopped_by_a_signal()
    assert process_state() == before
