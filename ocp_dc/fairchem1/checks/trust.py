"""Check the code that the config of a checkpoint names, since another person may have written that file.

fairchem resolves names of models, trainers, data sets, losses and loggers by importing them, and calls the result with
arguments from the config; it evaluates names of transforms and metrics as Python. A user's own config may do so. In a
checkpoint, a name must be registered, or be a class of fairchem or ocp_dc of the right kind, or be in a module that
the user trusts by name. The check itself imports nothing that the config names.
"""

from __future__ import annotations

import builtins
import inspect
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_imports
from torch import nn

from ocp_dc.core.errors import UnsafeDataError, UserError

LIBRARIES = ("fairchem.core", "ocp_dc")
SPLITS = ("dataset", "val_dataset", "test_dataset", "relax_dataset")
MODEL_NAME_KEYS = ("name", "model", "module")  # of a model, a backbone, a head
_trusted: ContextVar[frozenset[str]] = ContextVar("trusted", default=frozenset())

# kind of name -> its table in the registry
REGISTERED = {
    "model": "model_name_mapping",
    "trainer": "trainer_name_mapping",
    "data set": "dataset_name_mapping",
    "loss": "loss_name_mapping",
    "logger": "logger_name_mapping",
}
# kind of name -> the module in whose namespace fairchem evaluates it as an expression
LOOKED_UP = {
    "transform": "fairchem.core.modules.transforms",
    "metric": "fairchem.core.modules.evaluator",
    "optimizer": "torch.optim",
    "scheduler": "torch.optim.lr_scheduler",
}


@contextmanager
def trusting(modules: Iterable[str]) -> Iterator[None]:
    """Trust these modules, in addition to those of enclosing blocks, for checkpoints read in this block.

    Args:
        modules: dotted names; a module is trusted with its submodules, and importing it runs its code.

    Raises:
        UserError: an entry is not the name of a module.
    """
    if isinstance(modules, str):
        raise UserError(f"trust_modules: got the text {modules!r}, expected a list such as [{modules!r}]")
    names = list(modules)
    for name in names:
        if not _is_module_name(name):
            raise UserError(f"--trust-module {name!r}: expected the dotted name of a module, such as my_models.schnet")
    token = _trusted.set(_trusted.get() | frozenset(names))
    try:
        yield
    finally:
        _trusted.reset(token)


def check_config(config: Mapping[str, Any], where: str) -> None:
    """Check every name in a config that fairchem would turn into code.

    Args:
        config: the config of a checkpoint, in the current layout of fairchem or an older one.
        where: the file, for messages.

    Raises:
        UnsafeDataError: a name is not among those that the module's docstring allows.
    """
    setup_imports()  # registers fairchem's own classes
    for path, kind, name in names_of_code(config):
        if not is_allowed(kind, name):
            module = name.rpartition(".")[0] if isinstance(name, str) else ""
            advice = ""
            if kind in REGISTERED and _is_module_name(module):
                advice = (
                    f" If you know that module and want to run its code, allow it: --trust-module {module} on the "
                    f"command line, trust_modules=[{module!r}] in Python"
                )
            raise UnsafeDataError(
                f"{where}: its config names {name!r} as {path}, which is not a {kind} of fairchem or ocp_dc; using it "
                f"could run any code, so the checkpoint is refused.{advice}"
            )


def modules_of(config: Mapping[str, Any]) -> list[str]:
    """Return the modules with the code that a config names, for a config that the user wrote."""
    names = [name for _, kind, name in names_of_code(config) if kind in REGISTERED and isinstance(name, str)]
    return sorted({module for name in names if _is_module_name(module := name.rpartition(".")[0])})


def is_allowed(kind: str, name: Any) -> bool:
    """Return whether a checkpoint may use a name as one of the kinds in ``REGISTERED`` and ``LOOKED_UP``."""
    if not isinstance(name, str):
        return False
    if kind in LOOKED_UP:
        return _is_harmless_lookup(kind, name)
    known = registry.mapping[REGISTERED[kind]]
    if name in known or name in {f"{each.__module__}.{each.__qualname__}" for each in known.values()}:
        return True
    module, _, last = name.rpartition(".")
    if not module:
        return True  # fairchem reports an unknown short name itself
    if any(module == trusted or module.startswith(f"{trusted}.") for trusted in _trusted.get()):
        return True
    return _is_library_class(getattr(sys.modules.get(module), last, None), kind) and _within(module)


