"""Evaluate a checkpoint, and predict structures with it, from Python."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ocp_dc.core.errors import UserError

if TYPE_CHECKING:
    import numpy as np
    from ase import Atoms

    from ocp_dc.data.structures import ReadOptions
    from ocp_dc.training.run_folders import Names


def evaluate(
    checkpoint: Names,
    data: str | Path,
    *,
    options: ReadOptions | None = None,
    batch_size: int = 32,
    cpu: bool = False,
    progress: bool = False,
    trust_modules: Sequence[str] = (),
) -> dict[str, Any]:
    """Return the errors of a checkpoint on structures with labels, as in ``evaluation.json``.

    Args:
        checkpoint: a checkpoint, the folder or the name of a run, or several, which form an ensemble.
        data: a file or a folder of structures of any kind.
        options: what a file does not say, such as its units.
        batch_size: structures per evaluation of the network, at most.
        cpu: use the CPU even if there is a GPU.
        progress: show a progress bar.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Returns:
        ``energy_mae`` (eV), ``forces_mae`` (eV/Å) and others by name, with the number of structures.

    Raises:
        ocp_dc.core.errors.UserError: a file is missing, damaged or hostile, or a structure has no labels.
    """
    from ocp_dc.data.structures import ReadOptions, open_structures  # these take seconds to import
    from ocp_dc.evaluation.metrics import error_metrics
    from ocp_dc.evaluation.predict import predict_labels
    from ocp_dc.hosts import load_predictor

    predictor = load_predictor(checkpoint, cpu, trust_modules)
    with closing(open_structures(data, options or ReadOptions())) as source:
        return error_metrics(predict_labels(predictor, source, batch_size, progress))


def predict(
    checkpoint: Names,
    structures: Atoms | Sequence[Atoms],
    *,
    batch_size: int = 32,
    cpu: bool = False,
    trust_modules: Sequence[str] = (),
) -> dict[str, np.ndarray]:
    """Return predictions for structures of ASE; ``ocp-dc predict`` writes those for a file.

    Args:
        checkpoint: a checkpoint, the folder or the name of a run, or several, which form an ensemble.
        structures: one or several structures.
        batch_size: structures per evaluation of the network, at most.
        cpu: use the CPU even if there is a GPU.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Returns:
        ``energy`` [B] in eV, ``forces`` [N, 3] in eV/Å, of all structures one after the other, and what else the
        checkpoint predicts; float64.

    Raises:
        ocp_dc.core.errors.UserError: a file is missing, damaged or hostile, or a structure is not valid.
    """
    import numpy as np
    from ase import Atoms

    from ocp_dc.evaluation.batches import batches
    from ocp_dc.hosts import load_predictor

    chosen = [structures] if isinstance(structures, Atoms) else list(structures)
    if not chosen:
        raise UserError("structures: got none, expected at least one")
    predictor = load_predictor(checkpoint, cpu, trust_modules)
    parts = [predictor.predict(batch) for batch in batches(chosen, len, batch_size)]
    return {name: np.concatenate([part[name] for part in parts]) for name in parts[0]}
