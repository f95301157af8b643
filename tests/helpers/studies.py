"""Studies made by hand, for the tests of the report."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ocp_dc.study.record import Quantity, RunRecord, StudyResults

ENERGY = Quantity("energy_mae", "energy MAE", "eV", primary=True)
FORCES = Quantity("forces_mae", "forces MAE", "eV/Å", primary=True)
PER_ATOM = Quantity("energy_per_atom_mae", "energy MAE", "eV/atom")
EFWT = Quantity("efwt", "EFwT", "fraction", lower_is_better=False)
COSINE = Quantity("forces_cosine", "force cosine", lower_is_better=False)
SECONDS = Quantity("seconds_per_step", "time per step", "s", lower_is_better=None)
CURVES = (
    Quantity("epoch", "epoch", lower_is_better=None),
    Quantity("energy_mae", "energy MAE", "eV"),
    Quantity("forces_mae", "forces MAE", "eV/Å"),
    Quantity("train_loss", "training loss"),
)


def run(
    arm: str,
    seed: int = 0,
    metrics: Mapping[str, float] | None = None,
    status: str = "done",
    message: str = "",
    model: str = "schnet",
    data: str = "ethanol",
    folder: Path = Path("nowhere"),
    curves: Mapping[str, Sequence[float]] | None = None,
    weights: str | None = "same",
) -> RunRecord:
    return RunRecord(
        id=f"{model}-{data}-{arm}-{seed}",
        model=model,
        data=data,
        arm=arm,
        seed=seed,
        status=status,
        folder=folder,
        message=message,
        metrics=dict(metrics or {}),
        curves={key: np.asarray(column, dtype=float) for key, column in (curves or {}).items()},
        initial_weights=None if weights is None else {"layer.weight": weights},
    )


def runs(arm: str, energy: Sequence[float | str], forces: Sequence[float] = (), **others: Any) -> list[RunRecord]:
    """One run for each energy, its seed being its place; a text stands for a status, and a message behind a colon."""
    made = []
    for seed, value in enumerate(energy):
        if isinstance(value, str):
            status, _, message = value.partition(":")
            made.append(run(arm, seed, status=status, message=message.strip(), **others))
        else:
            metrics: dict[str, float] = {"energy_mae": value}
            if len(forces):
                metrics["forces_mae"] = forces[seed]
            made.append(run(arm, seed, metrics, **others))
    return made


def study(
    *arms: Sequence[RunRecord],
    quantities: Sequence[Quantity] = (ENERGY, FORCES),
    levels: Mapping[str, Mapping[str, str]] | None = None,
    warnings: Sequence[str] = (),
) -> StudyResults:
    """A study of these runs; the first arm is the baseline."""
    records = tuple(record for records in arms for record in records)
    names = dict.fromkeys(record.arm for record in records)
    return StudyResults(
        title="Activations in SchNet",
        question="Does IReLU lower the errors?",
        baseline=next(iter(names), "none"),
        arms={name: f"what {name} changes" for name in names},
        models=tuple(dict.fromkeys(record.model for record in records)),
        data={record.data: "1,000 structures" for record in records},
        seeds=tuple(sorted({record.seed for record in records})),
        budget="30 epochs",
        command="ocp-dc study run study.yml --out out",
        quantities=tuple(quantities),
        curves=CURVES,
        x="epoch",
        records=records,
        levels=levels or {},
        warnings=tuple(warnings),
    )
