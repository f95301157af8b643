"""The logger for ``logger: null``, which discards everything; fairchem requires a logger."""

from __future__ import annotations

from typing import Any

from fairchem.core.common.logger import Logger
from fairchem.core.common.registry import registry

NO_LOGGER = "none"


@registry.register_logger(NO_LOGGER)
class NoLogger(Logger):
    """Logger that discards everything; the learning curve is always written to results/ID."""

    def watch(self, model: Any, log_freq: int = 1000) -> None:
        """Do nothing."""

    def log(self, update_dict: dict[str, Any], step: int, split: str = "") -> None:
        """Discard the values of a step."""

    def log_plots(self, plots: Any) -> None:
        """Discard plots."""

    def mark_preempting(self) -> None:
        """Do nothing."""

    def log_summary(self, summary_dict: dict[str, Any]) -> None:
        """Discard a summary."""

    def log_artifact(self, name: str, type: str, file_location: str) -> None:
        """Discard a file."""
