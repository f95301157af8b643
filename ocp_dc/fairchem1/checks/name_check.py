"""Check the names in a run config: trainer, logger, data formats, outputs and their labels."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fairchem.core.common.registry import registry
from fairchem.core.models.base import BackboneInterface, HeadInterface
from fairchem.core.trainers.base_trainer import BaseTrainer
from torch import nn
from torch.utils.data import Dataset

from ocp_dc.core.errors import UserError, nearest, unknown_name
from ocp_dc.fairchem1.host_patches.lazy_names import loaded

KNOWN_MODULES = (
    "fairchem.core.models.",
    "ocp_dc.fairchem1.",
)  # their models have known outputs, unless they are hydras
# kinds of classes allowed in each place: not all of fairchem's backbones derive from BackboneInterface
PARTS = {"model": ("model",), "backbone": ("backbone", "model"), "head": ("head",)}
STRUCTURAL = ("pos", "atomic_numbers", "cell", "natoms", "pbc")  # fields of a sample that are not labels
BALANCING = ("atoms", "neighbors", False)  # fairchem's configs have neighbors, read only with several ranks
BALANCING_ON_ERROR = ("warn_and_balance", "warn_and_no_balance", "raise")


def check_names(config: Mapping[str, Any]) -> None:
    """Check the names of a run config outside ``optim`` and ``model``.

    Args:
        config: the resolved config; its structure has been checked.

    Raises:
        UserError: a name is unknown, or of the wrong kind for its place.
    """
    trainer_class(config)
    logger = config.get("logger", "wandb")
    name = logger if isinstance(logger, str) else logger["name"]
    if name != "wandb_singleton":  # used by fairchem's trainers, but not registered
        find_class("logger", name, "logger_name_mapping", registry.get_logger_class, object)
    for split, block in config["dataset"].items():
        if "format" in (block or {}):
            path = f"data format in dataset.{split}.format"
            find_class(path, block["format"], "dataset_name_mapping", registry.get_dataset_class, Dataset)
    for key, choices in (("load_balancing", BALANCING), ("load_balancing_on_error", BALANCING_ON_ERROR)):
        value = config["optim"].get(key)
        if value is not None and value not in choices:
            raise UserError(f"optim.{key}: got {value!r}, expected one of {', '.join(map(str, choices))}")
    _check_outputs(config)
    _check_key_mappings(config)
    _warn_of_one_set_for_two(config["dataset"])


def trainer_class(config: Mapping[str, Any]) -> type:
    """Return the class of a config's trainer.

    Raises:
        UserError: there is no such trainer, or it is abstract.
    """
    name = config.get("trainer", "ocp")
    return find_class("trainer", name, "trainer_name_mapping", registry.get_trainer_class, BaseTrainer)


def find_class(kind: str, name: Any, table: str, get: Callable[[str], type], base: type) -> type:
    """Return the class that fairchem's registry has under a name, or that a dotted path leads to.

    Args:
        kind: the kind of name, for messages.
        name: the registered name or dotted path.
        table: the registry's table of known names.
        get: the registry's function for this kind.
        base: the class that it must derive from.

    Raises:
        UserError: the name is unknown, its module cannot be imported, or it is of another kind.
    """
    if not isinstance(name, str):
        raise UserError(f"{kind}: got {name!r}, expected one of {', '.join(sorted(_known(table)))}")
    try:
        found = get(name)
    except RuntimeError as error:
        if "." not in name:
            raise unknown_name(kind, name, _known(table)) from None
        raise UserError(f"{kind}: {name} is not a class that can be imported ({error.__cause__ or error})") from error
    except Exception as error:  # importing a module may raise anything
        raise UserError(f"{kind}: {name} cannot be imported ({type(error).__name__}: {error})") from error
    if not isinstance(found, type) or not issubclass(found, base):
        raise UserError(f"{kind}: {name} is not a {base.__name__}; expected one of {', '.join(sorted(_known(table)))}")
    if inspect.isabstract(found):
        raise UserError(f"{kind}: {name!r} is an abstract base class; expected one of {', '.join(_known(table))}")
    return found


def _known(table: str) -> list[str]:
    return [name for name, found in registry.mapping[table].items() if not inspect.isabstract(found)]


def model_class(name: str, path: str, part: str = "model") -> type:
    """Return the class that a name in a ``model`` block refers to.

    Args:
        name: a registered name or a dotted path.
        path: its path in the config.
        part: ``model``, or ``backbone`` or ``head`` of a hydra.

    Raises:
        UserError: the name is unknown, or refers to another part.
    """
    names = registry.mapping["model_name_mapping"]
    if "." not in name and name not in names:
        raise unknown_name(path, name, [each for each, found in names.items() if _model_part(found) == part])
    found = find_class(path, name, "model_name_mapping", registry.get_model_class, nn.Module)
    kind = _model_part(found)
    if kind not in PARTS[part]:
        place = f"it goes under model.{'heads' if kind == 'head' else kind} of a hydra, as in configs/md17/_esen.yml"
        mend = (
            place
            if kind != "model"
            else f"such as {', '.join(n for n, each in names.items() if _model_part(each) == part)}"
        )
        raise UserError(f"{path}: {name!r} is a {kind}, not a {part}; {mend}")
    return found


def _model_part(found: type) -> str:
    names = [name for name, each in loaded("model_name_mapping") if each is found]
    parameter = inspect.signature(found).parameters.get("backbone")
    if issubclass(found, HeadInterface) or (parameter is not None and parameter.default is parameter.empty):
        return "head"
    is_backbone = issubclass(found, BackboneInterface) or any("_backbone" in name for name in names)
    return "backbone" if is_backbone else "model"


def _check_outputs(config: Mapping[str, Any]) -> None:
    """Check that the model has the outputs of the config, and that every metric is of one of them."""
    outputs, model = config["outputs"], config["model"]
    parts = [part for block in outputs.values() for part in block.get("decomposition") or ()]
    given = _given_outputs(model)
    for name, block in outputs.items() if given else ():
        for needed in block.get("decomposition") or [name]:
            if needed not in given:
                raise UserError(
                    f"outputs: {needed!r} is not an output of the model: {model['name']} gives {' and '.join(given)}; "
                    f"remove it, or use a model with a head for it.{nearest(needed, given)}"
                )
    for name in ("forces", "stress"):
        if name in outputs and model.get("regress_forces") is False:
            raise UserError(
                f"model.regress_forces: got false, but outputs asks for {name}; set it to true, or remove {name} from "
                "outputs and loss_functions"
            )
    if "stress" in outputs and model.get("use_pbc") is False:
        raise UserError(
            "model.use_pbc: got false, but outputs asks for stress, which needs periodic boundaries; set it to true, "
            "or remove stress from outputs and loss_functions"
        )
    for target in (config.get("evaluation_metrics") or {}).get("metrics") or {}:
        known = [*outputs, *parts, "misc"]
        if target not in known:
            raise unknown_name("target in evaluation_metrics.metrics", target, known)


def _given_outputs(model: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the outputs of a model of fairchem or ocp_dc; empty for models with heads and for other packages."""
    if (
        "backbone" in model
        or "heads" in model
        or not model_class(model["name"], "model").__module__.startswith(KNOWN_MODULES)
    ):
        return ()
    return ("energy", "forces", "stress")  # the stress of most models, see ocp_dc.fairchem1.wrappers.stress


