"""Arguments of models: types and ranges, constructors that stop, and parts of models in the place of one."""

from __future__ import annotations

import re

import pytest

from ocp_dc.cli import main
from ocp_dc.core.errors import UserError
from ocp_dc.fairchem1.checks.config_check import check_model, check_run_config
from ocp_dc.fairchem1.infer.inspect_model import build_model

from tests.helpers.runs import (
    DIMENETPLUSPLUS,
    EQUIFORMER_V2,
    ESCN,
    GEMNET,
    GEMNET_OC,
    HYDRA,
    MODEL,
    PAINN,
    SCN,
    run_main,
)

WRONG = [
    (MODEL, "hidden_channels", -16, r"model\.hidden_channels: got -16, expected a whole number, at least 2"),
    (MODEL, "hidden_channels", 0, r"hidden_channels: got 0"),
    (MODEL, "hidden_channels", 1, r"hidden_channels: got 1, expected a whole number, at least 2"),
    (MODEL, "hidden_channels", None, r"hidden_channels: got None, expected a whole number"),
    (MODEL, "hidden_channels", "abc", r"hidden_channels: got 'abc', expected a whole number"),
    (MODEL, "hidden_channels", 16.5, r"hidden_channels: got 16\.5, expected a whole number"),
    (MODEL, "hidden_channels", True, r"hidden_channels: got True"),
    (MODEL, "num_interactions", 0, r"num_interactions: got 0, expected a whole number, at least 1"),
    (MODEL, "num_interactions", -1, r"num_interactions: got -1"),
    (MODEL, "num_gaussians", 0, r"num_gaussians: got 0"),
    (MODEL, "num_gaussians", 1, r"num_gaussians: got 1, expected a whole number, at least 2"),
    (
        DIMENETPLUSPLUS,
        "num_spherical",
        50,
        r"num_spherical: got 50, expected a whole number, at least 1 and at most 20",
    ),
    (MODEL, "num_filters", 0, r"num_filters: got 0"),
    (MODEL, "cutoff", 0.0, r"model\.cutoff: got 0\.0, expected a finite number, at least 1 and at most 100 Å"),
    (MODEL, "cutoff", 0.6, r"cutoff: got 0\.6"),
    (MODEL, "cutoff", -6.0, r"cutoff: got -6\.0"),
    (MODEL, "cutoff", float("inf"), r"cutoff: got inf"),
    (MODEL, "cutoff", float("nan"), r"cutoff: got nan"),
    (MODEL, "cutoff", 1e6, r"cutoff: got 1000000\.0"),
    (MODEL, "cutoff", "6.0", r"cutoff: got '6\.0', expected a finite number"),
    (MODEL, "cutoff", None, r"cutoff: got None, expected a finite number"),
    (MODEL, "cutoff", [6.0], r"cutoff: got \[6\.0\]"),
    (MODEL, "use_pbc", "flase", r"model\.use_pbc: got 'flase', expected true or false"),
    (MODEL, "regress_forces", "no", r"regress_forces: got 'no', expected true or false"),
    (MODEL, "otf_graph", 1, r"otf_graph: got 1, expected true or false"),
    (MODEL, "readout", 3, r"readout: got 3, expected a text"),
    (DIMENETPLUSPLUS, "num_radial", 0, r"num_radial: got 0"),
    (DIMENETPLUSPLUS, "num_before_skip", -1, r"num_before_skip: got -1, expected a whole number, at least 0"),
    (GEMNET, "rbf", "gaussian", r"rbf: got 'gaussian', expected a dict"),
    (GEMNET_OC, "cutoff_aint", -1.0, r"cutoff_aint: got -1\.0"),
    (GEMNET_OC, "qint_tags", 1, r"qint_tags: got 1, expected a list"),
    (PAINN, "num_rbf", -2, r"num_rbf: got -2"),
    ({"name": "equiformer_v2", **EQUIFORMER_V2}, "alpha_drop", 1.5, r"alpha_drop: got 1\.5"),
    ({"name": "escn", **ESCN}, "distance_resolution", 0.0, r"distance_resolution: got 0\.0"),
]


@pytest.mark.parametrize(("model", "name", "value", "message"), WRONG)
def test_what_is_refused(model, name, value, message):
    with pytest.raises(UserError, match=message):
        check_model({**model, name: value})


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        (MODEL, {"cutoff": 6}),
        (GEMNET_OC, {"cutoff_aint": None, "max_neighbors_aint": None, "num_atom_emb_layers": 0}),
        ({"name": "scn", **SCN}, {"num_taps": -1}),
        ({"name": "equiformer_v2", **EQUIFORMER_V2}, {"grid_resolution": None, "avg_num_nodes": 77, "alpha_drop": 0}),
        ({"name": "escn", **ESCN}, {"lmax_list": [2], "activation_checkpoint": None}),
        (GEMNET, {"scale_file": {"comment": {}}}),
    ],
)
def test_what_is_taken(model, changes):
    check_model({**model, **changes})


