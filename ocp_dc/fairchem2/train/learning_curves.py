"""The learning curves of a run of fairchem 2, as a picture."""

from __future__ import annotations

from ocp_dc.fairchem2.train.run_folder import RunFolder
from ocp_dc.training.validation_log import read_columns


def draw_learning_curves(folder: RunFolder) -> None:
    """Write ``learning_curves.png``, if the run validates energies and forces."""
    if not folder.validation.is_file() or not {"energy_mae", "forces_mae"} <= set(read_columns(folder.validation)):
        return
    from ocp_dc.evaluation.plots import learning_curves  # matplotlib takes a second to import

    learning_curves({"validation": [folder.validation]}, folder.results / "learning_curves.png")
