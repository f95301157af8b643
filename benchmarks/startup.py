"""Measure the cost of the `.pth` file at each start of Python.

`python -c pass` runs in turns with the file's line in a `sitecustomize.py` and with an empty one. The folder of the
package is on the path in both, and an installed `.pth` file is switched off. Prints the minimum, the median, and the
median of the differences within a turn, in milliseconds of CPU time, which a busy machine disturbs less than wall time:

    python benchmarks/startup.py --turns 200

With ``--commands`` it measures the start of commands instead, and prints the minimum and the median in seconds:

    python benchmarks/startup.py --commands --turns 5
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from ocp_dc.packaging import LINE

ROOT = Path(__file__).parents[1]
COMMANDS = {
    "import torch": ["-c", "import torch"],
    "import ocp_dc": ["-c", "import ocp_dc"],
    "ocp-dc --help": ["-m", "ocp_dc", "--help"],
    "ocp-dc inspect": ["-m", "ocp_dc", "inspect", "md17/schnet-dc"],
    "ocp-dc main --help": ["-m", "ocp_dc", "main", "--help"],
}


def start(folder: Path, switch: str, arguments: Sequence[str] = ("-c", "pass")) -> float:
    """Return the seconds of CPU time that Python takes with these arguments."""
    environment = {"PYTHONPATH": os.pathsep.join([str(folder), str(ROOT)]), "OCP_DC_AUTOLOAD": switch}
    process = subprocess.Popen(
        [sys.executable, *arguments], env={**os.environ, **environment}, stdout=subprocess.DEVNULL
    )
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(process.returncode)
    return used.ru_utime + used.ru_stime


def measure_commands(turns: int) -> None:
    """Measure the commands in turns and print the times."""
    times: dict[str, list[float]] = {name: [] for name in COMMANDS}
    for _ in range(turns):
        for name, arguments in COMMANDS.items():
            times[name].append(start(ROOT, "0", arguments))
    for name, values in times.items():
        print(f"{name}: {min(values):.2f}, {statistics.median(values):.2f} s")


def main() -> None:
    """Measure the cases in turns and print the times."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--turns", type=int, default=200)
    parser.add_argument("--commands", action="store_true")
    args = parser.parse_args()
    turns = args.turns
    if args.commands:
        measure_commands(turns)
        return
    cases = {"without": ("", "0"), "with": (LINE, "1"), "switched off": (LINE, "0")}
    with tempfile.TemporaryDirectory() as made:
        folders = {name: Path(made, name) for name in cases}
        for name, (line, switch) in cases.items():
            folders[name].mkdir()
            (folders[name] / "sitecustomize.py").write_text(line)
            start(folders[name], switch)  # writes the bytecode
        times: dict[str, list[float]] = {name: [] for name in cases}
        for _ in range(turns):
            for name, (_, switch) in cases.items():
                times[name].append(1e3 * start(folders[name], switch))
    for name, values in times.items():
        differences = [value - bare for value, bare in zip(values, times["without"], strict=True)]
        added = f", {statistics.median(differences):+.2f} ms" if name != "without" else ""
        print(f"{name}: {min(values):.2f}, {statistics.median(values):.2f} ms{added}")


if __name__ == "__main__":
    main()
