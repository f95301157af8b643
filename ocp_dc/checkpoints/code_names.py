"""Check the code that the configs of a checkpoint of fairchem 2 name, since another person may have written that file.

fairchem imports what ``_target_`` names (by hydra) and what ``backbone.model``, ``heads.NAME.module`` and ``head_cls``
name (by its registry), and calls it with arguments from the file. Here such a name must be one that checkpoints of
fairchem and ocp_dc contain, a class of a package of models, or in a module that the user trusts by name. This check
imports nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ocp_dc.core.errors import UnsafeDataError, UserError

MODELS = ("fairchem.core.models.base.HydraModel", "ocp_dc.fairchem2.dc_model.DCHydraModel")
UNIT, NORMALIZATION = "fairchem.core.units.mlip_unit.mlip_unit", "fairchem.core.modules.normalization"
TENSORS = ("torch.DoubleTensor", "torch.FloatTensor", "torch.tensor")
TARGETS = (
    *MODELS,
    *TENSORS,
    "ocp_dc.fairchem2.train.losses.ForceMAELoss",
    f"{UNIT}.Task",
    f"{UNIT}.OutputSpec",
    f"{NORMALIZATION}.normalizer.Normalizer",
    "ocp_dc.fairchem2.labels.normalizer.Float64Normalizer",
    f"{NORMALIZATION}.element_references.ElementReferences",
    *(f"fairchem.core.modules.loss.{name}" for name in ("DDPMTLoss", "DDPLoss", "MAELoss", "MSELoss")),
    *(f"fairchem.core.modules.loss.{name}" for name in ("PerAtomMAELoss", "L2NormLoss")),
    "ocp_dc.fairchem2.train.losses.ForceMAELoss",
    *(f"torch.nn.{name}" for name in ("HuberLoss", "L1Loss", "MSELoss", "SmoothL1Loss")),
)
PACKAGES = ("fairchem.core.models", "ocp_dc.fairchem2")  # of backbones and heads
REGISTRY_KEYS = ("model", "module", "head_cls")
FORBIDDEN_KEYS = ("finetune_config",)  # fairchem unpickles the file that it names
SHORT_NAME = re.compile(r"[A-Za-z]\w*", re.ASCII)
CLASS_NAME = re.compile(r"[a-z]\w*(\.[a-z]\w*)+\.[A-Za-z]\w*", re.ASCII)
MODULE_NAME = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*", re.ASCII)
MOST_NUMBERS = 1000  # elements of a tensor in a config; 119 elements are known


def check_names(config: Any, where: str, path: str, trust_modules: Iterable[str] = ()) -> None:
    """Check every name in a plain config that fairchem would turn into code.

    Args:
        config: the config of the model, or of a task.
        where: the file, for messages.
        path: the place of the config in the file, for messages.
        trust_modules: dotted names of modules whose code may run; a module is trusted with its submodules.

    Raises:
        UnsafeDataError: a name is not among those that the module's docstring allows.
        UserError: an entry of ``trust_modules`` is not the name of a module.
    """
    trusted = _module_names(trust_modules)
    for place, key, value, block in _names(config, path):
        if key in FORBIDDEN_KEYS:
            raise UnsafeDataError(
                f"{where}: its config has {place}, which names a file that fairchem would unpickle; the checkpoint is "
                "refused"
            )
        allowed = _is_target(value) if key == "_target_" else is_model_name(value)
        if not allowed and not (isinstance(value, str) and CLASS_NAME.fullmatch(value) and _within(value, trusted)):
            raise UnsafeDataError(
                f"{where}: its config names {value!r:.80} as {place}, which is not a class that a checkpoint of "
                f"fairchem or ocp_dc names there; using it could run any code, so the checkpoint is refused."
                f"{_advice(value)}"
            )
        if key == "_target_" and value in TENSORS:
            _check_numbers(block, where, place)


def is_model_name(name: Any) -> bool:
    """Return whether a name may be that of a backbone or a head: a registered one, or a class of a known package."""
    if not isinstance(name, str):
        return False
    return bool(SHORT_NAME.fullmatch(name)) or bool(CLASS_NAME.fullmatch(name) and _within(name, PACKAGES))


def model_names(config: Mapping[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the place and the name of each backbone and head in a config that :func:`check_names` accepted."""
    return ((place, value) for place, key, value, _ in _names(config, path) if key in REGISTRY_KEYS)


def _is_target(name: Any) -> bool:
    return isinstance(name, str) and name in TARGETS


def _names(value: Any, path: str) -> Iterator[tuple[str, str, Any, Mapping[str, Any]]]:
    """Yield path, key, value and block of each name, at any depth."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            place = f"{path}.{key}"
            known = key == "_target_" or (key in (*REGISTRY_KEYS, *FORBIDDEN_KEYS) and part is not None)
            if known and not (key in REGISTRY_KEYS and isinstance(part, (Mapping, list))):
                yield place, key, part, value
            yield from _names(part, place)
    elif isinstance(value, list):
        for index, part in enumerate(value):
            yield from _names(part, f"{path}.{index}")


def _check_numbers(block: Mapping[str, Any], where: str, place: str) -> None:
    """Check that a tensor is made of a list of numbers: one number would be a size, which may be huge."""
    arguments = block.get("_args_")
    numbers = arguments[0] if isinstance(arguments, list) and len(arguments) == 1 else None
    plain = isinstance(numbers, list) and all(type(number) in (int, float) for number in numbers)
    others = set(block) - {"_target_", "_args_", "_convert_", "_recursive_"}
    if not plain or len(numbers) > MOST_NUMBERS or others:  # type: ignore[arg-type]
        raise UnsafeDataError(
            f"{where}: its config makes a tensor at {place} of something other than one list of at most "
            f"{MOST_NUMBERS} numbers; the checkpoint is refused"
        )


def _module_names(names: Iterable[str]) -> tuple[str, ...]:
    if isinstance(names, str):
        raise UserError(f"trust_modules: got the text {names!r}, expected a list such as [{names!r}]")
    for name in (names := tuple(names)):
        if not (isinstance(name, str) and MODULE_NAME.fullmatch(name)):
            raise UserError(f"--trust-module {name!r}: expected the dotted name of a module, such as my_models.schnet")
    return names


def _within(name: str, modules: Iterable[str]) -> bool:
    return any(name.startswith(f"{module}.") for module in modules)


def _advice(name: Any) -> str:
    module = name.rpartition(".")[0] if isinstance(name, str) and CLASS_NAME.fullmatch(name) else ""
    if not module:
        return ""
    return (
        f" If you know that module and want to run its code, allow it: --trust-module {module} on the command line, "
        f"trust_modules=[{module!r}] in Python"
    )
