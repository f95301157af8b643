"""ocp_dc: derivative-constrained training for the potentials of fairchem (the Open Catalyst project)."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False  # typing would double the time that Python takes for the .pth file of this package
if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from ase.calculators.calculator import Calculator

    from ocp_dc.api.extending import extend
    from ocp_dc.api.finetuning import finetune
    from ocp_dc.api.prediction import evaluate, predict
    from ocp_dc.api.run import Run
    from ocp_dc.api.training import train

__all__ = ["Run", "calculator", "evaluate", "extend", "finetune", "predict", "train"]
_MODULES = {  # imported when first used
    "Run": "ocp_dc.api.run",
    "evaluate": "ocp_dc.api.prediction",
    "extend": "ocp_dc.api.extending",
    "finetune": "ocp_dc.api.finetuning",
    "predict": "ocp_dc.api.prediction",
    "train": "ocp_dc.api.training",
}


def __getattr__(name: str) -> object:
    """Return a name of the Python API, whose modules take seconds to import."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_MODULES[name]), name)


def calculator(
    checkpoint: str | Path | Sequence[str | Path], cpu: bool = False, trust_modules: Sequence[str] = ()
) -> Calculator:
    """Return an ASE calculator of a trained checkpoint, with energies in eV (float64) and forces in eV/Å.

    Args:
        checkpoint: a ``best_checkpoint.pt`` or ``checkpoint.pt`` of fairchem 1.10, or a ``best_inference_ckpt.pt`` of
            fairchem 2; it is read as data. Or the folder or the name of a run, whose best checkpoint is taken. Several
            of these, or ``STUDY:ARM`` for all runs of one arm of a study, form an ensemble: the calculator predicts
            their mean, and its ``results`` also have ``energy_std`` and ``forces_std``, their spread.
        cpu: use the CPU even if there is a GPU.
        trust_modules: dotted names of modules whose code the checkpoint may name, besides fairchem's and ocp_dc's.

    Raises:
        ocp_dc.core.errors.UserError: the file is missing, damaged, hostile, or of a host that is not installed.
    """
    from ocp_dc.evaluation.calculator import PotentialCalculator  # these take seconds to import
    from ocp_dc.hosts import load_predictor

    return PotentialCalculator(load_predictor(checkpoint, cpu, trust_modules))
