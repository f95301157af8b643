"""Inference checkpoints of fairchem 2, read as data; see :mod:`ocp_dc.checkpoints.inference_checkpoint`."""

from __future__ import annotations

from ocp_dc.checkpoints.inference_checkpoint import (
    InferenceCheckpoint,
    read_inference_checkpoint,
    write_inference_checkpoint,
)

__all__ = ["InferenceCheckpoint", "read_inference_checkpoint", "write_inference_checkpoint"]
