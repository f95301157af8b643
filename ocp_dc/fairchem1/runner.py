"""The runner of a job, as spawned ranks and Slurm jobs unpickle it: importing this module installs the hooks first."""

from __future__ import annotations

from typing import Any

from fairchem.core import _cli

_StockRunner = _cli.Runner


class Runner(_StockRunner):  # type: ignore[misc, valid-type]
    """fairchem's runner under a module path whose import puts the hooks in force."""


def run(config: dict[str, Any]) -> None:
    """Run one resolved configuration in this process."""
    Runner()(config)
