"""Measurements of the stability of training with IReLU, and warnings based on them.

``benchmarks/stability.py`` wrote stability.csv beside this module; docs/stability.md shows the same numbers.
"""

from __future__ import annotations

import csv
import dataclasses
import functools
import logging
import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocp_dc.labels import LabelOptions
from ocp_dc.nn import IReLU, activation
from ocp_dc.nn.integrated import UNIT_MOMENT
from ocp_dc.surgery import DCOptions, RegionTable
from ocp_dc.training.listeners import Listener

if TYPE_CHECKING:
    from ocp_dc.training.state import TrainingState

WORSE = 1.25  # warn if the force error is more than this many times that of stock activations


@dataclasses.dataclass(frozen=True)
class Measurement:
    """The outcome of the training runs of one case.

    Args:
        model: fairchem's name of the model.
        labels: ``centred`` (per element, divided by the RMS force) or ``raw``.
        region: the region with IReLU; ``none`` is the stock model.
        coefficient: the coefficient of IReLU as in a config; empty for the stock model.
        seeds: the number of runs.
        diverged: the number of runs that reached a value that is not finite.
        useless: the number of runs with larger force errors than a prediction of zero forces.
        forces_mae: the mean over the other runs, in eV/Å; None if there are none.
    """

    model: str
    labels: str
    region: str
    coefficient: str
    seeds: int
    diverged: int
    useless: int
    forces_mae: float | None

    @property
    def failed(self) -> int:
        """The number of runs that diverged or were useless."""
        return self.diverged + self.useless


@functools.cache
def measurements() -> tuple[Measurement, ...]:
    """Return all measurements."""
    with Path(__file__).with_name("stability.csv").open(newline="") as file:
        return tuple(
            Measurement(
                model=row["model"],
                labels=row["labels"],
                region=row["region"],
                coefficient=row["coefficient"],
                seeds=int(row["seeds"]),
                diverged=int(row["diverged"]),
                useless=int(row["useless"]),
                forces_mae=float(row["forces_mae"]) if row["forces_mae"] else None,
            )
            for row in csv.DictReader(file)
        )


def stability_warning(model: Any, labels: LabelOptions | None) -> str | None:
    """Return a warning about a model's activations; None if they trained well or were not measured.

    Args:
        model: an instance of a wrapper or of a stock model.
        labels: the ``label_rescaling`` of the training set, None without one.
    """
    options: DCOptions | None = getattr(model, "dc_options", None)
    if options is None or not options.has_swaps or options.resolved_activation == "original":
        return None
    if options.insert_norm != "none":
        return None  # norms bound the features; not measured
    swapped = activation(options.resolved_activation)
    region = _measured_region(options.resolved_region, model.dc_regions)
    if not isinstance(swapped, IReLU) or region is None or (region != "full" and options.elsewhere != "original"):
        return None
    center_name = "raw" if labels is None or labels.center == "none" else "centred"
    name = model.registered_name.removeprefix("dc_")
    cases = [m for m in measurements() if (m.model, m.labels) == (name, center_name)]
    candidates = [m for m in cases if m.region == region]
    if not candidates:
        return None
    found = min(candidates, key=lambda m: abs(math.log(_number(m.coefficient) / swapped.coefficient)))
    stock = next(m for m in cases if m.region == "none")
    what = f"IReLU ({found.coefficient}) in region {region} of {name}, {center_name} labels"
    if found.failed > stock.failed:
        return f"{what}: {found.failed} of {found.seeds} short training runs on ethanol failed (docs/stability.md)"
    if found.forces_mae is not None and stock.forces_mae is not None and found.forces_mae > WORSE * stock.forces_mae:
        ratio = found.forces_mae / stock.forces_mae
        return (
            f"{what}: {ratio:.1f} times the force error of stock in short training runs on ethanol (docs/stability.md)"
        )
    return None


class StabilityWarning(Listener):
    """Warn at the start of a training run about activations that failed in measurements, or did worse than stock ones.

    Args:
        labels: see :func:`stability_warning`.
        logs: whether this process logs.
    """

    def __init__(self, labels: LabelOptions | None, logs: bool) -> None:
        self._labels, self._logs = labels, logs

    def start(self, state: TrainingState) -> None:
        """Log the warning, if there is one."""
        text = stability_warning(state.bare_model, self._labels)
        if text is not None and self._logs:
            logging.warning(text)


def table(rows: Sequence[Measurement]) -> str:
    """Return the measurements as a Markdown table."""
    names = (
        "model | labels | IReLU in | coefficient | not finite | worse than no forces | force MAE of the others, eV/Å"
    )
    lines = [f"| {names} |", "|---|---|---|---|---|---|---|"]
    for row in rows:
        error = "-" if row.forces_mae is None else f"{row.forces_mae:.3f}"
        lines.append(
            f"| {row.model} | {row.labels} | {row.region} | {row.coefficient or '-'} | {row.diverged} of {row.seeds} | "
            f"{row.useless} of {row.seeds} | {error} |"
        )
    return "\n".join(lines)


def _number(coefficient: str) -> float:
    return IReLU(coefficient if coefficient == UNIT_MOMENT else float(coefficient)).coefficient


def _measured_region(region: str | Sequence[str], table: RegionTable) -> str | None:
    """Return the measured region with the same patterns as the model's region, or None if there is none."""
    wanted = table.patterns(region)
    return next((name for name in ("full", "output") if table.patterns(name) == wanted), None)
