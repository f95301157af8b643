"""What inspect says of a config, without data."""

from __future__ import annotations

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2.infer.inspect_model import inspect_config

from tests.helpers.fairchem2_runs import overrides


def test_a_config_by_name():
    lines = inspect_config("fairchem2/schnet-dc", [*overrides(), "data_dir=nowhere"]).splitlines()
    assert lines[0] == "model: SchNetBackbone, 4,305 parameters"
    assert lines[1] == "conservative: forces are -dE/dx"
    assert lines[2] == "label rescaling: center: composition, scale: forces_rms"
    assert lines[3].startswith("surgery: 1 activations swapped in region 'output', 4 elsewhere")


def test_detached_angles_give_other_forces():
    for angles, words in (("exact", "-dE/dx"), ("stock", "not the gradient of the energy")):
        text = inspect_config("fairchem2/dimenetplusplus-stock", [f"model.backbone.angle_gradients={angles}"])
        assert text.splitlines()[1] == f"conservative: forces are {words}"


def test_changes_in_either_notation():
    stock = inspect_config("fairchem2/schnet-stock", overrides())
    assert stock.splitlines()[-1] == "surgery: none, this is the stock model"
    texts = {
        inspect_config("fairchem2/schnet-stock", [*overrides(), f"{prefix}model.dc.region=full"])
        for prefix in ("--", "++", "+")
    }
    assert len(texts) == 1
    assert "5 activations swapped in region 'full'" in texts.pop()


def test_labels_of_another_kind():
    text = inspect_config("fairchem2/schnet-stock", [*overrides(), "label_rescaling={center: none, scale: 2.5}"])
    assert "label rescaling: center: none, scale: 2.5" in text


def test_recipes_are_of_the_other_host():
    with pytest.raises(UserError, match=r"--with dc/schnet: recipes change configs of fairchem 1\.10; .*\+\+model\.dc"):
        inspect_config("fairchem2/schnet-stock", [], ["dc/schnet"])


def test_resolvers_read_data_again_afterwards(tmp_path):
    from omegaconf import OmegaConf

    inspect_config("fairchem2/schnet-stock", overrides())
    with pytest.raises(Exception, match="nowhere"):
        OmegaConf.to_container(
            OmegaConf.create({"a": f"${{dc_scale:{tmp_path}/nowhere,none,forces_rms}}"}), resolve=True
        )
