"""``ocp-dc report`` of a run of either host."""

from __future__ import annotations

import html
import json
import re
import shutil
from pathlib import Path

import pytest

from ocp_dc.cli import main
from ocp_dc.evaluation.report import read_evaluation
from ocp_dc.training.validation_log import read_columns


def text_of(page: str) -> str:
    """Return the words of a page; its pictures must be in it."""
    assert re.findall(r'(?:src|href)="(?!data:image/png;base64,)', page) == []
    return html.unescape(re.sub(r"<[^>]+>", "\n", page.partition("<body>")[2]))


def pictures_of(page: str) -> list[str]:
    return re.findall(r'<img [^>]*alt="([^"]*)"', page)


def check_report(run: Path, validation: Path, data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check the report of a finished run on the test split of its config, and with a simulation."""
    out = tmp_path / "report"
    assert main(["report", str(run), "--out", str(out), "--cpu", "--nve", "5fs"]) == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"written to {out / 'report.html'}"
    page = (out / "report.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert pictures_of(page) == [
        *("Errors, losses and learning rate", "Predicted against true values", "By element"),
        *("By the size of the force", "Along the trajectory", "The structures with the largest errors"),
        "Energies, temperature and drift at constant energy",
    ]
    metrics = read_evaluation(out / "evaluation" / "evaluation.json")
    assert metrics["n_structures"] == 10
    assert f"{metrics['forces_mae']:.5g}" in text
    assert f"{read_columns(validation)['energy_mae'][-1]:.5g}" in text
    assert "nve, 9 atoms, 10 steps, 0.005 ps" in text
    assert "schnet-dc" in text
    assert "hidden_channels" in text

    capsys.readouterr()
    assert main(["report", str(run), "--out", str(out), "--cpu"]) == 2
    assert "holds report.html already; name another folder with --out, or give --overwrite" in capsys.readouterr().err
    assert (out / "report.html").read_text(encoding="utf-8") == page
    few = ["--first-n", "3", "--data", str(data / "val"), "--overwrite"]
    assert main(["report", str(run), "--out", str(out), "--cpu", *few]) == 0
    assert json.loads((out / "evaluation" / "evaluation.json").read_text())["n_structures"] == 3
    assert main(["report", str(run), "--out", str(tmp_path / "no"), "--data", str(tmp_path / "nothing.xyz")]) == 2
    assert "nothing.xyz: no such file" in capsys.readouterr().err


def check_report_of_unfinished_run(folder: Path, results: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Check reports of a copied run, first without its test errors, then from its config alone.

    Args:
        folder: the run, in which the report is written.
        results: its records.
        capsys: the output.
    """
    (results / "test.json").unlink()
    lines = (results / "validation.csv").read_text(encoding="utf-8").splitlines(keepends=True)
    (results / "validation.csv").write_text("".join(lines[:-1]) + lines[-1][:9], encoding="utf-8")  # being written
    assert main(["report", str(folder), "--cpu"]) == 0
    text = text_of((folder / "report" / "report.html").read_text(encoding="utf-8"))
    assert "No test errors yet." in text
    assert "Last validation: epoch 1, step 4." in text

    shutil.rmtree(folder / "report")
    for path in (*results.glob("*.csv"), *results.glob("environment*"), *results.glob("surgery*")):
        path.unlink()
    for path in (folder.parent.parent / "checkpoints").rglob("best_checkpoint.pt"):
        path.unlink()
    (results / "best_inference_ckpt.pt").unlink(missing_ok=True)
    assert main(["report", str(folder), "--cpu"]) == 0
    page = (folder / "report" / "report.html").read_text(encoding="utf-8")
    assert pictures_of(page) == []
    text = text_of(page)
    for sentence in ("No validation yet.", "The run has no best checkpoint yet", "has not recorded its environment"):
        assert sentence in text
