"""The physics-informed tasks of arXiv 2310.01649, trained with DeepXDE."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ocp_dc.pinn.deepxde.trained import Trained

__all__ = ["check", "load", "resolve", "train"]


def resolve(
    config: str | Path | Mapping[str, Any], overrides: Sequence[str] = (), budget: str = "full", seed: int | None = None
) -> dict[str, Any]:
    """Return a config with all defaults filled in; see :func:`ocp_dc.pinn.config.resolve`."""
    from ocp_dc.pinn.config import resolve

    return resolve(config, overrides, budget, seed)


def check(config: Mapping[str, Any], cpu: bool = False) -> str:
    """Build everything that a training run needs, without training, and return the report of surgery.

    Args:
        config: a config that :func:`resolve` returned.
        cpu: use the CPU even if there is a GPU.

    Raises:
        ocp_dc.core.errors.UserError: the training run would report this error before its first step.
    """
    from ocp_dc.pinn.deepxde.training import check

    return check(config, cpu)


def train(
    config: str | Path | Mapping[str, Any],
    out: str | Path,
    overrides: Sequence[str] = (),
    budget: str = "full",
    seed: int | None = None,
    cpu: bool = False,
    progress: bool = True,
) -> dict[str, Any]:
    """Train one task, or resume the training run in the folder, and return the test errors.

    Args:
        config: a file such as ``configs/pinn/advection.yml``, or its content.
        out: the folder of the training run; :mod:`ocp_dc.pinn.folder` lists its files.
        overrides: texts such as ``--dc.activation=irelu``.
        budget: ``full`` or ``smoke``.
        seed: replaces the seed of the config.
        cpu: use the CPU even if there is a GPU.
        progress: show a progress bar.

    Returns:
        The content of ``test.json``: MSE, RMSE and nRMSE over the last 20 time steps, in the units of the data.

    Raises:
        ocp_dc.core.errors.UserError: the config, the data or the folder is not valid; raised before training.
        ocp_dc.core.errors.DivergenceError: a loss is not finite.
        KeyboardInterrupt: Ctrl-C was pressed; the training run is saved, and the same call resumes it.
    """
    from ocp_dc.pinn.deepxde.training import train

    return train(resolve(config, overrides, budget, seed), Path(out), cpu, progress)


def load(path: str | Path) -> Trained:
    """Return a trained network, which maps coordinates to fields in physical units.

    Args:
        path: a ``model.pt`` or ``best.pt``; it is read as data.

    Raises:
        ocp_dc.core.errors.UserError: the file is missing, damaged or hostile.
    """
    from ocp_dc.pinn.deepxde.trained import Trained

    return Trained.load(Path(path))
