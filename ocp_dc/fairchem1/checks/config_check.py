"""Check a resolved config before anything is built: names, keys, and blocks that contradict each other."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from fairchem.core.common.registry import registry

from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.options import check_keys
from ocp_dc.fairchem1.checks import model_arguments
from ocp_dc.fairchem1.checks.block_check import check_blocks
from ocp_dc.fairchem1.checks.dataset_check import check_split
from ocp_dc.fairchem1.checks.known_keys import is_ours
from ocp_dc.fairchem1.checks.loss_check import check_losses
from ocp_dc.fairchem1.checks.loss_trial import metric_names, try_metric
from ocp_dc.fairchem1.checks.model_check import read_dc
from ocp_dc.fairchem1.checks.name_check import check_names, model_class, trainer_class
from ocp_dc.fairchem1.checks.optim_check import check_optim
from ocp_dc.fairchem1.checks.schedule_check import check_plateau
from ocp_dc.fairchem1.checks.unknown_keys import check_unknown_keys
from ocp_dc.fairchem1.checks.value_check import check_values
from ocp_dc.fairchem1.train.scale_factors import read_scale_file
from ocp_dc.fairchem1.train.transform import TRANSFORM_NAME
from ocp_dc.labels import LabelOptions

WITH_PRIMARY_METRIC = ("forces", "energy", "equiformerv2_forces", "equiformerv2_energy")  # trainers with a default
TRANSFORMS = ("normalizer", "element_references", "decompose_tensor", TRANSFORM_NAME)


def check_run_config(config: Mapping[str, Any], overrides: Iterable[str] = ()) -> None:
    """Check the config of a run, as fairchem's main resolves it from file and overrides.

    Args:
        config: the config.
        overrides: the dotted keys given on the command line, all of which must have an effect.

    Raises:
        UserError: a key or name is unknown, a value is of the wrong kind, or blocks contradict each other.
    """
    check_blocks(config)
    trainer = trainer_class(config)
    check_unknown_keys(config, trainer, overrides)
    for block in ("model", "dataset", "optim", "loss_functions", "outputs"):
        if not config.get(block):
            raise UserError(f"config: the block '{block}' is missing; see the configs that ship with ocp_dc")
    check_model(config["model"])
    check_names(config)
    check_optim(config["optim"], trainer)
    check_losses(config["loss_functions"], config["outputs"])
    check_values(config)
    check_metrics(config.get("evaluation_metrics") or {})
    check_targets_of_metrics(config.get("evaluation_metrics") or {}, config["outputs"])
    for target, names in ((config.get("evaluation_metrics") or {}).get("metrics") or {}).items():
        for name in names:
            try_metric(target, name, config["outputs"])
    if not is_ours(trainer):  # the trainer dc reads them itself
        read_scale_file(config["model"])
    dataset = config["dataset"]
    for split, block in dataset.items():
        if is_ours(trainer):  # only a warning with other trainers: fairchem's own configs have it
            check_references(block or {}, dataset.get("train") or {}, f"dataset.{split}")
        transforms = (block or {}).get("transforms") or {}
        check_transforms(transforms, f"dataset.{split}.transforms")
        check_split(block or {}, f"dataset.{split}", _format(block or {}, dataset.get("train") or {}))
        if (
            split != "train"
            and TRANSFORM_NAME in transforms
            and TRANSFORM_NAME not in ((dataset.get("train") or {}).get("transforms") or {})
        ):
            raise UserError(
                f"dataset.{split}.transforms.{TRANSFORM_NAME}: it is fitted on the training set; move it to "
                f"dataset.train.transforms, which applies to the other splits too"
            )
    if TRANSFORM_NAME in ((dataset.get("train") or {}).get("transforms") or {}) and not is_ours(trainer):
        raise UserError(
            f"dataset.train.transforms.{TRANSFORM_NAME}: trainer {config.get('trainer', 'ocp')!r} cannot convert "
            "predictions back to eV; set 'trainer: dc'"
        )
    check_primary_metric(config, trainer)
    check_plateau(config)


def _format(block: Mapping[str, Any], train: Mapping[str, Any]) -> str:
    return str(block.get("format", train.get("format", "lmdb")))


def check_references(block: Mapping[str, Any], train: Mapping[str, Any], path: str) -> None:
    """Raise UserError for linear references that fairchem reads but does not subtract from the energies."""
    file_format = _format(block, train)
    if block.get("lin_ref") and not file_format.startswith("ase"):
        raise UserError(
            f"{path}.lin_ref: fairchem 1.10 reads it for format {file_format!r} and subtracts nothing; for references "
            "per element set transforms: {label_rescaling: {center: composition}}"
        )


def check_trainer_config(config: Mapping[str, Any], trainer: type) -> None:
    """Check the config that a trainer was built with, which may not have come through fairchem's main."""
    check_model(config["model"])
    check_optim(config["optim"], trainer)
    check_losses(config["loss_functions"], config["outputs"])
    for name in ("dataset", "val_dataset", "test_dataset"):
        check_transforms((config[name] or {}).get("transforms") or {}, f"{name}.transforms")


def check_model(model: Mapping[str, Any]) -> type:
    """Check the name and arguments of a model block and return its class."""
    name = model.get("name")
    if not isinstance(name, str):
        raise UserError("model.name: missing; give a registered name such as dc_schnet")
    found = model_class(name, "model")
    if model.get("dc") is not None and "stock_class" not in vars(found):
        wrapper = f"dc_{name}" in registry.mapping["model_name_mapping"]
        mend = f"use 'dc_{name}'" if wrapper else "only models whose names begin with dc_ take one"
        raise UserError(f"model.dc: {name!r} is a stock model and takes no dc: block; {mend}")
    _check_arguments(found, model, "model", "name")
    if "heads" in inspect.signature(found).parameters:
        check_hydra(model)
    read_dc(model)
    return found


