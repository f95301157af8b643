"""Label rescaling in the form of fairchem 1's checkpoints, so that a stock trainer undoes it."""

from __future__ import annotations

import torch

from ocp_dc.labels.rescaling import LabelRescaling


def stock_normalizers(rescaling: LabelRescaling) -> dict[str, dict[str, torch.Tensor]]:
    """Return label rescaling as the states of fairchem's normalizers, with which a stock trainer undoes it."""
    scale, zero = torch.tensor(rescaling.scale), torch.tensor(0.0)
    derivatives = {name: {"mean": zero, "rmsd": scale} for name in ("forces", "stress")}
    return {"energy": {"mean": torch.tensor(rescaling.mean), "rmsd": scale}, **derivatives}


def stock_references(rescaling: LabelRescaling) -> dict[str, dict[str, torch.Tensor]]:
    """Return the per-element center as the state of fairchem's element references; empty if there is no such center.

    Elements that are absent from the fit are NaN, so that a stock prediction for them is NaN instead of wrong.
    """
    if rescaling.references is None:
        return {}
    every_element = torch.full((119,), torch.nan)
    every_element[: len(rescaling.references)] = rescaling.references.float()
    return {"energy": {"element_references": every_element}}
