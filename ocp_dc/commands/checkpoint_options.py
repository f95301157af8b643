"""Arguments that commands share that use a checkpoint."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ocp_dc.evaluation.predictor import Predictor

CHECKPOINT = (
    "such as checkpoints/ID/best_checkpoint.pt or results/best_inference_ckpt.pt, a run's folder or its name, or "
    "STUDY:ARM for all runs of an arm of a study; several form an ensemble"
)


def add_checkpoint_options(parser: argparse.ArgumentParser) -> None:
    """Add the options with which a checkpoint predicts batches of structures."""
    parser.add_argument(
        "--batch-size", type=int, default=32, metavar="N", help="structures per evaluation, at most (default: 32)"
    )
    add_loading_options(parser)


def add_loading_options(parser: argparse.ArgumentParser) -> None:
    """Add the options with which a checkpoint is loaded."""
    add = parser.add_argument
    add("--cpu", action="store_true", help="use the CPU even if there is a GPU")
    add("--trust-module", action="append", default=[], metavar="M", help="run code of M where the checkpoint names it")


def load(args: argparse.Namespace) -> Predictor:
    """Return the checkpoint, or the ensemble, that the arguments name."""
    from ocp_dc.hosts import load_predictor

    return load_predictor(args.checkpoint, args.cpu, args.trust_module)
