"""The base class of the wrappers: signatures, keys of single models, and classes that derive from a wrapper."""

from __future__ import annotations

import copy
import dataclasses
import inspect
import pickle
from typing import Any

import pytest
import torch
from fairchem.core.common.registry import registry
from fairchem.core.models.base import HydraModel
from fairchem.core.models.schnet import SchNetWrap

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.model_check import read_dc
from ocp_dc.fairchem1.wrappers import DCCGCNN, DCDimeNetPlusPlus, DCeSEN, DCPaiNN, DCSchNet
from ocp_dc.fairchem1.wrappers.dc_model import DCModel
from ocp_dc.fairchem1.wrappers.native_model import NativeModel
from ocp_dc.surgery import DCOptions, canonical_dc

from tests.helpers.every_model import registered
from tests.helpers.runs import CGCNN, MODEL, SCN

ARGUMENTS = {key: value for key, value in MODEL.items() if key != "name"}


@pytest.mark.parametrize("name", registered())
def test_what_tools_see(name):
    """An ordinary class in its module, with the stock model's signature and ``dc``."""
    wrapper = registry.get_model_class(name)
    assert issubclass(wrapper, DCModel)
    assert issubclass(wrapper, wrapper.stock_class)
    assert wrapper.registered_name == name
    assert wrapper.__doc__
    assert registry.get_model_class(f"{wrapper.__module__}.{wrapper.__qualname__}") is wrapper
    assert pickle.loads(pickle.dumps(wrapper)) is wrapper
    parameters = inspect.signature(wrapper).parameters
    assert parameters["dc"].kind is inspect.Parameter.KEYWORD_ONLY
    if wrapper is not DCeSEN:
        stock = inspect.signature(wrapper.stock_class).parameters
        assert [*parameters] == [*(name for name, p in stock.items() if p.kind is not p.VAR_KEYWORD), "dc"]
        assert all(parameters[key] == parameter for key, parameter in stock.items() if key in parameters)


def test_the_stock_classes():
    assert DCSchNet.stock_class is SchNetWrap
    assert DCeSEN.stock_class is HydraModel
    assert DCPaiNN.__mro__[1:3] == (NativeModel, DCModel)


class OwnArguments(DCSchNet):
    """A user's class with arguments that are not the stock model's."""

    def __init__(self, width: int, dc: dict[str, Any] | None = None) -> None:
        super().__init__(**{**ARGUMENTS, "hidden_channels": width}, dc=dc)
        self.width = width


class OwnRegions(DCSchNet):
    """A user's class with other regions."""

    dc_regions = dataclasses.replace(DCSchNet.dc_regions, output=(r"^interactions\.1\.act$",))


def test_classes_of_users():
    model = OwnArguments(12, dc={"activation": "irelu", "region": "output"})
    assert (model.width, model.dc_report.swapped, model.registered_name) == (12, 1, "dc_schnet")
    assert list(inspect.signature(OwnArguments).parameters) == ["width", "dc"]
    assert inspect.signature(OwnRegions) == inspect.signature(DCSchNet)
    report = OwnRegions(**ARGUMENTS, dc={"activation": "irelu", "region": "output"}).dc_report
    assert [swap.path for swap in report.swaps] == ["interactions.1.act"]
    with pytest.raises(UserError, match=r"model \(dc_schnet\): unknown key 'hiden_channels'.*'hidden_channels'"):
        OwnRegions(**ARGUMENTS, hiden_channels=3)


def test_a_wrapper_without_a_table():
    class NoTable(DCModel, SchNetWrap):
        registered_name, stock_class = "dc_no_table", SchNetWrap

    assert NoTable(**ARGUMENTS).dc_report is None
    with pytest.raises(NotImplementedError, match="NoTable has no table of regions"):
        NoTable(**ARGUMENTS, dc={"activation": "irelu"})


def test_instances_are_copied_and_have_no_signature_of_their_class():
    model = DCCGCNN(**{key: value for key, value in CGCNN.items() if key != "name"}, dc={"activation": "irelu"})
    again = copy.deepcopy(model)
    assert again.dc_report == model.dc_report
    assert not hasattr(model, "__signature__")
    assert torch.equal(again.fc_out.weight, model.fc_out.weight)


# ---- keys of single models ----


