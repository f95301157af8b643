"""The models whose checkpoints can be converted: those with a native potential."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

from torch import Tensor

from ocp_dc.core.errors import UserError, nearest
from ocp_dc.models.cgcnn import CGCNN, CGCNN_REGIONS
from ocp_dc.models.dimenetplusplus import DIMENETPLUSPLUS_REGIONS, DimeNetPlusPlus
from ocp_dc.models.forcenet import FORCENET_REGIONS, ForceNet
from ocp_dc.models.gemnet_oc import GEMNET_OC_REGIONS, GemNetOC
from ocp_dc.models.gemnet_t import GEMNET_T_REGIONS, GemNetT
from ocp_dc.models.painn import PAINN_REGIONS, PaiNN
from ocp_dc.models.potential import Potential
from ocp_dc.models.schnet import MOST_NEIGHBORS, SCHNET_REGIONS, SchNet
from ocp_dc.surgery import RegionTable

Weights = Mapping[str, Tensor]
FORCENET_PROPERTIES = 9  # of each element, in fairchem's table


@dataclasses.dataclass(frozen=True)
class ConvertibleModel:
    """A model with a native potential.

    Args:
        name: its name in fairchem 1.10.
        title: its name in papers.
        backbone: the dotted path of its backbone for fairchem 2.
        classes: its class, and that of the wrapper, in dotted names of models in checkpoints of fairchem 1.
        build: makes the potential of arguments and weights; of the weights only widths are used.
        regions: the regions of a ``dc:`` block.
        gradient_key: the key of a ``dc:`` block of fairchem 1.10 that says whether forces are -dE/dx, if there is one.
        direct_by_default: whether fairchem 1.10 predicts direct forces where the config says nothing.
        graph_arguments: arguments of the graph that both hosts know, beside ``use_pbc``.
        ignored: arguments of fairchem 1 without effect on energies and forces.
        old_buffers: entries of the weights in earlier versions of fairchem, which have no effect.
    """

    name: str
    title: str
    backbone: str
    classes: tuple[str, str]
    build: Callable[[Mapping[str, Any], Weights], Potential[Any]]
    regions: RegionTable
    gradient_key: str | None = None
    direct_by_default: bool = False
    graph_arguments: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    old_buffers: tuple[str, ...] = ()


def _plain(potential: Callable[..., Potential[Any]]) -> Callable[[Mapping[str, Any], Weights], Potential[Any]]:
    return lambda arguments, weights: potential(**arguments)


def _cgcnn(arguments: Mapping[str, Any], weights: Weights) -> Potential[Any]:
    others = {key: value for key, value in arguments.items() if key != "embeddings"}
    embedding = weights.get("embedding_fc.weight")
    width = embedding.shape[1] if embedding is not None and embedding.dim() == 2 else 1
    return CGCNN({1: [0.0] * width}, **others)


def _forcenet(arguments: Mapping[str, Any], weights: Weights) -> Potential[Any]:
    return ForceNet({1: [0.0]}, {1: [0.0] * FORCENET_PROPERTIES}, **arguments)


_ROOM = "ocp_dc.fairchem2.backbones"
_OC_LIMITS = ("max_neighbors_qint", "max_neighbors_aeaint", "max_neighbors_aint")
MODELS = (
    ConvertibleModel(
        "schnet",
        "SchNet",
        f"{_ROOM}.schnet.SchNetBackbone",
        ("SchNetWrap", "DCSchNet"),
        _plain(SchNet),
        SCHNET_REGIONS,
        old_buffers=("atomic_mass",),  # of torch_geometric, in checkpoints of 2020 (github.com/FAIR-Chem/fairchem #463)
    ),
    ConvertibleModel(
        "dimenetplusplus",
        "DimeNet++",
        f"{_ROOM}.dimenetplusplus.DimeNetPlusPlusBackbone",
        ("DimeNetPlusPlusWrap", "DCDimeNetPlusPlus"),
        _plain(DimeNetPlusPlus),
        DIMENETPLUSPLUS_REGIONS,
        gradient_key="angle_gradients",
    ),
    ConvertibleModel(
        "gemnet_t",
        "GemNet-dT",
        f"{_ROOM}.gemnet_t.GemNetTBackbone",
        ("GemNetT", "DCGemNetT"),
        _plain(GemNetT),
        GEMNET_T_REGIONS,
        graph_arguments=("max_neighbors",),
    ),
    ConvertibleModel(
        "cgcnn",
        "CGCNN",
        f"{_ROOM}.cgcnn.CGCNNBackbone",
        ("CGCNN", "DCCGCNN"),
        _cgcnn,
        CGCNN_REGIONS,
        graph_arguments=("max_neighbors",),
    ),
    ConvertibleModel(
        "forcenet",
        "ForceNet",
        f"{_ROOM}.forcenet.ForceNetBackbone",
        ("ForceNet", "DCForceNet"),
        _forcenet,
        FORCENET_REGIONS,
        graph_arguments=("max_neighbors",),
    ),
    ConvertibleModel(
        "painn",
        "PaiNN",
        f"{_ROOM}.painn.PaiNNBackbone",
        ("PaiNN", "DCPaiNN"),
        _plain(PaiNN),
        PAINN_REGIONS,
        gradient_key="force_gradients",
        direct_by_default=True,
        graph_arguments=("max_neighbors",),
    ),
    ConvertibleModel(
        "gemnet_oc",
        "GemNet-OC",
        f"{_ROOM}.gemnet_oc.GemNetOCBackbone",
        ("GemNetOC", "DCGemNetOC"),
        _plain(GemNetOC),
        GEMNET_OC_REGIONS,
        graph_arguments=("max_neighbors", *_OC_LIMITS, "enforce_max_neighbors_strictly", "qint_tags"),
        ignored=("forces_coupled", "scale_backprop_forces"),
    ),
)


def of_fairchem1(name: str, where: str) -> ConvertibleModel:
    """Return the model with a name of fairchem 1: a registered one, with or without ``dc_``, or a dotted path.

    Raises:
        UserError: the model has no native potential.
    """
    short, last = name.removeprefix("dc_"), name.rpartition(".")[2]
    for model in MODELS:
        if short == model.name or ("." in name and last in model.classes):
            return model
    names = [model.name for model in MODELS]
    raise UserError(
        f"{where}: its model is {name!r}, and only models with a native potential can be converted: "
        f"{', '.join(names)}.{nearest(short, names)}"
    )


def of_fairchem2(backbone: object, where: str) -> ConvertibleModel:
    """Return the model with a native backbone.

    Raises:
        UserError: the backbone is another one.
    """
    for model in MODELS:
        if backbone == model.backbone:
            return model
    raise UserError(
        f"{where}: its backbone is {backbone!r}, and fairchem 1.10 has no such model; expected a native one: "
        f"{', '.join(model.backbone for model in MODELS)}"
    )


def most_neighbors(model: ConvertibleModel, graph: Mapping[str, Any]) -> int:
    """Return how many of the nearest neighbors of each atom are kept: the given number, or the default of both hosts.

    Args:
        model: the model.
        graph: the arguments of the graph.
    """
    default = MOST_NEIGHBORS if model.name == "schnet" and not graph.get("use_pbc", True) else 50
    return int(graph.get("max_neighbors", default))
