"""Fine-tuning: the backbone of a checkpoint, with new heads on which a ``dc:`` block may act."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from fairchem.core.calculate.pretrained_mlip import available_models, pretrained_checkpoint_path_from_name
from fairchem.core.common.distutils import is_master
from fairchem.core.models.uma.compat import apply_uma_compat_fixups
from omegaconf import OmegaConf
from torch import Tensor

from ocp_dc.checkpoints.inference_checkpoint import InferenceCheckpoint, read_inference_checkpoint
from ocp_dc.core.errors import UserError, nearest
from ocp_dc.fairchem2.dc_model import PATH, DCHydraModel
from ocp_dc.fairchem2.infer.predict_unit import check_model_classes

MODEL = f"{DCHydraModel.__module__}.{DCHydraModel.__qualname__}"
_EMBEDDINGS = "backbone.dataset_embedding.dataset_emb_dict"
_SHOWN = 3  # layers in a message


def dc_finetuning_model(
    checkpoint: str,
    heads: Mapping[str, Any] | None = None,
    dc: Mapping[str, Any] | None = None,
    datasets: Mapping[str, str] | None = None,
    backbone: Mapping[str, Any] | None = None,
    freeze_backbone: bool = False,
    trainable: str | Sequence[str] | None = None,
    otf_graph: bool | None = None,
    pass_through_head_outputs: bool | None = None,
    trust_modules: Sequence[str] = (),
) -> DCHydraModel:
    """Return a model that starts from the averaged weights of a checkpoint; the checkpoint is read as data.

    It takes the place of fairchem's ``initialize_finetuning_model``. Checkpoints of the run hold the whole model: to
    resume or to predict, the first checkpoint is not needed.

    Args:
        checkpoint: an inference checkpoint of fairchem 2 or ocp_dc, or the name of a model that fairchem downloads,
            such as ``uma-s-1p2``.
        heads: the new heads, as in ``HydraModel``; None to keep those of the checkpoint and their weights.
        dc: the ``dc:`` block of the new heads; None for the block of the checkpoint, if it has one. It may not change
            the backbone in another way than the block of the checkpoint did.
        datasets: data sets of this run, each with the data set of the checkpoint whose embedding it uses:
            ``{data: omol}``.
        backbone: arguments of the backbone that replace those of the checkpoint, such as ``max_neighbors``.
        freeze_backbone: whether only the heads are trained; those of native backbones have no parameters.
        trainable: which parameters are trained: ``head``, also the last layers of a native backbone, or regular
            expressions; None for all.
        otf_graph: as in ``HydraModel``; None for the value of the checkpoint.
        pass_through_head_outputs: as in ``HydraModel``; None for the value of the checkpoint.
        trust_modules: modules, besides fairchem and ocp_dc, whose code the checkpoint may name.

    Raises:
        UserError: there is no such checkpoint, it is damaged or hostile, its weights do not fit, or ``dc`` reaches
            weights that were trained with other layers.
    """
    stored = read_inference_checkpoint(_path(checkpoint), trust_modules)
    check_model_classes(stored, f"checkpoint {checkpoint}", trust_modules)
    apply_uma_compat_fixups(stored, str(checkpoint))
    config = _model_config(stored, checkpoint, heads, dc, datasets, backbone)
    config["freeze_backbone"] = freeze_backbone
    config.pop("trainable", None)  # of the run that made the checkpoint
    given = {
        "trainable": _plain(trainable),
        "otf_graph": otf_graph,
        "pass_through_head_outputs": pass_through_head_outputs,
    }
    config.update({key: value for key, value in given.items() if value is not None})

    model = DCHydraModel(**{key: value for key, value in config.items() if key != "_target_"})
    model.finetune_model_full_config = OmegaConf.create(config)  # what fairchem saves as the model of this run
    _check_surgery(model, stored)
    _load(model, stored.weights, heads is None, _plain(datasets) or {}, checkpoint)
    if is_master():
        which = "the heads of the checkpoint" if heads is None else f"new heads: {', '.join(sorted(heads))}"
        frozen = ", whose weights are frozen" if freeze_backbone else ""
        logging.info(f"fine-tuning {checkpoint}: its backbone{frozen}, and {which}")
    return model


def _path(name: str) -> str:
    """Return the file of a checkpoint; a name of fairchem's is downloaded by fairchem."""
    if Path(name).is_file():
        return str(name)
    if name in available_models:
        return str(pretrained_checkpoint_path_from_name(name))
    raise UserError(
        f"model.checkpoint: {str(name)!r} is no file and no model of fairchem; expected an inference checkpoint such "
        f"as results/best_inference_ckpt.pt, or one of {', '.join(available_models)}."
        f"{nearest(str(name), available_models)}"
    )


