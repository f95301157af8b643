"""Check of the tasks of a derivative-constrained training."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ocp_dc.core.errors import UserError

DERIVATIVES = ("forces", "stress")
ROUNDING = 1e-6  # a normalizer may hold C in float32 or in float64


def check_tasks(tasks: Sequence[Any]) -> None:
    """Check that the energy and its derivatives are divided by the same number, and that nothing is added to forces.

    Otherwise the scaled forces are not the derivative of the scaled energy, which is what the model learns.

    Args:
        tasks: fairchem's tasks, with their normalizers.

    Raises:
        UserError: the normalizers of a data set differ in ``rmsd``, or a derivative has a mean or element references.
    """
    for dataset in sorted({dataset for task in tasks for dataset in task.datasets}):
        of_dataset = [task for task in tasks if dataset in task.datasets]
        scales = {
            task.name: float(task.normalizer.rmsd)
            for task in of_dataset
            if task.property == "energy" or task.property in DERIVATIVES
        }
        if scales and max(scales.values()) > (1 + ROUNDING) * min(scales.values()):
            listed = ", ".join(f"{name} {scale:.9g}" for name, scale in scales.items())
            raise UserError(
                f"tasks of {dataset}: got the rmsd {listed}; expected one number, since forces are the derivative of "
                "the energy. Write the same ${dc_scale:DIR,CENTER,SCALE} in each"
            )
        for task in of_dataset:
            if task.property not in DERIVATIVES:
                continue
            if float(task.normalizer.mean) != 0.0:
                raise UserError(
                    f"task {task.name}: got a normalizer with mean {float(task.normalizer.mean):g}, expected 0 for a "
                    "derivative of the energy; write mean: 0.0"
                )
            if task.element_references is not None:
                raise UserError(f"task {task.name}: element_references belong to the energy only; remove them here")
