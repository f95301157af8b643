"""The choices of a user: the models of each host, and the configs that ship by host.

The models are listed as data, since finding their properties needs fairchem, which takes seconds to import; tests
compare the list with the models themselves.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from ocp_dc.core.config_names import ShippedConfig, shipped_configs
from ocp_dc.hosts import IN_WORDS

FOLDERS = {"dc": "fairchem1", "md17": "fairchem1", "oc20": "fairchem1", "oc22": "fairchem1", "fairchem2": "fairchem2"}
BACKBONES = "ocp_dc.fairchem2.backbones"
FAIRCHEMS = "fairchem.core.models"
DIRECT = "direct_forces: false"


class Model(NamedTuple):
    """A model that takes a ``dc:`` block.

    Args:
        name: its name in a config: of fairchem 1.10 ``model.name``, of fairchem 2 ``model.backbone.model``.
        title: its name in papers.
        exact_with: the keys with which its forces are -dE/dx; empty if they always are, None if they never are.
        native: whether ocp_dc has an implementation of it.
        paper: the region that ``paper`` means: ``full``, or ``output``.
    """

    name: str
    title: str
    exact_with: tuple[str, ...] | None = ()
    native: bool = False
    paper: str = "output"

    @property
    def forces(self) -> str:
        """How the forces are computed, in words."""
        if self.exact_with is None:
            return "direct"
        return " ".join(["-dE/dx", *(["with", " and ".join(self.exact_with)] if self.exact_with else [])])


MODELS: Mapping[str, Sequence[Model]] = {
    "fairchem1": (
        Model("dc_schnet", "SchNet", native=True, paper="full"),
        Model("dc_dimenetplusplus", "DimeNet++", ("dc.angle_gradients: exact",), native=True),
        Model("dc_gemnet_t", "GemNet-dT", (DIRECT,), native=True),
        Model("dc_gp_gemnet_t", "GemNet-dT, graph-parallel", (DIRECT,)),
        Model("dc_gemnet_oc", "GemNet-OC", (DIRECT,), native=True),
        Model("dc_painn", "PaiNN", (DIRECT, "dc.force_gradients: exact"), native=True),
        Model("dc_cgcnn", "CGCNN", native=True),
        Model("dc_forcenet", "ForceNet", (DIRECT,), native=True, paper="full"),
        Model("dc_esen", "eSEN"),
        Model("dc_hydra", "a backbone with heads"),
        Model("dc_scn", "SCN", None),
        Model("dc_escn", "eSCN", None),
        Model("dc_equiformer_v2", "EquiformerV2", None),
    ),
    "fairchem2": (
        Model(f"{BACKBONES}.schnet.SchNetBackbone", "SchNet", native=True, paper="full"),
        Model(f"{BACKBONES}.dimenetplusplus.DimeNetPlusPlusBackbone", "DimeNet++", native=True),
        Model(f"{BACKBONES}.gemnet_t.GemNetTBackbone", "GemNet-dT", native=True),
        Model(f"{BACKBONES}.gemnet_oc.GemNetOCBackbone", "GemNet-OC", native=True),
        Model(f"{BACKBONES}.painn.PaiNNBackbone", "PaiNN", native=True),
        Model(f"{BACKBONES}.cgcnn.CGCNNBackbone", "CGCNN", native=True),
        Model(f"{BACKBONES}.forcenet.ForceNetBackbone", "ForceNet", native=True, paper="full"),
        Model(f"{FAIRCHEMS}.uma.escn_md.eSCNMDBackbone", "eSCN-MD", (DIRECT,)),
        Model(f"{FAIRCHEMS}.uma.escn_moe.eSCNMDMoeBackbone", "UMA", (DIRECT,)),
        Model(f"{BACKBONES}.scaip.EScAIPBackbone", "EScAIP", (DIRECT,)),
        Model(f"{BACKBONES}.scaip.AllScAIPBackbone", "AllScAIP", (DIRECT,)),
    ),
}


def host_of_config(name: str) -> str | None:
    """Return the host that a config that ships is for; None for one that serves every host, such as a study.

    >>> host_of_config("md17/schnet-dc.yml")
    'fairchem1'
    """
    return FOLDERS.get(name.partition("/")[0])


def configs_by_host(installed: str | None) -> dict[str, list[ShippedConfig]]:
    """Return the configs that ship under headings, those of the installed host first.

    Args:
        installed: the name of the installed host; None without one.
    """
    names = sorted(IN_WORDS, key=lambda name: name != installed)
    headings = {
        name: f"for {IN_WORDS[name]}, which is {'' if name == installed else 'not '}installed here" for name in names
    }
    groups: dict[str | None, list[ShippedConfig]] = {names[0]: [], None: [], names[1]: []}
    for config in shipped_configs():
        groups[host_of_config(config.name)].append(config)
    return {headings[name] if name else "for every host": found for name, found in groups.items()}


def studies() -> list[ShippedConfig]:
    """Return the studies that ship, and after them the searches."""
    folders = ("studies/", "searches/")
    return [config for folder in folders for config in shipped_configs() if config.name.startswith(folder)]
