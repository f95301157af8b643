"""Checks of a resolved config before anything is built: what nothing would read is refused, with the nearest name."""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Iterator, Mapping
from typing import Any

from fairchem.core.common.registry import registry
from fairchem.core.modules import evaluator

from ocp_dc.errors import UserError, unknown_name
from ocp_dc.fairchem1.optim_check import check_optim
from ocp_dc.fairchem1.transform import NAME
from ocp_dc.labels import LabelOptions
from ocp_dc.options import check_keys
from ocp_dc.surgery import DCOptions

# What fairchem 1.10 reads, by block: its trainers, datasets and main.
MAIN_KEYS = (
    "trainer task model outputs dataset loss_functions evaluation_metrics optim logger slurm name mode identifier "
    "timestamp_id seed is_debug run_dir print_every amp checkpoint cpu submit summit world_size distributed_backend "
    "gp_gpus hide_eval_progressbar skip_experimental_imports timeout local_rank use_cuda_visibile_devices "
    "resume_with trust_modules"
).split()
TASK_KEYS = (
    "dataset description type metric labels grad_input train_on_free_atoms eval_on_free_atoms prediction_dtype "
    "primary_metric strict_load eval_relaxations relax_dataset relaxation_steps relaxation_fmax relax_cell "
    "relax_volume relax_opt save_full_traj write_pos num_relaxation_batches set_deterministic_scatter"
).split()
DATASET_KEYS = (
    "src format key_mapping transforms seed first_n sample_n no_shuffle max_atoms subset_to metadata_path lin_ref "
    "use_train_settings splits train_split_settings val_split_settings test_split_settings shard total_shards "
    "a2g_args ase_read_args atoms_transform_args connect_args select_args index_file pattern keep_in_memory "
    "include_relaxed_energy use_tqdm oc20_ref total_energy train_on_oc20_total_energies normalize_labels data2train"
).split()
TRANSFORMS = ("normalizer", "element_references", "decompose_tensor", NAME)


def check_run_config(config: Mapping[str, Any]) -> None:
    """Check the config of a run, as fairchem's main resolves it from file and overrides.

    Raises:
        UserError: a key or name that nothing reads, a value of the wrong kind, or blocks that contradict each other.
    """
    check_keys(config, MAIN_KEYS, "config")
    for block in ("model", "dataset", "optim", "loss_functions", "outputs"):
        if not config.get(block):
            raise UserError(f"config: the block '{block}' is missing; see the configs that ship with ocp_dc")
    check_keys(config.get("task") or {}, TASK_KEYS, "task")
    check_model(config["model"])
    check_optim(config["optim"])
    check_losses(config["loss_functions"], config["outputs"])
    check_metrics(config.get("evaluation_metrics") or {})
    dataset = config["dataset"]
    check_keys(dataset, ("train", "val", "test", "relax"), "dataset")
    for split, block in dataset.items():
        check_keys(block or {}, DATASET_KEYS, f"dataset.{split}")
        check_references(block or {}, dataset.get("train") or {}, f"dataset.{split}")
        check_transforms((block or {}).get("transforms") or {}, f"dataset.{split}.transforms")
    if NAME in ((dataset.get("train") or {}).get("transforms") or {}) and not _undoes_rescaling(config):
        raise UserError(
            f"dataset.train.transforms.{NAME}: trainer {config.get('trainer', 'ocp')!r} cannot bring predictions back "
            "to eV; set 'trainer: dc'"
        )


def check_references(block: Mapping[str, Any], train: Mapping[str, Any], path: str) -> None:
    """Refuse linear references where fairchem reads them and then leaves the energies as they are."""
    file_format = str(block.get("format", train.get("format", "lmdb")))
    if block.get("lin_ref") and not file_format.startswith("ase"):
        raise UserError(
            f"{path}.lin_ref: fairchem 1.10 reads it for format {file_format!r} and subtracts nothing; for references "
            "per element set transforms: {label_rescaling: {center: composition}}"
        )


def check_trainer_config(config: Mapping[str, Any]) -> None:
    """Check what the trainer was built with: the same, however the process was started."""
    check_model(config["model"])
    check_optim(config["optim"])
    for name in ("dataset", "val_dataset", "test_dataset"):
        check_transforms((config[name] or {}).get("transforms") or {}, f"{name}.transforms")


def check_model(model: Mapping[str, Any]) -> type:
    """Return the class of a model block, after checking its name and arguments."""
    name = model.get("name")
    if not isinstance(name, str):
        raise UserError("model.name: missing; give a registered name such as dc_schnet")
    model_class = _model_class(name, "model")
    _check_arguments(model_class, model, "model", "name")
    if "heads" in inspect.signature(model_class).parameters:
        check_hydra(model)
    if model.get("dc") is not None and "stock_class" not in vars(model_class):
        raise UserError(f"model.dc: {name!r} is a stock model and takes no dc: block; use 'dc_{name}'")
    DCOptions.from_block(model.get("dc"))
    return model_class


