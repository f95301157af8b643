"""Keep the layers that surgery changed when fairchem prepares a backbone for inference.

Two of fairchem's optimizations bring stock layers back: merging the experts of a mixture builds a new stock backbone,
and the fast kernels of UMA compute SiLU and layer norms themselves.
"""

from __future__ import annotations

import logging
from typing import Any

from fairchem.core.models.uma.nn.execution_backends import ExecutionBackend, ExecutionMode, get_execution_backend
from fairchem.core.units.mlip_unit.api.inference import MergeMoleConsistencyError


def keep_surgery(backbone: Any, settings: Any) -> None:
    """Refuse to merge experts, and replace fast kernels by the general ones.

    Args:
        backbone: a backbone that surgery changed.
        settings: fairchem's inference settings.

    Raises:
        MergeMoleConsistencyError: ``settings`` ask to merge the experts of this backbone. Fairchem's predict unit
            catches it, and goes on with ``merge_mole`` and ``compile`` off.
    """
    if settings.merge_mole and getattr(backbone, "num_experts", 0) > 0:
        raise MergeMoleConsistencyError(
            "the dc: block changed layers of the backbone, and merging its experts would bring the stock layers back; "
            "with region: output experts can be merged"
        )
    if type(getattr(backbone, "backend", None)) in (type(None), ExecutionBackend):
        return
    logging.warning(
        f"The kernels of {type(backbone.backend).__name__} compute stock activations and norms, and the dc: block "
        "changed layers of the backbone; the general kernels are used instead"
    )
    general = get_execution_backend(ExecutionMode.GENERAL)
    for part in backbone.modules():
        if isinstance(getattr(part, "backend", None), ExecutionBackend):
            part.backend = general  # a backend holds no state