def names_of_code(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    """Yield path, kind and value of each name in a config that fairchem resolves to code."""
    model = config.get("model")
    if isinstance(model, Mapping):
        yield from _names_of_model(model)
    elif model is not None:
        yield "model", "model", model
    yield from _names_of_model(_mapping(config.get("model_attributes")))  # checkpoints older than fairchem 1.0
    if config.get("trainer") is not None:
        yield "trainer", "trainer", config["trainer"]
    logger = config.get("logger")
    logger = logger.get("name") if isinstance(logger, Mapping) else logger
    if logger not in (None, "wandb_singleton"):  # fairchem handles wandb_singleton itself
        yield "logger", "logger", logger
    yield from _names_of_data(config)
    for key in ("loss_functions", "loss_fns"):
        for loss in _items(config.get(key)):
            for target, settings in _mapping(loss).items():
                if _mapping(settings).get("fn") is not None:
                    yield f"{key}.{target}.fn", "loss", settings["fn"]
    for key in ("evaluation_metrics", "eval_metrics"):
        for target, metrics in _mapping(_mapping(config.get(key)).get("metrics")).items():
            for name in _items(metrics):
                yield f"{key}.metrics.{target}", "metric", name
    optim = _mapping(config.get("optim"))
    for key, kind in (("optimizer", "optimizer"), ("scheduler", "scheduler")):
        if optim.get(key) is not None:
            yield f"optim.{key}", kind, optim[key]
    for key in ("loss_energy", "loss_force", "loss_forces"):
        if optim.get(key) is not None:
            yield f"optim.{key}", "loss", optim[key]


def _names_of_model(block: Mapping[str, Any], path: str = "model") -> Iterator[tuple[str, str, Any]]:
    """Yield the names of models at any depth: the backbone of a hydra may itself be a hydra."""
    for key, value in block.items():
        below = f"{path}.{key}"
        if isinstance(value, Mapping):
            yield from _names_of_model(value, below)
        elif isinstance(value, list | tuple):
            for part in value:
                yield from _names_of_model(_mapping(part), below)
        elif key in MODEL_NAME_KEYS and value is not None:
            yield below, "model", value


def _names_of_data(config: Mapping[str, Any]) -> Iterator[tuple[str, str, Any]]:
    for split in SPLITS:
        for block in _blocks(config.get(split)):
            if block.get("format") is not None:
                yield f"{split}.format", "data set", block["format"]
            for name in _items(block.get("transforms")):
                yield f"{split}.transforms", "transform", name
    if _mapping(config.get("task")).get("dataset") is not None:
        yield "task.dataset", "data set", config["task"]["dataset"]


def _blocks(data: Any) -> Iterator[Mapping[str, Any]]:
    """Yield every mapping within a description of data: a block, a list of blocks, or blocks within blocks."""
    if isinstance(data, Mapping):
        yield data
        data = data.values()
    elif not isinstance(data, (list, tuple)):
        return
    for part in data:
        yield from _blocks(part)


def _is_harmless_lookup(kind: str, name: str) -> bool:
    """Return whether a name is one identifier that finds a function or class of the right kind, or nothing."""
    if not (name.isascii() and name.isidentifier()):  # Python normalizes some other letters to ASCII ones
        return False
    if kind == "transform" and name in ("normalizer", "element_references"):
        return True  # fairchem skips these
    namespace = vars(sys.modules[LOOKED_UP[kind]])
    found = namespace.get(name, getattr(builtins, name, None))
    if found is None:
        return True
    if kind == "optimizer":
        return isinstance(found, type) and issubclass(found, torch.optim.Optimizer)
    if kind == "scheduler":
        bases = (torch.optim.lr_scheduler.LRScheduler, torch.optim.lr_scheduler.ReduceLROnPlateau)
        return isinstance(found, type) and issubclass(found, bases)
    return inspect.isfunction(found) and _within(found.__module__)


def _is_library_class(found: Any, kind: str) -> bool:
    """Return whether an object is a class of a kind defined in fairchem or ocp_dc, not only imported there."""
    if not isinstance(found, type) or not _within(found.__module__):
        return False
    from fairchem.core.common.logger import Logger
    from fairchem.core.trainers import BaseTrainer

    bases: dict[str, type] = {
        "model": nn.Module,
        "trainer": BaseTrainer,
        "data set": torch.utils.data.Dataset,
        "loss": nn.Module,
        "logger": Logger,
    }
    return issubclass(found, bases[kind])


def _is_module_name(name: Any) -> bool:
    return isinstance(name, str) and all(part.isidentifier() for part in name.split("."))


def _within(module: str) -> bool:
    return any(module == library or module.startswith(f"{library}.") for library in LIBRARIES)


def _mapping(value: Any) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}


def _items(value: Any) -> list[Any]:
    """Return the items of an iterable, the keys of a mapping included: fairchem evaluates all of them."""
    return list(value) if isinstance(value, Iterable) and not isinstance(value, (str, bytes)) else []