def check_hydra(model: Mapping[str, Any]) -> None:
    """Check the names and the arguments of a hydra's backbone and heads."""
    heads = model.get("heads") or {}
    if not heads and not model.get("finetune_config"):
        raise UserError("model.heads: missing; give one or more, such as {energy: {module: esen_mlp_energy_head}}")
    parts = [("model.backbone", "model", model.get("backbone"), "backbone")]
    parts += [(f"model.heads.{name}", "module", block, "head") for name, block in heads.items()]
    for path, key, block, kind in parts:
        if block is None and model.get("finetune_config"):
            continue  # read from the checkpoint
        if not isinstance(block, Mapping) or not isinstance(block.get(key), str):
            raise UserError(f"{path}.{key}: missing; give a registered name, as in configs/md17/_esen.yml")
        part = model_class(block[key], f"{path}.{key}", kind)
        _check_arguments(part, block, path, key, given=("backbone",))


def _check_arguments(found: type, block: Mapping[str, Any], path: str, key: str, given: tuple[str, ...] = ()) -> None:
    """Check the arguments of a class; ``key`` holds its name, and those in ``given`` come from elsewhere."""
    parameters = inspect.signature(found).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        check_keys(block, [key, *(name for name in parameters if name not in given)], path)
    model_arguments.check_arguments(found, block, path)


def check_targets_of_metrics(metrics: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    """Check that a model has energy and forces if a metric needs both: fairchem would raise a KeyError."""
    missing = [name for name in ("energy", "forces") if name not in outputs]
    for target, names in (metrics.get("metrics") or {}).items():
        if missing and "energy_forces_within_threshold" in (names or ()):
            raise UserError(
                f"evaluation_metrics.metrics.{target}: energy_forces_within_threshold needs {' and '.join(missing)} in "
                "outputs; remove the metric"
            )


def check_primary_metric(config: Mapping[str, Any], trainer: type) -> None:
    """Check that validation has a primary metric to select the best weights: fairchem's ``ocp`` would fail."""
    has_one = is_ours(trainer) or config.get("trainer", "ocp") in WITH_PRIMARY_METRIC
    validates = (config["dataset"].get("val") or {}).get("src")
    if validates and not has_one and not (config.get("evaluation_metrics") or {}).get("primary_metric"):
        raise UserError(
            f"evaluation_metrics.primary_metric: missing; trainer {config.get('trainer', 'ocp')!r} needs it to "
            "select the best weights, for example forces_mae"
        )


@contextlib.contextmanager
def subset_errors() -> Iterator[None]:
    """Turn fairchem's errors about ``first_n`` and similar keys, raised when it opens the data, into UserErrors.

    Raises:
        UserError: the config asks for more structures than there are, gives two of these keys at once, or selects by
            metadata that the data do not have.
    """
    try:
        yield
    except UserError:
        raise
    except ValueError as error:
        if "metadata" in str(error):
            raise UserError(
                f"dataset: {' '.join(str(error).split())}; fairchem reads it from metadata.npz beside the data, or "
                "from metadata_path"
            ) from error
        if "mode='neighbors'" in str(error):  # from configs older than fairchem 1.0
            raise UserError(
                "optim.load_balancing: got neighbors, but fairchem 1.10 balances ranks only by atoms; write atoms, or "
                "false"
            ) from error
        if "first_n" not in str(error):
            raise
        raise UserError(
            f"dataset: {' '.join(str(error).split())} val and test inherit these keys from dataset.train unless they "
            "set them themselves"
        ) from error


def check_transforms(transforms: Mapping[str, Any], path: str) -> None:
    """Check the names of transforms and the label-rescaling block, and that labels are scaled only once."""
    check_keys(transforms, TRANSFORMS, path)
    if TRANSFORM_NAME not in transforms:
        return
    if isinstance(transforms[TRANSFORM_NAME], Mapping) or transforms[TRANSFORM_NAME] is None:
        LabelOptions.from_block(transforms[TRANSFORM_NAME], f"{path}.{TRANSFORM_NAME}")
    for other in ("normalizer", "element_references"):
        block = transforms.get(other) or {}
        targets = {*block, *((block.get("fit") or {}).get("targets") or ())}
        if targets & {"energy", "forces", "stress", "y", "force", "file"}:
            raise UserError(
                f"{path}: both {TRANSFORM_NAME} and {other} act on energy, forces or stress, which would be scaled "
                f"twice; remove {other} ({TRANSFORM_NAME} has center: composition for per-element references)"
            )

    if (transforms.get("decompose_tensor") or {}).get("tensor") == "stress":
        raise UserError(
            f"{path}: {TRANSFORM_NAME} scales the stress as the derivative of the energy, and decompose_tensor divides "
            "it into parts that a model predicts beside the energy; remove decompose_tensor, or label_rescaling"
        )


def check_metrics(metrics: Mapping[str, Any]) -> None:
    """Check that the metrics are among those of fairchem's evaluator."""
    known = metric_names()
    computed = ["loss"]
    for target, names in (metrics.get("metrics") or {}).items():
        for name in names:
            if name not in known:
                raise unknown_name(f"metric in evaluation_metrics.metrics.{target}", name, known)
            computed.append(name if target in name or target == "misc" else f"{target}_{name}")  # as the evaluator does
    primary = metrics.get("primary_metric", "loss")
    if not isinstance(primary, str) or (metrics.get("metrics") and primary not in computed):
        raise unknown_name("evaluation_metrics.primary_metric", primary, computed)
