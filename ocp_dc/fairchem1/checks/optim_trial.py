"""Try the optimizer and the schedule on small parameters: only torch can check their arguments."""

from __future__ import annotations

import contextlib
import inspect
import math
import warnings
from collections.abc import Iterator, Mapping
from typing import Any

import torch
from fairchem.core.modules.scheduler import LRScheduler

from ocp_dc.core.errors import UserError
from ocp_dc.training import schedule

STEPS_PER_EPOCH = 10  # of the trial; the true number is unknown until the data are open
STEPS = 3
GPU_ONLY = ("fused", "capturable")  # options for parameters on a GPU


def try_optim(optim: Mapping[str, Any], fills_length: bool) -> None:
    """Build the optimizer and the schedule of an ``optim`` block, and take a few steps.

    Args:
        optim: the block; its names and numbers have been checked.
        fills_length: whether the trainer fills in the length of a schedule if the block does not give it.

    Raises:
        UserError: torch rejects an argument, or a learning rate is negative or not finite.
    """
    name, given = optim.get("optimizer", "AdamW"), optim.get("optimizer_params") or {}
    parameters = [torch.nn.Parameter(torch.ones(2, 2)) for _ in range(2)]
    decays = optim.get("weight_decay", given.get("weight_decay", 0))
    groups = [{"params": [each]} for each in parameters] if decays else [{"params": parameters}]
    with _report_torch_errors(f"optim.optimizer ({name}): its optimizer_params {dict(given)}"):
        optimizer = _without_compiler(getattr(torch.optim, name))(groups, lr=optim["lr_initial"], **given)
        if not any(given.get(key) for key in GPU_ONLY):
            for each in parameters:
                each.grad = torch.ones_like(each)
            optimizer.step()  # LBFGS and SparseAdam stop here, as they would in fairchem
    if "scheduler_params" in optim:  # fairchem's trainers of EquiformerV2 and eSEN build it themselves
        return
    kind = optim.get("scheduler", "LambdaLR")
    filled = schedule.with_length(dict(optim), range(STEPS_PER_EPOCH)) if fills_length else dict(optim)
    with _report_torch_errors(f"optim.scheduler ({kind})"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the optimizer takes no steps here
        scheduler = LRScheduler(optimizer, filled)
        for _ in range(STEPS):
            scheduler.step(metrics=1.0) if kind == "ReduceLROnPlateau" else scheduler.step()
    for group in optimizer.param_groups:
        if not math.isfinite(group["lr"]) or group["lr"] < 0:
            raise UserError(f"optim.scheduler ({kind}): gives a learning rate of {group['lr']} after {STEPS} steps")


def _without_compiler(optimizer_class: Any) -> Any:
    """Return a subclass without the decorators that exclude methods from compilation: they import torch's compiler."""
    methods = {
        "add_param_group": inspect.unwrap(optimizer_class.add_param_group),
        "step": torch.no_grad()(inspect.unwrap(optimizer_class.step)),
    }
    return type(optimizer_class.__name__, (optimizer_class,), methods)


@contextlib.contextmanager
def _report_torch_errors(what: str) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # torch checks some arguments and fails on others with errors of any type
        text = str(error).split("__init__() ")[-1] if isinstance(error, TypeError) else str(error)
        text = f"{text} is missing" if isinstance(error, KeyError) else text
        raise UserError(f"{what}: {' '.join(text.split())}") from error
