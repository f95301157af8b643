"""A training run: its files, errors and config, and the potential that it made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ocp_dc.core.errors import UserError
from ocp_dc.training.run_files import RunFiles, find_run

if TYPE_CHECKING:
    import numpy as np
    from ase.calculators.calculator import Calculator


class Run:
    """A training run, finished or not.

    ``ocp_dc.Run("runs/first").history["forces_mae"]`` has the force errors of the validations.

    Args:
        folder: the folder of the run, or its name if it is in the folder ``runs``. With fairchem 1.10 also
            ``checkpoints/ID`` or ``results/ID``.

    Attributes:
        files: the files of the run.

    Raises:
        ocp_dc.core.errors.UserError: there is no such run.
    """

    def __init__(self, folder: str | Path) -> None:
        self.files: RunFiles = find_run(folder)

    @property
    def name(self) -> str:
        """The name of the run."""
        return self.files.name

    @property
    def folder(self) -> Path:
        """The folder of the run."""
        return self.files.folder

    @property
    def best(self) -> Path:
        """The checkpoint of the best validation.

        Raises:
            ocp_dc.core.errors.UserError: the run has not been validated yet.
        """
        if not self.files.best_checkpoint.is_file():
            raise UserError(f"run {self.name}: has no {self.files.best_checkpoint} yet; a validation writes it")
        return self.files.best_checkpoint

    @property
    def history(self) -> dict[str, np.ndarray]:
        """The columns of ``validation.csv`` by name, `[rows]` each: energies in eV, forces in eV/Å.

        ``pandas.DataFrame(run.history)`` makes a table of it.
        """
        from ocp_dc.training.validation_log import read_columns

        columns = read_columns(self.files.validation)
        columns.pop("crc32", None)  # a checksum of the row
        return columns

    @property
    def config(self) -> dict[str, Any]:
        """The resolved config, with every default filled in."""
        content: dict[str, Any] = yaml.safe_load(self.files.config.read_text(encoding="utf-8"))
        return content

    def calculator(self, cpu: bool = False, trust_modules: Sequence[str] = ()) -> Calculator:
        """Return an ASE calculator of the best checkpoint; see :func:`ocp_dc.calculator`.

        Args:
            cpu: use the CPU even if there is a GPU.
            trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.
        """
        from ocp_dc import calculator

        return calculator(self.best, cpu, trust_modules)

    def evaluate(self, data: str | Path, cpu: bool = False, trust_modules: Sequence[str] = ()) -> dict[str, Any]:
        """Return the errors of the best checkpoint; see :func:`ocp_dc.evaluate`.

        Args:
            data: a file or a folder of structures with labels.
            cpu: use the CPU even if there is a GPU.
            trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.
        """
        from ocp_dc.api.prediction import evaluate

        return evaluate(self.best, data, cpu=cpu, trust_modules=trust_modules)

    def __repr__(self) -> str:
        """Return the expression that opens the run."""
        return f"ocp_dc.Run({str(self.folder)!r})"
