"""``ocp-dc demo``: prepare, train, evaluate and compare on the bundled sample."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from rich.console import Console
from tqdm import tqdm

from ocp_dc.core.config_names import find_config
from ocp_dc.core.errors import UserError
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.hosts import Host, installed_host

RUNS = {"stock": "schnet-stock", "derivative-constrained": "schnet-dc"}
TRAIN, VAL, TEST = 800, 100, 500


def demo(out: Path, epochs: int = 20, seed: int = 0) -> None:
    """Train SchNet twice on the bundled ethanol with fairchem's main, evaluate both runs, and print a table.

    Args:
        out: a new folder, for the data, both runs, a table and the plots.
        epochs: epochs of each training run.
        seed: seed of both training runs.

    Raises:
        UserError: the folder exists, ``epochs`` is below 1, or a training run failed.
    """
    from ocp_dc.core.files import write_csv
    from ocp_dc.core.numbers import whole_number
    from ocp_dc.evaluation.plots import learning_curves
    from ocp_dc.evaluation.report import read_evaluation
    from ocp_dc.evaluation.tables import comparison_rows, comparison_table

    whole_number("--epochs", epochs)
    if out.exists() and any(out.iterdir()):
        raise UserError(f"{out}: exists; remove it, or name another folder with --out")
    host = installed_host()
    data = out / "data"
    print("The bundled sample: ethanol at 500 K, energies and forces of GFN2-xTB")
    prepare(sample_path(), data, format="rmd17", units="eV", train=TRAIN, val=VAL, test=TEST, to=host.data_format)
    print(f"Training SchNet, {' and '.join(RUNS)}, side by side: {epochs} epochs each through fairchem's main")
    _train_all(host, data, out, epochs, seed)
    for config in RUNS.values():
        checkpoint = host.run_files(out, config).best_checkpoint
        _run(_command("evaluate", str(checkpoint), str(data / "test"), "--out", str(out / "evaluation" / config)))
    results = {
        title: [read_evaluation(out / "evaluation" / config / "evaluation.json")] for title, config in RUNS.items()
    }
    logs = {title: host.run_files(out, config).validation for title, config in RUNS.items()}
    learning_curves(logs, out / "learning_curves.png", title="SchNet on ethanol (GFN2-xTB, 500 K)")
    write_csv(out / "comparison.csv", comparison_rows(results))
    Console().print(comparison_table(results, title=f"Test errors after {epochs} epochs on {TRAIN} structures"))
    print(f"table, learning curves and parity plots: {out}/comparison.csv, {out}/learning_curves.png,")
    print(*(f"  {out}/evaluation/{config}/parity.png" for config in RUNS.values()), sep="\n")


def config_path(name: str) -> Path:
    """Return the path of a config of the installed host, for small molecules, that ships with the package."""
    return find_config(f"{installed_host().configs}/{name}", "a config")


def _train_all(host: Host, data: Path, out: Path, epochs: int, seed: int) -> None:
    """Train all runs at the same time, each in its own process with its share of the cores; show one progress bar."""
    threads = max(1, (os.cpu_count() or 1) // len(RUNS))
    processes = {}
    for config in RUNS.values():
        arguments = host.training_arguments(config_path(config), out, config, seed, data, epochs, cpu=True)
        command = _command("main", *arguments)
        with (out / f"{config}.log").open("w") as log:
            environment = {"OMP_NUM_THREADS": str(threads), **os.environ}
            processes[config] = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT, env=environment)
    try:
        with tqdm(total=epochs * len(RUNS), desc="training", unit="epoch") as bar:
            running = True
            while running:
                running = any(process.poll() is None for process in processes.values())
                done = sum(_epochs_done(host.run_files(out, config).validation) for config in processes)
                if done > bar.n:
                    bar.update(done - bar.n)
                time.sleep(0.5)
    finally:
        for process in processes.values():
            process.terminate()
    for config, process in processes.items():
        if process.wait() != 0:
            raise UserError(f"the training run {config} ended with status {process.returncode}; see {out / config}.log")


def _epochs_done(log: Path) -> int:
    """Return the number of validations so far, one per epoch."""
    return max(0, len(log.read_text().splitlines()) - 1) if log.is_file() else 0


def _command(*arguments: str) -> list[str]:
    """Return an ``ocp-dc`` command to run in another process, as a user would run it."""
    return [sys.executable, "-m", "ocp_dc", *arguments]


def _run(command: list[str]) -> None:
    done = subprocess.run(command)
    if done.returncode != 0:
        raise UserError(f"`{' '.join(command[1:])}` ended with status {done.returncode}")
