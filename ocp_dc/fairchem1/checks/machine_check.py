"""Check that this machine has what a command line asks for: GPUs, ranks, and the login of a logger."""

from __future__ import annotations

import argparse
import logging
import math
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ocp_dc.core.errors import UserError
from ocp_dc.core.numbers import count

MINIMUM = {"num_gpus": 1, "num_nodes": 1, "gp_gpus": 1, "print_every": 1, "seed": 0, "slurm_mem": 1, "slurm_timeout": 1}
MAXIMUM = {"seed": 2**32 - 1}  # the largest seed of numpy's generator


def check_flags(args: argparse.Namespace) -> None:
    """Check the numbers among fairchem's flags, and that the files they name exist.

    Raises:
        UserError: a number is out of range, a file is missing, or a flag has no effect without another.
    """
    for name, least in MINIMUM.items():
        count(least, MAXIMUM.get(name, math.inf)).check(getattr(args, name), f"--{name.replace('_', '-')}")
    ranks = args.num_gpus * args.num_nodes
    if args.gp_gpus is not None and ranks % args.gp_gpus:
        raise UserError(
            f"--gp-gpus {args.gp_gpus}: expected a divisor of the number of ranks, {ranks} (--num-gpus times "
            "--num-nodes); each graph is split over that many ranks"
        )
    if args.sweep_yml is not None and not args.submit:
        raise UserError(
            f"--sweep-yml {args.sweep_yml}: has an effect only with --submit; use a study to run a sweep locally"
        )
    if args.sweep_yml is not None and not args.sweep_yml.is_file():
        raise UserError(f"--sweep-yml {args.sweep_yml}: no such file")


def settle_device(args: argparse.Namespace) -> None:
    """Set ``--cpu``, with one line of warning, if there is no GPU; submitted jobs are not changed.

    Raises:
        UserError: the command line asks for more ranks than there are GPUs.
    """
    if args.submit:
        return
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if args.num_gpus > max(gpus, 1) and not args.cpu:
        there = f"{gpus} GPUs" if gpus else "no GPU"
        raise UserError(
            f"--num-gpus {args.num_gpus}: this machine has {there}; ask for fewer, or add --cpu for "
            f"{args.num_gpus} ranks on the CPU"
        )
    if not args.cpu and gpus == 0:
        logging.warning("no GPU on this machine: using the CPU, as with --cpu")
        args.cpu = True
    if args.amp and args.cpu:
        logging.warning("--amp: mixed precision needs a GPU and has no effect on the CPU")


def check_logger(config: Mapping[str, Any]) -> None:
    """Check that there is a login for Weights & Biases: without one it prompts, or fails after folders are made.

    Raises:
        UserError: ``logger`` is wandb, which is also the default, and no login was found.
    """
    logger = config.get("logger", "wandb")
    name = logger if isinstance(logger, str) else logger["name"]
    if config.get("is_debug") or not name.startswith("wandb") or _can_log_in():
        return
    written = "logger: wandb" if "logger" in config else "logger: missing, and wandb is fairchem's default"
    raise UserError(
        f"{written}: no login to Weights & Biases was found; set logger: tensorboard (or null for none), log in with "
        "`wandb login`, or set WANDB_MODE=offline"
    )


def _can_log_in() -> bool:
    """Return whether wandb finds a key or needs none."""
    if os.environ.get("WANDB_MODE", "online") != "online" or os.environ.get("WANDB_DISABLED"):
        return True
    if os.environ.get("WANDB_API_KEY") or os.environ.get("WANDB_IDENTITY_TOKEN_FILE"):
        return True
    host = os.environ.get("WANDB_BASE_URL", "https://api.wandb.ai").split("://")[-1].split("/")[0].split(":")[0]
    home = Path.home()
    config = Path(os.environ.get("WANDB_CONFIG_DIR", home / ".config" / "wandb"), "settings")
    netrc = [Path(os.environ.get("NETRC", home / ".netrc")), home / "_netrc"]
    # a settings file may set a key, a mode or another host
    words = {**dict.fromkeys(netrc, (host,)), **dict.fromkeys((config, Path("wandb/settings")), ("api_key", "mode"))}
    return any(_mentions(path, wanted) for path, wanted in words.items())


def _mentions(path: Path, words: tuple[str, ...]) -> bool:
    try:
        text = path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return any(word in text for word in words)
