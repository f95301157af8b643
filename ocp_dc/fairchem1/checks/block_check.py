"""Check the structure of a run config: which values are blocks, lists and text, before anything reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ocp_dc.core.errors import UserError

# path of each block, with an example of its value; * matches any key
BLOCKS = {
    "model": "{name: dc_schnet, cutoff: 6.0}",
    "dataset": "{train: {src: data/train}, val: {src: data/val}}",
    "optim": "{batch_size: 32, lr_initial: 1.0e-3, max_epochs: 100}",
    "outputs": "{energy: {level: system}, forces: {level: atom}}",
    "outputs.*": "{level: system}",
    "outputs.*.decomposition": "{scalar: {irrep_dim: 0}}",
}
OPTIONAL_BLOCKS = {
    "task": "{strict_load: true}",
    "slurm": "{constraint: a100}",
    "evaluation_metrics": "{metrics: {energy: [mae]}, primary_metric: energy_mae}",
    "evaluation_metrics.metrics": "{energy: [mae], forces: [mae]}",
    "dataset.*": "{src: data/train}, or null for none",
    "dataset.*.transforms": "{label_rescaling: {center: composition}}",
    "dataset.*.transforms.normalizer": "{energy: {mean: 0.0, stdev: 1.0}}",
    "dataset.*.transforms.normalizer.*": "{mean: 0.0, stdev: 1.0}",
    "dataset.*.transforms.element_references": "{fit: {targets: [energy]}}",
    "dataset.*.key_mapping": "{y: energy, force: forces}",
    "optim.optimizer_params": "{weight_decay: 0.01}",
    "optim.lr_factors": "{'^lin1|^lin2': 0.25}",
    "optim.scheduler_params": "{lambda_type: cosine}",
    "model.backbone": "{model: esen_backbone}",
    "model.heads": "{energy_and_forces: {module: esen_mlp_efs_head}}",
}
NON_TARGETS = (".file", ".fit")  # keys of a normalizer that are not targets


def check_blocks(config: Mapping[str, Any]) -> None:
    """Check that every value of the config that should be a block, a list or text is one.

    Args:
        config: the resolved config; another check finds main blocks that are missing.

    Raises:
        UserError: a value has another type.
    """
    for table, optional in ((BLOCKS, False), (OPTIONAL_BLOCKS, True)):
        for pattern, example in table.items():
            for path, value in _find_paths(config, pattern):
                if isinstance(value, Mapping) or (optional and value is None):
                    continue
                if not (pattern.endswith("normalizer.*") and path.endswith(NON_TARGETS)):
                    raise UserError(f"{path}: got {value!r}, expected a block such as {example}")
    _check_lists(config)
    _check_logger(config.get("logger", "wandb"))
    for path, mapping in _find_paths(config, "dataset.*.key_mapping"):
        for key, value in (mapping or {}).items():
            names = [key, *value] if isinstance(value, list) else [key, value]  # several outputs may use one label
            if not all(isinstance(name, str) for name in names):
                raise UserError(f"{path}: got {key!r}: {value!r}, expected names, such as {{y: energy, force: forces}}")
    for path, source in _find_paths(config, "dataset.*.src"):
        texts = source if isinstance(source, list) else [source]
        if source is not None and not (texts and all(isinstance(text, str) and text for text in texts)):
            raise UserError(f"{path}: got {source!r}, expected the path of a folder or file, or a list of them")
    trusted = config.get("trust_modules") or []
    if not isinstance(trusted, list) or not all(isinstance(name, str) for name in trusted):
        raise UserError(f"trust_modules: got {trusted!r}, expected a list of modules, such as [my_models.schnet]")
    for path, value in _find_paths(config, "trainer"):
        if not isinstance(value, str):
            raise UserError(f"{path}: got {value!r}, expected a name such as dc")


def _check_lists(config: Mapping[str, Any]) -> None:
    losses = config.get("loss_functions")
    example = "expected a list such as - energy: {fn: mae, coefficient: 1}"
    if losses is not None and not isinstance(losses, list):
        raise UserError(f"loss_functions: got {losses!r}, {example}")
    for number, loss in enumerate(losses or ()):
        if not isinstance(loss, Mapping) or not loss or not all(isinstance(each, Mapping) for each in loss.values()):
            raise UserError(f"loss_functions.{number}: got {loss!r}, {example}")
    for path, names in _find_paths(config, "evaluation_metrics.metrics.*"):
        if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
            raise UserError(f"{path}: got {names!r}, expected a list of metrics such as [mae]")


def _check_logger(logger: Any) -> None:
    name = logger.get("name") if isinstance(logger, Mapping) else logger
    if logger is not None and not isinstance(name, str):
        raise UserError(
            f"logger: got {logger!r}, expected tensorboard, wandb, null for none, or a block such as "
            "{name: wandb, project: ethanol}"
        )


def _find_paths(config: Any, pattern: str) -> list[tuple[str, Any]]:
    """Return the paths that match a pattern, with their values; skip parents that are not blocks."""
    found: list[tuple[str, Any]] = [("", config)]
    for part in pattern.split("."):
        blocks = [(path, block) for path, block in found if isinstance(block, Mapping)]
        found = [
            (f"{path}.{key}".lstrip("."), value)
            for path, block in blocks
            for key, value in block.items()
            if part in ("*", str(key))
        ]
    return found