@pytest.mark.parametrize(
    ("wrapper", "block", "gradients"),
    [
        (wrapper, {**block, **({} if value is None else {key: value})}, value or default)
        for wrapper, key in ((DCDimeNetPlusPlus, "angle_gradients"), (DCPaiNN, "force_gradients"))
        for block, default in (({}, "stock"), ({"region": "none"}, "stock"), ({"activation": "irelu"}, "exact"))
        for value in (None, "exact", "stock")
    ],
)
def test_how_forces_are_computed(wrapper, block, gradients):
    options = wrapper.read_dc(block)
    assert options.resolved_gradients == gradients
    assert options.resolved_extras == (gradients,)
    assert options.is_stock is (options.is_noop and gradients == "stock")
    assert options.is_noop is ("activation" not in block)


@pytest.mark.parametrize(
    ("name", "block", "message"),
    [
        ("dc_schnet", {"angle_gradients": "exact"}, r"angle_gradients: dc_schnet detaches no angles.*remove it"),
        ("dc_painn", {"angle_gradients": "exact"}, r"angle_gradients: dc_painn detaches no angles.*remove it"),
        ("dc_schnet", {"force_gradients": "exact"}, r"force_gradients: the forces of dc_schnet are derivatives"),
        ("dc_gemnet_t", {"allow_direct": True}, r"allow_direct: dc_gemnet_t predicts no forces directly here"),
        ("dc_dimenetplusplus", {"angle_gradients": "exakt"}, r"angle_gradients: got 'exakt'.*Did you mean 'exact'"),
        ("dc_scn", {"allow_direct": "yes"}, r"allow_direct: got 'yes', expected true or false"),
        ("dc_scn", {"allow_directly": True}, r"unknown key 'allow_directly'.*Did you mean 'allow_direct'"),
        ("dc_painn", {"force_gradient": "exact"}, r"unknown key 'force_gradient'.*Did you mean 'force_gradients'"),
        ("schnet", {"force_gradients": "exact"}, r"unknown key 'force_gradients'"),
    ],
)
def test_keys_of_other_models(name, block, message):
    with pytest.raises(UserError, match=rf"^model\.dc[.:] ?{message}"):
        read_dc({"name": name, "dc": block})


def test_what_a_key_of_other_models_may_say():
    """``false`` says what holds anyway; the block of a config is left as it is."""
    block = {"allow_direct": False, "activation": "irelu"}
    assert DCSchNet.read_dc(block) == DCOptions(activation="irelu")
    assert block == {"allow_direct": False, "activation": "irelu"}


def test_two_spellings_of_one_block():
    def canonical(name, block):
        return canonical_dc(read_dc({"name": name, "dc": block}))

    irelu = {"activation": "irelu"}
    for name, key in (("dc_dimenetplusplus", "angle_gradients"), ("dc_painn", "force_gradients")):
        assert canonical(name, irelu) == canonical(name, {**irelu, key: "exact"}) != canonical(name, None)
        assert canonical(name, {**irelu, key: "stock"}) != canonical(name, irelu)
        assert canonical(name, None) == canonical(name, {key: "stock"}) != canonical(name, {key: "exact"})
        stock = canonical_dc(read_dc({"name": name, "dc": {**irelu, key: "stock"}}), with_extras=False)
        assert stock == canonical_dc(read_dc({"name": name, "dc": irelu}), with_extras=False)
    assert canonical("dc_scn", {"allow_direct": True}) == canonical("dc_scn", None)


@pytest.mark.parametrize("name", ["dc_schnet", "dc_dimenetplusplus", "dc_scn"])
def test_acceleration_is_no_difference_between_models(name):
    for block in (None, {"activation": "irelu"}):
        forms = {
            canonical_dc(read_dc({"name": name, "dc": {**(block or {}), "accelerate": value}}))
            for value in ("auto", "off", "native", "compile", False)
        }
        assert forms == {canonical_dc(read_dc({"name": name, "dc": block}))}


def test_acceleration_of_a_model_without_a_native_one_is_refused():
    arguments = {key: value for key, value in SCN.items() if key not in ("name", "dc")}
    message = r"accelerate: got 'native', and dc_scn has no native model.*dc_cgcnn, .*dc_schnet"
    with pytest.raises(UserError, match=message):
        registry.get_model_class("dc_scn")(**arguments, dc={"accelerate": "native"})


def test_a_block_that_contradicts_itself_and_changes_nothing():
    with pytest.raises(UserError, match=r"^model\.dc\.insert_region: got 'full', and there is nothing to insert"):
        DCSchNet(**ARGUMENTS, dc={"insert_region": "full"})
