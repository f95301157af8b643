"""Read checkpoints as data, write them atomically, and build the entries that fairchem reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import nn

from ocp_dc import __version__
from ocp_dc.core.files import replacing
from ocp_dc.fairchem1.checks.model_arguments import check_saved_arguments
from ocp_dc.fairchem1.checks.trust import check_config
from ocp_dc.labels import LabelRescaling
from ocp_dc.labels.fairchem1_form import stock_normalizers, stock_references
from ocp_dc.training.checkpoint_check import check_parts, check_values
from ocp_dc.training.plain import as_plain_data
from ocp_dc.training.plain_content import check_tree
from ocp_dc.training.safe_torch import load_torch


def read_checkpoint(path: Any, map_location: Any = None) -> dict[str, Any]:
    """Read a checkpoint as data: it can neither run code nor name code that may not run.

    Raises:
        UnsafeDataError: the file holds more than tensors and plain values, or its config names untrusted code; see
            :mod:`ocp_dc.fairchem1.checks.trust`.
        UserError: the file does not exist, is not a checkpoint, is damaged, or holds numbers that are not finite.
    """
    where = f"checkpoint {path}"
    checkpoint = load_torch(path, "checkpoint", map_location)
    check_parts(checkpoint, where)
    check_tree(checkpoint["config"], where)
    check_config(checkpoint["config"], where)
    check_saved_arguments(checkpoint["config"], where)
    check_values(checkpoint, where)
    return checkpoint


def write_checkpoint(state: dict[str, Any], path: Path) -> None:
    """Write a checkpoint atomically: a kill or a full disk during the write leaves the previous checkpoint intact.

    Raises:
        WriteError: the file cannot be written.
    """
    with replacing(path) as new:
        torch.save(state, new)


def host_entries(
    config: Mapping[str, Any],
    metrics: Mapping[str, Any] | None,
    normalizers: Mapping[str, nn.Module],
    references: Mapping[str, nn.Module],
    rescaling: LabelRescaling | None,
) -> dict[str, Any]:
    """Return the entries of a checkpoint that fairchem reads in addition to the training state.

    Args:
        config: the config of the run.
        metrics: the validation metrics to store.
        normalizers: fairchem's normalizers, by output.
        references: fairchem's element references, by output.
        rescaling: the label rescaling, which is also stored in fairchem's form; None without one.
    """
    entries: dict[str, Any] = {
        "normalizers": {name: module.state_dict() for name, module in normalizers.items()},
        "elementrefs": {name: module.state_dict() for name, module in references.items()},
        "config": as_plain_data(config),
        "val_metrics": as_plain_data(metrics),
        "ocp_dc_version": __version__,
    }
    if rescaling is not None:
        entries["normalizers"] |= stock_normalizers(rescaling)
        entries["elementrefs"] |= stock_references(rescaling)
    return entries
