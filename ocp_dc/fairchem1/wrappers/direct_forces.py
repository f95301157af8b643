"""What models share that can predict forces by a head of their own instead of deriving them from the energy."""

from __future__ import annotations

from typing import Any

from ocp_dc.errors import UserError


def forces_are_gradients(model: Any) -> bool:
    """Tell whether a model with fairchem's ``regress_forces`` and ``direct_forces`` takes forces as -dE/dx."""
    return bool(model.regress_forces and not model.direct_forces)


def refuse_direct_forces(model: Any) -> None:
    """Refuse direct forces: derivatives cannot be constrained where none are taken.

    Raises:
        UserError: the model predicts forces beside the energy.
    """
    if model.direct_forces:
        raise UserError(
            "model.direct_forces: got True together with a dc: block; forces would come from a head of their own and "
            "not be the derivatives of the energy; set direct_forces: false, or leave the dc: block out"
        )
