"""Ensembles: the mean of several checkpoints, and their spread as a measure of the uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms

from ocp_dc.core.errors import UserError
from ocp_dc.evaluation.predictor import Arrays, Predictor


class EnsemblePredictor:
    """The mean of the predictions of M checkpoints, which are kept in memory together.

    Beside the properties of its members it predicts

    * ``energy_std`` [B] in eV: the standard deviation of the energies, sqrt(mean over members of (E - mean E)²);
    * ``forces_std`` [N] in eV/Å, of each atom: the root mean square over members of the length of F - mean F. It does
      not depend on the orientation, and compares with the length of the error of a force.

    Both divide by M, not by M - 1.

    Args:
        members: the checkpoints.
        names: their names, for messages.

    Attributes:
        properties: the properties of the members, whose means it predicts.
        spreads: ``energy_std``, and ``forces_std`` if the members predict forces.

    Raises:
        UserError: there are fewer than two members, or they do not predict the same properties.
    """

    def __init__(self, members: Sequence[Predictor], names: Sequence[str]) -> None:
        if len(members) < 2:
            raise UserError(f"ensemble: got {len(members)} checkpoint(s), expected two or more")
        self.members, self.names = tuple(members), tuple(names)
        self.properties: tuple[str, ...] = members[0].properties
        self.spreads = tuple(f"{name}_std" for name in ("energy", "forces") if name in self.properties)
        for name, member in zip(self.names, self.members, strict=True):
            if member.properties != self.properties:
                raise UserError(
                    f"ensemble: {name} predicts {', '.join(member.properties)}, but {self.names[0]} "
                    f"{', '.join(self.properties)}; expected checkpoints with the same properties"
                )

    def predict(self, structures: Sequence[Atoms], energies: bool = False) -> Arrays:
        """Return the means, ``energy_std``, and ``forces_std`` if the members predict forces.

        Args:
            structures: ase's atoms.
            energies: return the means of the energies of the atoms, too.

        Raises:
            UserError: a member raises it, for example for an element that was not in its training data.
        """
        found = [self._of_member(index, structures, energies) for index in range(len(self.members))]
        stacked = {name: np.stack([each[name] for each in found]) for name in found[0]}  # [M, ...]
        arrays = {name: values.mean(axis=0) for name, values in stacked.items()}
        arrays["energy_std"] = stacked["energy"].std(axis=0)  # [M, B] -> [B]
        if "forces" in stacked:
            deviations = stacked["forces"] - arrays["forces"]  # [M, N, 3]
            arrays["forces_std"] = np.sqrt((deviations**2).sum(axis=2).mean(axis=0))  # [N]
        return arrays

    def _of_member(self, index: int, structures: Sequence[Atoms], energies: bool) -> Arrays:
        try:
            return self.members[index].predict(structures, energies)
        except UserError as error:
            raise UserError(f"{self.names[index]}: {error}") from error