def check_hydra(model: Mapping[str, Any]) -> None:
    """Check the names and the arguments of a hydra's backbone and heads."""
    heads = model.get("heads") or {}
    parts = [("model.backbone", "model", model.get("backbone"))]
    parts += [(f"model.heads.{name}", "module", block) for name, block in heads.items()]
    for path, key, block in parts:
        if block is None and model.get("finetune_config"):
            continue  # it comes from the checkpoint
        if not isinstance(block, Mapping) or not isinstance(block.get(key), str):
            raise UserError(f"{path}.{key}: missing; give a registered name, as in configs/md17/_esen.yml")
        part = _model_class(block[key], f"{path}.{key}")
        _check_arguments(part, block, path, key, given=("backbone",))


def _model_class(name: str, kind: str) -> type:
    try:
        return registry.get_model_class(name)
    except RuntimeError:
        raise unknown_name(kind, name, registry.mapping["model_name_mapping"]) from None


def _check_arguments(
    model_class: type, block: Mapping[str, Any], path: str, key: str, given: tuple[str, ...] = ()
) -> None:
    """Refuse what a class does not take; ``key`` names the class, and ``given`` comes from elsewhere."""
    parameters = inspect.signature(model_class).parameters
    if not any(p.kind is inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
        check_keys(block, [key, *(name for name in parameters if name not in given)], path)


@contextlib.contextmanager
def subset_errors() -> Iterator[None]:
    """Turn what fairchem says of first_n and its like, once the data are open, into an error for the user.

    Raises:
        UserError: more structures are asked for than there are, or two of the keys are given at once.
    """
    try:
        yield
    except ValueError as error:
        if "first_n" not in str(error):
            raise
        raise UserError(
            f"dataset: {' '.join(str(error).split())} val and test take these keys from dataset.train where they do "
            "not state their own"
        ) from error


def check_transforms(transforms: Mapping[str, Any], path: str) -> None:
    """Check names of transforms, the label-rescaling block, and that labels are scaled once only."""
    check_keys(transforms, TRANSFORMS, path)
    if NAME not in transforms:
        return
    if isinstance(transforms[NAME], Mapping) or transforms[NAME] is None:
        LabelOptions.from_block(transforms[NAME], f"{path}.{NAME}")
    for other in ("normalizer", "element_references"):
        block = transforms.get(other) or {}
        targets = {*block, *((block.get("fit") or {}).get("targets") or ())}
        if targets & {"energy", "forces", "y", "force", "file"}:
            raise UserError(
                f"{path}: both {NAME} and {other} act on energy or forces, and the labels would be scaled twice; "
                f"remove {other} ({NAME} has center: composition for per-element references)"
            )


def check_losses(losses: Any, outputs: Mapping[str, Any]) -> None:
    """Check that every loss has a known function, a coefficient and an output of the model."""
    if not isinstance(losses, list):
        raise UserError(
            f"loss_functions: got {losses!r}, expected a list such as - energy: {{fn: mae, coefficient: 1}}"
        )
    parts = [part for block in outputs.values() for part in (block or {}).get("decomposition") or ()]
    for loss in losses:
        for target, settings in loss.items():
            if target not in outputs and target not in parts:
                raise unknown_name("target in loss_functions", target, [*outputs, *parts])
            check_keys(settings, ("fn", "coefficient", "reduction"), f"loss_functions.{target}")
            for key in ("fn", "coefficient"):
                if key not in settings:
                    raise UserError(f"loss_functions.{target}.{key}: missing")
            known = registry.mapping["loss_name_mapping"]
            if settings["fn"] not in known and "." not in str(settings["fn"]):
                raise unknown_name(f"loss function in loss_functions.{target}", settings["fn"], known)


def check_metrics(metrics: Mapping[str, Any]) -> None:
    """Check the names of metrics against those that fairchem's evaluator has."""
    check_keys(metrics, ("metrics", "primary_metric"), "evaluation_metrics")
    known = [name for name, value in vars(evaluator).items() if inspect.isfunction(value)]
    computed = ["loss"]
    for target, names in (metrics.get("metrics") or {}).items():
        for name in names:
            if name not in known:
                raise unknown_name(f"metric in evaluation_metrics.metrics.{target}", name, known)
            computed.append(name if target in name or target == "misc" else f"{target}_{name}")  # as the evaluator does
    primary = metrics.get("primary_metric", "loss")
    if metrics.get("metrics") and primary not in computed:
        raise unknown_name("evaluation_metrics.primary_metric", primary, computed)


def _undoes_rescaling(config: Mapping[str, Any]) -> bool:
    try:
        trainer = registry.get_trainer_class(config.get("trainer", "ocp"))
    except RuntimeError:
        raise unknown_name("trainer", config.get("trainer"), registry.mapping["trainer_name_mapping"]) from None
    return hasattr(trainer, "set_label_rescaling")
