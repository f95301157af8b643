"""The runner of a job, as spawned ranks and Slurm jobs unpickle it: importing this module installs the hooks first."""

from __future__ import annotations

from typing import Any

from fairchem.core import _cli

from ocp_dc.fairchem1.subnormals import flushed_subnormals

_StockRunner = _cli.Runner


class Runner(_StockRunner):  # type: ignore[misc, valid-type]
    """fairchem's runner under a module path whose import puts the hooks in force."""

    def __call__(self, config: dict[str, Any]) -> None:
        """Run one resolved configuration in this process."""
        with flushed_subnormals():
            super().__call__(config)


def run(config: dict[str, Any]) -> None:
    """Run one resolved configuration in this process."""
    Runner()(config)
