"""The logger of ``logger: null``: fairchem asks for one, and this one keeps nothing."""

from __future__ import annotations

from typing import Any

from fairchem.core.common.logger import Logger
from fairchem.core.common.registry import registry

NAME = "none"


@registry.register_logger(NAME)
class NoLogger(Logger):
    """Takes what fairchem's trainers log and keeps nothing of it; results/ID has the learning curve anyway."""

    def watch(self, model: Any, log_freq: int = 1000) -> None:
        """Keep nothing of the model."""

    def log(self, update_dict: dict[str, Any], step: int, split: str = "") -> None:
        """Keep nothing of a step."""

    def log_plots(self, plots: Any) -> None:
        """Keep no plots."""

    def mark_preempting(self) -> None:
        """Tell nobody of a preemption."""

    def log_summary(self, summary_dict: dict[str, Any]) -> None:
        """Keep no summary."""

    def log_artifact(self, name: str, type: str, file_location: str) -> None:
        """Keep no file."""
