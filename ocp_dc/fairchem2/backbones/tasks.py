"""The properties that native backbones predict, and the tasks that they add for inference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairchem.core.modules.normalization.normalizer import Normalizer
from fairchem.core.units.mlip_unit.mlip_unit import OutputSpec, Task

if TYPE_CHECKING:
    from fairchem.core.units.mlip_unit.api.inference import InferenceSettings

PROPERTIES = ("energy", "forces", "stress", "hessian")


def stress_tasks(tasks: dict[str, Task], settings: InferenceSettings) -> list[Task]:
    """Return a task of the stress for each data set with an energy and without a stress.

    Args:
        tasks: the tasks of a checkpoint.
        settings: the settings, which may ask for the stress themselves.
    """
    energies = {dataset: task for task in tasks.values() if task.property == "energy" for dataset in task.datasets}
    present = {dataset for task in tasks.values() if task.property == "stress" for dataset in task.datasets}
    return [
        Task(
            name="stress" if energy.name == "energy" else f"{dataset}_stress",
            level="system",
            property="stress",
            out_spec=OutputSpec(dim=[1, 9], dtype=settings.base_precision_dtype),
            normalizer=Normalizer(rmsd=float(energy.normalizer.rmsd)),  # the mean of energies has no derivative
            datasets=[dataset],
            inference_only=True,
        )
        for dataset, energy in sorted(energies.items())
        if dataset not in present | set(settings.predict_untrained_stress)
    ]
