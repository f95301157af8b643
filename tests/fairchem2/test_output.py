"""What ``ocp-dc main`` shows with fairchem 2: few lines, or nothing, or everything; the rest is in the log."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from ocp_dc.training.log_file import NAME

from tests.helpers.fairchem2_runs import ROOT, overrides, train
from tests.helpers.run_output import LINES, check_lines, on_terminal

pytestmark = pytest.mark.slow
FAIRCHEMS = (
    "Setting up distributed backend",
    "rank: 0: Sampler",
    "Started fit with max_epochs",
    "saved canonical config",
)
SHORT_AVERAGE = "ema_decay=0.4"  # a longer one would warn of what it keeps of the first weights after eight steps
# of warp, which fairchem imports: it writes it to the error stream itself
WARP = "Warp CUDA warning: Could not find or load the NVIDIA CUDA driver. GPU execution will not be available."


def errors(text: str) -> list[str]:
    return [line for line in text.splitlines() if line != WARP]


def test_a_few_lines_and_a_log_with_everything(tmp_path: Path, ethanol: Path) -> None:
    done = train(tmp_path, "run", ethanol, "batch_size=10", SHORT_AVERAGE)
    assert done.returncode == 0, done.stderr
    check_lines(done.stdout)
    assert errors(done.stderr) == []
    log = (tmp_path / "run" / "logs" / NAME).read_text()
    hidden = ("(WARNING): Disabled BalancedBatchSampler", "get_last_lr", "`broadcast_buffers` is deprecated")
    for each in (*FAIRCHEMS, "act: ShiftedSoftplus() -> IReLU", "best checkpoint", *hidden):
        assert each in log
    assert (tmp_path / "run" / "results" / "surgery.json").is_file()


def test_quiet_and_two_ranks(tmp_path: Path, ethanol: Path) -> None:
    done = train(tmp_path, "quiet", ethanol, SHORT_AVERAGE, "-q")
    assert (done.returncode, done.stdout, errors(done.stderr)) == (0, "", [])
    done = train(tmp_path, "two", ethanol, "batch_size=5", "job.scheduler.ranks_per_node=2")
    assert done.returncode == 0, done.stderr
    check_lines(done.stdout, LINES)
    logs = tmp_path / "two" / "logs"
    assert "Started fit with max_epochs" in (logs / NAME).read_text()
    assert "Started fit with max_epochs" in (logs / "fairchem-rank1.log").read_text()


def test_verbose_on_a_terminal(tmp_path: Path, ethanol: Path) -> None:
    places = [f"data_dir={ethanol}", f"job.run_dir={tmp_path}", "+job.timestamp_id=run"]
    places += ["epochs=2", "++runner.train_eval_unit.print_every=2"]
    command = [sys.executable, "-m", "ocp_dc", "main", "-c", "fairchem2/schnet-dc", "--verbose", *overrides(), *places]
    status, text = on_terminal(command, tmp_path, {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)})
    assert status == 0
    for each in (*FAIRCHEMS[:3], "epoch 2/2", "loss=", "meV/Å]"):
        assert each in text, text[-3000:]
    assert "\nnext: ocp-dc evaluate run/results/" in text.replace("\r\n", "\n")  # torchtnt logs one more line