def hydra(**changes):
    return {**HYDRA, **changes}


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {"name": "esen_mlp_efs_head"},
            r"model: 'esen_mlp_efs_head' is a head, not a model; it goes under model\.heads",
        ),
        (
            {"name": "esen_backbone"},
            r"model: 'esen_backbone' is a backbone, not a model; it goes under model\.backbone",
        ),
        ({"name": "schnett"}, r"unknown model 'schnett'(?!.*_head).*Did you mean 'schnet'"),
        ({"name": "torch.nn"}, r"model: torch\.nn is not a Module"),
        ({"name": "torch.nn.Nothing"}, r"model: torch\.nn\.Nothing is not a class that can be imported"),
        ({"name": "schnet", "dc": {"region": "full"}}, r"model\.dc: 'schnet' is a stock model .*use 'dc_schnet'"),
        (hydra(heads="efs"), r"model\.heads: got 'efs', expected a block"),
        (hydra(heads={}), r"model\.heads: missing"),
        (hydra(heads={"e": "efs"}), r"model\.heads\.e"),
        (hydra(heads={"e": {"module": "esen_backbone"}}), r"model\.heads\.e\.module: 'esen_backbone' is a backbone"),
        (hydra(backbone={"model": "esen_mlp_efs_head"}), r"model\.backbone\.model: 'esen_mlp_efs_head' is a head"),
        (
            hydra(backbone={**HYDRA["backbone"], "lmax": "2"}),
            r"model\.backbone\.lmax: got '2', expected a whole number",
        ),
        (hydra(pass_through_head_outputs="no"), r"pass_through_head_outputs: got 'no', expected true or false"),
    ],
)
def test_names_and_parts(small_config, model, message):
    config = {**small_config(), "model": model}
    with pytest.raises(UserError) as caught:
        check_run_config(config)
    assert re.search(message, str(caught.value)), caught.value


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            {**MODEL, "readout": "total"},
            r"model\.readout: got 'total', with which dc_schnet cannot be built \(ValueError",
        ),
        ({**MODEL, "hidden_channels": 10**9}, r"model\.hidden_channels: got 1000000000, with which dc_schnet cannot"),
        ({**GEMNET, "rbf": {"name": "gauss"}}, r"model\.rbf: got \{'name': 'gauss'\}.*Unknown radial basis function"),
        ({**GEMNET_OC, "cutoff_aint": 1.0}, r"dc_gemnet_oc cannot be built \(AssertionError: assert .*cutoff_aint"),
    ],
)
def test_a_constructor_that_stops_names_the_argument(model, message):
    with pytest.raises(UserError, match=message):
        build_model(model)


def test_two_arguments_that_stop_it_name_the_model():
    with pytest.raises(UserError, match=r"model dc_gemnet_t: cannot be built with these arguments \(ValueError: Unk"):
        build_model({**GEMNET, "rbf": {"name": "gauss"}, "envelope": {"name": "square"}})


@pytest.mark.parametrize("trainer", ["dc", "ocp"])
def test_with_every_trainer(tmp_path, small_config, capsys, trainer):
    name = "dc_schnet" if trainer == "dc" else "schnet"
    config = {**small_config(model={"readout": "total", "name": name}), "trainer": trainer}
    config["model"].pop("dc", None)
    config["dataset"]["train"]["transforms"] = {}
    config["evaluation_metrics"] = {"metrics": {"forces": ["mae"]}, "primary_metric": "forces_mae"}
    assert run_main(tmp_path, config).status == 2
    error = capsys.readouterr().err
    assert f"error: model.readout: got 'total', with which {name} cannot be built" in error
    assert "unexpected" not in error


def test_on_the_command_line(tmp_path, small_config, capsys):
    assert run_main(tmp_path, small_config(model={"hidden_channels": "wide"})).status == 2
    assert "model.hidden_channels: got 'wide'" in capsys.readouterr().err
    assert main(["inspect", "configs/md17/schnet-dc.yml", "--model.hidden_channels=abc"]) == 2
    assert "model.hidden_channels: got 'abc', expected a whole number" in capsys.readouterr().err


def test_a_model_that_needs_edges_says_so(tmp_path, small_config, capsys):
    assert run_main(tmp_path, small_config(model={"otf_graph": False})).status == 2
    assert (
        "error: model.otf_graph: got false, with which the model reads its edges from the data"
        in capsys.readouterr().err
    )


def test_labels_that_the_data_do_not_have(tmp_path, small_config, capsys):
    config = small_config()
    train = {**config["dataset"]["train"], "key_mapping": {"yy": "energy", "force": "forces"}, "transforms": {}}
    config["dataset"] = {**config["dataset"], "train": train}
    assert run_main(tmp_path, config).status == 2
    error = capsys.readouterr().err
    assert "error: outputs.energy: the data have no label of this name; they hold atomic_numbers" in error
