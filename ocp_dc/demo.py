"""``ocp-dc demo``: the main job on the bundled sample, start to finish."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import sysconfig
from pathlib import Path

from rich.console import Console

from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.errors import UserError

RUNS = {"stock": "schnet-stock", "derivative-constrained": "schnet-dc"}
TRAIN, VAL, TEST = 800, 100, 500


def demo(out: Path, epochs: int = 20, seed: int = 0) -> None:
    """Train SchNet twice on the bundled ethanol through fairchem's main, evaluate both, and show one table.

    Args:
        out: a folder to make; it ends with the data, both runs, a table and the plots.
        epochs: epochs of each training.
        seed: seed of both trainings.

    Raises:
        UserError: the folder exists, or a training failed.
    """
    from ocp_dc.evaluation.files import write_csv
    from ocp_dc.evaluation.plots import learning_curves
    from ocp_dc.evaluation.report import read_evaluation
    from ocp_dc.evaluation.tables import comparison_rows, comparison_table

    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: exists; remove it, or name another folder with --out")
    data = out / "data"
    print("1. The bundled sample: ethanol at 500 K, energies and forces of GFN2-xTB")
    prepare(sample_path(), data, format="rmd17", units="eV", train=TRAIN, val=VAL, test=TEST)
    for number, (title, config) in enumerate(RUNS.items(), start=2):
        print(f"{number}. Training SchNet, {title}: {epochs} epochs through fairchem's main")
        _train(config, data, out, epochs, seed)
        checkpoint = out / "checkpoints" / config / "best_checkpoint.pt"
        _ocp_dc("evaluate", str(checkpoint), str(data / "test"), "--out", str(out / "evaluation" / config))
    results = {
        title: [read_evaluation(out / "evaluation" / config / "evaluation.json")] for title, config in RUNS.items()
    }
    logs = {title: out / "results" / config / "validation.csv" for title, config in RUNS.items()}
    learning_curves(logs, out / "learning_curves.png", title="SchNet on ethanol (GFN2-xTB, 500 K)")
    write_csv(out / "comparison.csv", comparison_rows(results))
    Console().print(comparison_table(results, title=f"Test errors after {epochs} epochs on {TRAIN} structures"))
    print(f"table, learning curves and parity plots: {out}/comparison.csv, {out}/learning_curves.png,")
    print(*(f"  {out}/evaluation/{config}/parity.png" for config in RUNS.values()), sep="\n")


def config_path(name: str) -> Path:
    """Return the path of an MD17 config that ships with the project."""
    relative = Path("configs", "md17", f"{name}.yml")
    checkout = Path(__file__).parents[1] / relative
    return checkout if checkout.is_file() else Path(sysconfig.get_path("data"), "share", "ocp_dc", relative)


def _train(config: str, data: Path, out: Path, epochs: int, seed: int) -> None:
    sources = [f"--dataset.{split}.src={data / split}" for split in ("train", "val", "test")]
    log = out / f"{config}.log"
    _ocp_dc(
        *("main", "--mode", "train", "--config-yml", str(config_path(config)), "--cpu", "--run-dir", str(out)),
        *("--timestamp-id", config, "--seed", str(seed), "--print-every", "40"),
        *(*sources, f"--optim.max_epochs={epochs}"),
        log=log,
    )
    test = json.loads((out / "results" / config / "test.json").read_text())
    print(f"   test energy MAE {test['energy_mae']:.4f} eV, force MAE {test['forces_mae']:.4f} eV/Å; log: {log}")


def _ocp_dc(*arguments: str, log: Path | None = None) -> None:
    """Run ``ocp-dc`` in a process of its own, as a user would, with its output in a file where one is named."""
    command = [sys.executable, "-m", "ocp_dc", *arguments]
    if log is None:
        done = subprocess.run(command, env=os.environ)
    else:
        with log.open("w") as file:
            done = subprocess.run(command, stdout=file, stderr=subprocess.STDOUT, env=os.environ)
    if done.returncode != 0:
        shown = f"; its output is in {log}" if log else ""
        raise UserError(f"`ocp-dc {' '.join(arguments)}` ended with status {done.returncode}{shown}")
