"""The registry's tables import what a name needs, and still hold every name; each start is a process of its own."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from fairchem.core.common.registry import registry

import ocp_dc
from ocp_dc.fairchem1 import wrappers
from ocp_dc.fairchem1.host_patches import hooks, lazy_names
from ocp_dc.fairchem1.wrappers import stress

ROOT = Path(ocp_dc.__file__).parents[1]
# in processes that have not imported the plugin or any model
STOCK_NAMES = """
import json
from ocp_dc.fallbacks.install import install
install()
from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_imports
setup_imports()
print(json.dumps({key: sorted(names) for key, names in registry.mapping.items() if key != "state"}))
"""
PLUGIN_NAMES = STOCK_NAMES.replace("from ocp_dc.fallbacks.install import install\ninstall()", "import ocp_dc.fairchem1")
ONE_MODEL = """
import sys
import ocp_dc.fairchem1
from fairchem.core.common.registry import registry
from fairchem.core.common.utils import setup_imports
setup_imports()
heavy = {"torch._dynamo", "e3nn", "sympy", "fairchem.core.models.gemnet_oc.gemnet_oc"}
assert registry.get_model_class("NAME").__module__ == "MODULE"
assert not heavy & set(sys.modules), heavy & set(sys.modules)
from ocp_dc.cli import main
assert main(["inspect", "md17/schnet-dc"]) == 0
assert not heavy & set(sys.modules), heavy & set(sys.modules)
# the hooks are in force in a model that is imported later
import fairchem.core.models.gemnet_oc.gemnet_oc as oc, fairchem.core.models.painn.painn as painn
import fairchem.core.models.gemnet_gp.gemnet as gp, fairchem.core.models.dimenet_plus_plus as dimenet
import fairchem.core.models.escn.escn as escn, fairchem.core.models.esen.esen as esen
from ocp_dc.fairchem1.host_patches import edgeless, model_repairs
from ocp_dc.fairchem1.train.scale_factors import load_scales
assert oc.load_scales_compat is painn.load_scales_compat is gp.load_scales_compat is load_scales
assert type(escn.torch) is type(gp.torch) is edgeless.TorchWithEmptyExtremes
assert type(dimenet.torch) is model_repairs.TorchWithRowCross
assert gp.GraphParallelGemNetT.select_edges is edgeless.select_edges
assert "generate_graph" in vars(painn.PaiNN)
for each in (oc.repeat_blocks, oc.get_edge_id, painn.get_edge_id, escn.SO2Block.forward, esen.eSEN_Backbone.__init__):
    assert hasattr(each, "__wrapped__"), each
print("ready")
"""


def output(code: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OCP_DC_AUTOLOAD": "0"}
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("name", "module"),
    [("schnet", "fairchem.core.models.schnet"), ("dc_schnet", "ocp_dc.fairchem1.wrappers.schnet")],
)
def test_one_model_is_imported_and_the_hooks_reach_the_others_later(name, module):
    assert output(ONE_MODEL.replace("NAME", name).replace("MODULE", module)) == "ready"


@pytest.mark.slow
def test_all_names_of_fairchem_are_there():
    stock, plugin = json.loads(output(STOCK_NAMES)), json.loads(output(PLUGIN_NAMES))
    for key, names in stock.items():
        ours = set(plugin[key]) - set(names)
        assert set(names) <= set(plugin[key]), key
        assert all(registry.mapping[key][name].__module__.startswith("ocp_dc.") for name in ours), key


def test_wrappers_are_those_in_the_table():
    names = registry.mapping["model_name_mapping"]
    assert {name for name in names if name.startswith("dc_")} == set(wrappers.WRAPPERS)
    for name, (module, class_name) in wrappers.WRAPPERS.items():
        assert names[name] is getattr(wrappers, class_name)
        assert names[name].__module__ == f"ocp_dc.fairchem1.wrappers.{module}"
    assert sorted(wrappers.__all__) == sorted(class_name for _, class_name in wrappers.WRAPPERS.values())
    with pytest.raises(AttributeError, match="DCNet"):
        _ = wrappers.DCNet


def test_a_table_is_a_dict():
    names = registry.mapping["model_name_mapping"]
    assert isinstance(names, lazy_names.LazyNames)
    assert set(dict(names)) == set({**names}) == set(names) == set(names.keys()) == {name for name, _ in names.items()}
    assert len(names) == len(names.values()) == len(dict(names)) > len(wrappers.WRAPPERS)
    assert "schnett" not in names
    assert names.get("schnett") is None
    with pytest.raises(KeyError, match="schnett"):
        names["schnett"]
    with pytest.raises(RuntimeError, match=r"'dc_schnet'.*'gemnet_oc'|'gemnet_oc'.*'dc_schnet'"):
        registry.get_model_class("schnett")
    hooks.names_at_first_use()
    assert registry.mapping["model_name_mapping"] is names


@pytest.mark.parametrize("path", sorted(stress.CONSERVATIVE | stress.ESEN_HEAD))
def test_classes_named_by_their_path_exist(path):
    module, _, name = path.rpartition(".")
    found = getattr(importlib.import_module(module), name)
    assert f"{found.__module__}.{found.__qualname__}" == path
