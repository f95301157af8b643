"""The header of a training run of fairchem 2, and the data set of a loader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairchem.core.common import distutils

from ocp_dc.labels import LabelRescaling
from ocp_dc.training.run_lines import data_line, label_line, model_line, say_header, shown_path, surgery_line
from ocp_dc.training.state import TrainingState

TITLES = {"train": "training", "val": "validation", "test": "test"}


def say_run_header(unit: Any, loaders: Mapping[str, Any], folder: Path, resumed: bool, state: TrainingState) -> None:
    """Show the model, the data, the labels, the device and the folder of a run.

    Args:
        unit: fairchem's training unit.
        loaders: the loaders of ``train``, ``val`` and ``test``; None for a split that there is not.
        folder: the folder of the run.
        resumed: whether the run resumes from a checkpoint.
        state: the state of the run.
    """
    model = state.bare_model
    counts = {TITLES[split]: len(loader.dataset) for split, loader in loaders.items() if loader is not None}
    say_header(
        {
            "model": model_line(type(getattr(model, "backbone", model)).__name__, model),
            "surgery": surgery_line(getattr(model, "dc_report", None)),
            "data": data_line(counts),
            "labels": _label_line(unit.tasks),
            "device": str(distutils.get_device_for_local_rank()),
            "run": shown_path(folder),
            "resumed": f"from step {state.step}" if resumed else None,
        }
    )


def source_of(loader: Any) -> Path | None:
    """Return the path of the first data set of a loader; None if it is not one path."""
    first = getattr(loader.dataset, "datasets", [loader.dataset])[0]
    source = getattr(first, "config", {}).get("src")
    return Path(source) if isinstance(source, str) else None


def _label_line(tasks: Sequence[Any]) -> str:
    """Return C and the center of the energies, for each data set where they differ."""
    lines = {label_line(_rescaling(task)) for task in tasks if task.property == "energy"}
    return "; ".join(sorted(lines)) or label_line(None)


def _rescaling(task: Any) -> LabelRescaling:
    """Return the normalizer and the element references of a task of energies."""
    references = task.element_references
    return LabelRescaling(
        scale=float(task.normalizer.rmsd),
        mean=float(task.normalizer.mean),
        references=None if references is None else references.element_references,
    )
