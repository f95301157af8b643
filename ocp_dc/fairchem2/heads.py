"""The head of native backbones."""

from __future__ import annotations

from typing import TYPE_CHECKING

from fairchem.core.models.base import HeadInterface
from fairchem.core.models.uma.outputs import compute_hessian
from torch import Tensor, nn

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.backbones.native import NativeBackbone

if TYPE_CHECKING:
    from fairchem.core.datasets.atomic_data import AtomicData

Outputs = dict[str, Tensor | dict[str, Tensor]]


class GradientHead(nn.Module, HeadInterface):
    """Energies, and forces -dE/dx and stresses dE/dε / V as the backbone's ``regress_config`` says.

    It has no parameters: the last layers belong to the potential. Energies [B] are in eV, forces [N, 3] in eV/Å, and
    stresses [B, 9] in eV/Å³, each in the precision of the model.

    Args:
        backbone: the backbone.
        prefix: put before the names of the outputs, with an underscore.
        wrap_property: whether an output is a dictionary with the property, ``{"energy": {"energy": ...}}``, which
            fairchem's tasks expect with ``pass_through_head_outputs: true``.

    Raises:
        UserError: the backbone is not a native one.
    """

    conservative = True

    def __init__(self, backbone: NativeBackbone, prefix: str | None = None, wrap_property: bool = True) -> None:
        super().__init__()
        if not isinstance(backbone, NativeBackbone):
            raise UserError(
                f"model.heads: GradientHead got the backbone {type(backbone).__name__}, expected one of "
                "ocp_dc.fairchem2.backbones; for eSCN-MD take fairchem.core.models.uma.escn_md.MLP_EFS_Head"
            )
        self.prefix, self.wrap_property = prefix, wrap_property
        self.regress_config = backbone.regress_config
        self.exact = backbone.potential.has_exact_gradients

    def forward(self, data: AtomicData, emb: dict[str, Tensor]) -> Outputs:
        """Return the outputs by name.

        Args:
            data: the batch.
            emb: the outputs of the backbone.
        """
        found = dict(emb)
        if self.regress_config.hessian:
            found["hessian"] = self._hessian(data, emb)
        return {
            f"{self.prefix}_{name}" if self.prefix else name: {name: value} if self.wrap_property else value
            for name, value in found.items()
        }

    def _hessian(self, data: AtomicData, emb: dict[str, Tensor]) -> Tensor:
        if len(data.natoms) != 1:
            raise UserError(
                f"the Hessian is computed for one structure at a time, and the batch has {len(data.natoms)}"
            )
        if not self.exact:
            raise UserError("the Hessian needs exact derivatives of the energy; set angle_gradients: exact")
        # row by row: not every function of the potentials has a rule for vmap
        hessian: Tensor = compute_hessian(emb["forces"], data.pos, vmap=False, training=self.training)
        return hessian
