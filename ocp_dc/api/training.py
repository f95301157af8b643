"""Train a potential from Python."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.api.process_state import unchanged_process
from ocp_dc.api.run import Run
from ocp_dc.core.config_names import find_config
from ocp_dc.core.errors import bad_value
from ocp_dc.core.files import write_text
from ocp_dc.core.numbers import whole_number
from ocp_dc.core.yaml_config import yaml_text
from ocp_dc.data.dataset_cache import as_splits
from ocp_dc.data.structures import ReadOptions


def train(
    config: str | Path | Mapping[str, Any],
    data: str | Path | None = None,
    *,
    out: str | Path = "runs",
    name: str | None = None,
    epochs: int | None = None,
    seed: int = 0,
    overrides: Sequence[str] = (),
    cpu: bool = False,
    quiet: bool = False,
    reading: ReadOptions = ReadOptions(),  # noqa: B008 - immutable
) -> Run:
    """Train a potential in this process, as ``ocp-dc main`` does, and return the run.

    A run whose name is given and exists already is resumed. The log, signal handlers, random states, the working folder
    and the environment of the process are afterwards as before.

    Args:
        config: a file, the name of a config that ships (``md17/schnet-dc`` with fairchem 1.10, ``fairchem2/schnet-dc``
            with fairchem 2), or the content of a config.
        data: a folder that ``ocp-dc prepare`` made, or any file of structures, which is split 80/10/10; None for the
            data of the config.
        out: the folder of runs; the files are in ``out/name``.
        name: the name of the run; None for the name of the config with a number that makes it new.
        epochs: the number of epochs; None for that of the config.
        seed: the seed of the initial weights and of the order of the data.
        overrides: changes of the config, as on the command line: ``["--optim.lr_initial=1e-3"]`` with fairchem 1.10,
            ``["lr=1e-3"]`` with fairchem 2.
        cpu: use the CPU even if there is a GPU.
        quiet: whether to show only warnings; the log file has everything.
        reading: what a file of structures does not say: its units, and the names of its labels.

    Raises:
        ocp_dc.core.errors.UserError: a mistake in an argument, the config or a file; with the message of the command.
        ocp_dc.core.errors.DivergenceError: a loss or a gradient is not finite.
    """
    from ocp_dc.hosts import installed_host  # fairchem takes seconds to import

    _check(overrides, epochs, seed)
    out = Path(out)
    stem = "run" if isinstance(config, Mapping) else Path(config).stem
    name = new_name(out, stem) if name is None else name
    with unchanged_process():
        host = installed_host()
        path = _config_file(config, out / name, f"a config such as {host.configs}/schnet-dc")
        source = None if data is None else as_splits(data, reading).absolute()
        arguments = host.training_arguments(path, host.run_dir(out, name), name, seed, source, epochs, cpu)
        host.main([*arguments, *overrides, *(["--quiet"] if quiet else [])])
    return Run(out / name)


def _check(overrides: Sequence[str], epochs: int | None, seed: int) -> None:
    if isinstance(overrides, str):
        raise bad_value("overrides", overrides, "a list of texts", mend=f"write [{overrides!r}]")
    if epochs is not None:
        whole_number("epochs", epochs)
    whole_number("seed", seed, least=0)


def new_name(out: Path, stem: str) -> str:
    """Return a name that no run in ``out`` has."""
    number = 1
    while (out / (name := stem if number == 1 else f"{stem}-{number}")).exists():
        number += 1
    return name


def _config_file(config: str | Path | Mapping[str, Any], folder: Path, expected: str) -> Path:
    """Return the file of a config; the content of one is written into the folder of the run."""
    if not isinstance(config, Mapping):
        return find_config(config, expected)
    path = folder / "given.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, yaml_text(config))
    return path
