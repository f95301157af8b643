"""Try fairchem's own configs: stock, with ``ocp-dc main``, and with a ``dc:`` block added.

Run: ``python benchmarks/host_configs.py FAIRCHEM/configs --out docs/host-configs.md``. Every run config of the folder
(not the base files that others include) trains two steps and validates once, at reduced sizes and on the CPU, on slabs
of the bundled sample, in three ways:

- fairchem's main, with only the fallbacks of ocp_dc for compiled packages and its cache of DimeNet++'s basis functions,
  which changes no value and saves half a minute per model;
- ``ocp-dc main``;
- ``ocp-dc main`` with the wrapper of the model and ``dc: {activation: irelu, region: output}``.

Each case has its own process and a time limit. The files are read in place, and the changes for a run are overrides.
"""

from __future__ import annotations

import argparse
import functools
import multiprocessing
import multiprocessing.connection
import re
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any, TypeVar

from host_config_case import TRAINS, case, fallbacks_alone, import_ours, write_data

from ocp_dc.core.files import write_text

ARMS = ("stock", "ocp-dc main", "with dc:")
K = TypeVar("K")
LENGTH = 300  # characters of an error
PACKAGES = ("fairchem-core", "torch", "torch_geometric", "numpy", "ocp_dc")
HEAD = """# fairchem's own configs

Results for the run configs in the repository of fairchem 1.10 (`configs/` at the tag `fairchem_core-1.10.0`): two
training steps and a validation, at reduced sizes, on slabs of the bundled sample.

| column | what runs |
|---|---|
| stock | fairchem's main, with only ocp_dc's fallbacks for compiled packages |
| ocp-dc main | `ocp-dc main` with the same command line |
| with dc: | the same with `model.name: dc_NAME` and `dc: {{activation: irelu, region: output}}` on top |

A wrapper may require one more key, which the table names: `allow_direct: true` in the `dc:` block of a model whose
forces are not derivatives, or `direct_forces: false` for a model that can do both. A number refers to an error in the
list below. Weights that are not finite after the two steps count as an error: GemNet's `scale_file` is fitted for the
stock activation at full width, and `ocp-dc fit-scales` fits another.

Made by `{command}`, with
{versions}.
"""


def run_configs(folder: Path) -> list[Path]:
    """Return the run configs of a folder; files that others include are named base*.yml."""
    return sorted(path for path in folder.rglob("*.yml") if not path.name.startswith("base"))


def in_forks(tasks: Mapping[K, Callable[[], str]], jobs: int, seconds: float) -> Iterator[tuple[K, str]]:
    """Yield the key and the result of each task, each run in a fork of this process with a time limit.

    Args:
        tasks: the tasks by key.
        jobs: the number of tasks at a time.
        seconds: the time limit of each task.
    """
    context = multiprocessing.get_context("fork")
    waiting = list(tasks)
    running: dict[Any, tuple[K, Any, float]] = {}
    while waiting or running:
        while waiting and len(running) < jobs:
            key = waiting.pop(0)
            receiver, sender = context.Pipe(duplex=False)
            process = context.Process(target=_send, args=(sender, tasks[key]))
            process.start()
            sender.close()
            running[receiver] = (key, process, time.monotonic() + seconds)
        first_end = min(end for _, _, end in running.values()) - time.monotonic()
        ready = multiprocessing.connection.wait(list(running), timeout=max(first_end, 0))
        for receiver, (key, process, end) in list(running.items()):
            if receiver not in ready and time.monotonic() < end:
                continue
            outcome = f"no end within {seconds:g} s"
            if receiver in ready:
                try:
                    outcome = receiver.recv()
                except EOFError:
                    outcome = "the process died"
            process.kill()
            process.join()
            del running[receiver]
            yield key, outcome


def _send(sender: Any, task: Callable[[], str]) -> None:
    sender.send(task())


# ---- the page ----------------------------------------------------------------------------------------------------


def page(results: Mapping[str, Mapping[str, str]], command: str) -> str:
    """Return the page with the table: a number in a cell refers to an error in the list below the table."""
    numbers: dict[str, int] = {}
    rows = []
    for name, outcome in results.items():
        cells = [
            one if one.startswith(TRAINS) else str(numbers.setdefault(one, len(numbers) + 1))
            for one in outcome.values()
        ]
        rows.append(f"| {name} | {' | '.join(cells)} |")
    counts = [sum(outcome[arm].startswith(TRAINS) for outcome in results.values()) for arm in ARMS]
    return "\n".join(
        [
            HEAD.format(command=command, versions=", ".join(f"{name} {version(name)}" for name in PACKAGES)),
            f"Of {len(results)} configs stock fairchem trains {counts[0]}, `ocp-dc main` {counts[1]}, and with a `dc:` "
            f"block {counts[2]} train.\n",
            f"| config | {' | '.join(ARMS)} |",
            "|---|---|---|---|",
            *rows,
            "\nThe errors, first lines:\n",
            *(f"{number}. `{text.replace('`', chr(39))}`" for text, number in numbers.items()),
            "",
        ]
    )


def main() -> None:
    """Run every config in every way, and write the page."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("configs", type=Path, help="the configs folder of fairchem's repository")
    parser.add_argument("--out", type=Path, required=True, help="the page to write")
    parser.add_argument("--only", default="", metavar="TEXT", help="only the configs whose path contains this")
    parser.add_argument("--jobs", type=int, default=1, help="cases at a time (default: 1)")
    parser.add_argument("--seconds", type=float, default=180, help="time limit of a case (default: 180)")
    args = parser.parse_args()
    configs = args.configs.resolve()
    command = "python benchmarks/host_configs.py FAIRCHEM/configs --out docs/host-configs.md"
    paths = [path for path in run_configs(configs) if args.only in str(path)]
    results = {str(path.relative_to(configs)): dict.fromkeys(ARMS, "") for path in paths}
    with tempfile.TemporaryDirectory() as folder:
        write_data(Path(folder))
        fallbacks_alone()
        for arms in (ARMS[:1], ARMS[1:]):
            if arms != ARMS[:1]:
                import_ours()  # once rather than in every fork; the stock runs are done
            tasks = {
                (name, arm): functools.partial(case, configs, path, arm == ARMS[0], arm == ARMS[2], Path(folder))
                for name, path in zip(results, paths, strict=True)
                for arm in arms
            }
            for (name, arm), outcome in in_forks(tasks, args.jobs, args.seconds):
                results[name][arm] = readable(outcome, folder)
                print(f"{name} | {arm} | {results[name][arm]}", flush=True)
    write_text(args.out, page(results, command))


def readable(text: str, data: str) -> str:
    """Return an error without the folders of this machine, shortened to LENGTH characters."""
    text = re.sub(r"(?<![\w.])/\S*/(?=[^/\s']+)", "", text.replace(data, "DATA"))
    return text if len(text) <= LENGTH else text[:LENGTH] + " ..."


if __name__ == "__main__":
    main()
