"""Time a training step of other packages beside ours: nequip and schnetpack, each in an environment of its own.

    python benchmarks/peers/compare.py ENVIRONMENTS [--batch 20] [--repeats 9]

ENVIRONMENTS is a folder for the virtual environments, which are made from requirements-NAME.txt if they are missing.
Ethanol of the bundled sample, one thread, CPU time, all cases in turns. See steps.py for what a step is.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

import numpy as np

from ocp_dc.data.sample import sample_path

HERE = Path(__file__).parent
OURS = tuple(
    f"ocp_dc:{model}:{accelerate}"
    for model in ("schnet-dc", "gemnet_t-dc", "dimenetplusplus-dc")
    for accelerate in ("off", "native", "compile")
)
PEERS = ("nequip:eager", "nequip:compile", "schnetpack:SchNet", "schnetpack:PaiNN")


def interpreter(package: str, environments: Path) -> Path:
    """Return the Python of a package's environment, which is made if it is missing; of this one for ocp_dc."""
    if package == "ocp_dc":
        return Path(sys.executable)
    folder = environments / package
    python = folder / "bin" / "python"
    if not python.exists():
        print(f"installing {package} in {folder}", flush=True)
        venv.create(folder, with_pip=True)
        requirements = HERE / f"requirements-{package}.txt"
        subprocess.run([python, "-m", "pip", "install", "-q", "-r", requirements], check=True)
    return python


class Case:
    """A case that runs steps.py; :attr:`about` has its versions and its number of parameters.

    Raises:
        RuntimeError: it ended before it was ready; the message is the end of its output.
    """

    def __init__(self, name: str, environments: Path, structures: Path, device: str) -> None:
        python = interpreter(name.split(":")[0], environments)
        self._errors = structures.with_name(f"{name.replace(':', '-')}.log")
        command = [str(python), str(HERE / "steps.py"), name, str(structures), "--device", device]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors.open("w"),
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        self.about = json.loads(self._line())

    def milliseconds(self, steps: int) -> float:
        """Return the mean time of a step."""
        assert self._process.stdin is not None
        print(steps, file=self._process.stdin, flush=True)
        return float(self._line())

    def close(self) -> None:
        """End the process."""
        self._process.communicate()

    def _line(self) -> str:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            self._process.wait()
            raise RuntimeError(self._errors.read_text().strip()[-300:])
        return line


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("environments", type=Path)
    parser.add_argument("--cases", nargs="+", default=[*OURS, *PEERS])
    parser.add_argument("--batch", type=int, default=20)
    parser.add_argument("--steps", type=int, default=10, help="steps of a turn")
    parser.add_argument("--repeats", type=int, default=9, help="turns of each case")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        structures = Path(folder, "structures.npz")
        with np.load(sample_path()) as sample:
            some = slice(0, args.batch)
            arrays = {"positions": sample["coords"][some], "energies": sample["energies"][some]}
            np.savez(structures, numbers=sample["nuclear_charges"], forces=sample["forces"][some], **arrays)
        cases = {}
        for name in args.cases:
            try:
                cases[name] = Case(name, args.environments, structures, args.device)
            except (RuntimeError, subprocess.CalledProcessError) as error:
                print(f"{name}: failed: {error}", flush=True)
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(args.repeats):
            for name, case in cases.items():
                times[name].append(case.milliseconds(args.steps))
        print("| case | parameters | step, ms | versions |", "|---|---|---|---|", sep="\n")
        for name, case in cases.items():
            case.close()
            versions = ", ".join(f"{package} {number}" for package, number in case.about["versions"].items())
            print(f"| {name} | {case.about['parameters']:,} | {statistics.median(times[name]):.1f} | {versions} |")


if __name__ == "__main__":
    main()