def _check_key_mappings(config: Mapping[str, Any]) -> None:
    """Check that key mappings go from names in the data to names of outputs, and not in the opposite direction."""
    for split, block in config["dataset"].items():
        mapping = (block or {}).get("key_mapping") or {}
        if structural := [key for key in STRUCTURAL if key in mapping]:
            raise UserError(
                f"dataset.{split}.key_mapping: got {structural[0]!r}, from which the model makes its graph; expected "
                "names of labels, such as {y: energy, force: forces}"
            )
        new = {name for value in mapping.values() for name in (value if isinstance(value, list) else [value])}
        turned = sorted(key for key in mapping if key in config["outputs"] and key not in new)
        if turned and not new & set(config["outputs"]):
            pairs = ", ".join(f"{value}: {key}" for key, value in mapping.items())
            raise UserError(
                f"dataset.{split}.key_mapping: got {dict(mapping)}, the wrong way round; expected the names in the "
                f"data first: {{{pairs}}}"
            )


def _warn_of_one_set_for_two(dataset: Mapping[str, Any]) -> None:
    training = _sources(dataset.get("train"))
    same = [split for split in ("val", "test") if training & _sources(dataset.get(split))]
    if same:
        both = " and ".join(f"dataset.{split}" for split in same)
        shared = ", ".join(sorted({path for split in same for path in training & _sources(dataset[split])}))
        logging.warning(
            f"{both} and dataset.train are the same data ({shared}): these errors say nothing about structures that "
            "the model has not seen"
        )


def _sources(block: Mapping[str, Any] | None) -> set[str]:
    source = (block or {}).get("src") or []
    return {str(Path(path).resolve()) for path in ([source] if isinstance(source, str) else source)}