def _model_config(
    stored: InferenceCheckpoint,
    checkpoint: str,
    heads: Mapping[str, Any] | None,
    dc: Mapping[str, Any] | None,
    datasets: Mapping[str, str] | None,
    backbone: Mapping[str, Any] | None,
) -> dict[str, Any]:
    """Return the arguments of the model: those of the checkpoint, with what the config of the run gives."""
    config = {**stored.model_config, "_target_": MODEL}
    if dc is not None and heads is None:
        raise UserError(
            f"{PATH}: the heads of the checkpoint keep their weights, which mean nothing with another activation; give "
            "heads: too, for new ones, or leave dc: out"
        )
    config["backbone"] = {**config["backbone"], **(_plain(backbone) or {})}
    if datasets:
        config["backbone"] |= _dataset_mapping(config["backbone"], _plain(datasets), checkpoint)
    if heads is not None:
        config["heads"] = _plain(heads)
    if dc is not None:
        config["dc"] = _plain(dc)
    return config


def _dataset_mapping(backbone: Mapping[str, Any], datasets: Mapping[str, str], checkpoint: str) -> dict[str, Any]:
    """Return the arguments of a backbone that let data sets use the embeddings of others."""
    known = backbone.get("dataset_mapping") or {name: name for name in backbone.get("dataset_list") or ()}
    for name, embedding in datasets.items():
        if embedding not in known:
            raise UserError(
                f"model.datasets.{name}: got {embedding!r}, and the data sets of {checkpoint} are "
                f"{', '.join(known) or 'none'}.{nearest(embedding, known)}"
            )
    return {"dataset_mapping": {**known, **{n: known[e] for n, e in datasets.items()}}, "dataset_list": None}


def _check_surgery(model: DCHydraModel, stored: InferenceCheckpoint) -> None:
    """Refuse a block that changes the backbone in another way than the block with which it was trained."""
    trained = stored.model_config.get("dc")
    if trained == _plain(model.finetune_model_full_config.get("dc")):
        return
    was = _trained_changes(stored) if trained else frozenset()
    changed, missing = sorted(model.backbone_changes - was), sorted(was - model.backbone_changes)
    if not changed and not missing:
        return
    before = f"with dc: {trained}" if trained else "without a dc: block"
    does = f"changes its layers ({_some(changed)})" if changed else f"lacks changes of its layers ({_some(missing)})"
    raise UserError(
        f"{PATH}: the backbone was trained {before}, and this block {does}. Its weights mean nothing with other "
        "layers. Give region: ['^output_heads'] to change only the new heads, or train from scratch"
        + (", or leave dc: out to keep the block of the checkpoint" if trained else "")
    )


def _trained_changes(stored: InferenceCheckpoint) -> frozenset[str]:
    """Return the changes of the backbone with which the checkpoint was trained."""
    logging.info("the layers of the backbone in the checkpoint:")
    config = {key: value for key, value in stored.model_config.items() if key != "_target_"}
    return DCHydraModel(**config).backbone_changes


def _load(
    model: DCHydraModel, weights: Mapping[str, Tensor], with_heads: bool, datasets: Mapping[str, str], checkpoint: str
) -> None:
    """Load the backbone, and the heads if they are kept; every weight must have its place."""
    chosen = {key: value for key, value in weights.items() if with_heads or key.startswith("backbone.")}
    for name, embedding in datasets.items():  # not used, but a model has one for each name
        if f"{_EMBEDDINGS}.{embedding}.weight" in chosen:
            chosen.setdefault(f"{_EMBEDDINGS}.{name}.weight", chosen[f"{_EMBEDDINGS}.{embedding}.weight"])
    expected = {key for key in model.state_dict() if with_heads or key.startswith("backbone.")}
    try:
        _, unexpected = model.load_state_dict(chosen, strict=False)
    except RuntimeError as error:  # other shapes
        raise UserError(f"checkpoint {checkpoint}: its weights do not fit the model: {error}") from error
    missing = sorted(expected - set(chosen))
    if missing or unexpected:
        raise UserError(
            f"checkpoint {checkpoint}: its weights do not fit the model; missing: {_some(missing)}; without a place: "
            f"{_some(sorted(unexpected))}. Arguments of model.backbone must be those with which it was trained"
        )


def _plain(value: Any) -> Any:
    return OmegaConf.to_container(value, resolve=True) if OmegaConf.is_config(value) else value


def _some(lines: Sequence[str]) -> str:
    more = f" and {len(lines) - _SHOWN} more" if len(lines) > _SHOWN else ""
    return (", ".join(lines[:_SHOWN]) or "none") + more
