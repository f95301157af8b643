from __future__ import annotations

from typing import Any

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.data.prepare import prepare
from ocp_dc.data.sample import sample_path
from ocp_dc.fairchem1.checks.held_out import check_held_out

from tests.helpers.runs import run_main


@pytest.fixture
def config_of_training_data_only(tmp_path, small_config):
    """A config for what `ocp-dc prepare --val 0 --test 0` writes, with the paths that prepared data mostly have."""
    out = tmp_path / "data"
    prepare(sample_path(), out, format="rmd17", units="eV", train=20, val=0, test=0, progress=False)
    config = small_config()
    config["dataset"] = {name: dict(block) for name, block in config["dataset"].items()}
    for name in ("train", "val", "test"):
        config["dataset"][name]["src"] = str(out / name)
    return config


@pytest.mark.parametrize("split", ["val", "test"])
def test_a_split_that_was_not_made_is_named(tmp_path, config_of_training_data_only, capsys, split):
    config_of_training_data_only["dataset"] |= {{"val": "test", "test": "val"}[split]: {"src": None}}
    run = run_main(tmp_path, config_of_training_data_only)
    assert run.status == 2
    error = capsys.readouterr().err
    assert f"dataset.{split}.src {tmp_path}/data/{split}: no such file or folder" in error
    assert f"`ocp-dc prepare --{split} 0` writes none" in error
    assert f"--dataset.{split}.src=null" in error
    assert not run.checkpoint().exists()


@pytest.mark.parametrize("block", [{"src": None}, None])
def test_training_goes_without(tmp_path, config_of_training_data_only, block):
    config_of_training_data_only["dataset"] |= {"val": block, "test": block}
    run = run_main(tmp_path, config_of_training_data_only)
    assert run.status == 0
    assert run.checkpoint().exists()


def test_other_formats_than_lmdbs_are_left_to_their_readers():
    blocks: dict[str, Any] = {
        "val": {"src": "mysql://server/table", "format": "ase_db"},
        "test": {"src": ["a", "b"]},
        "relax": {},
    }
    check_held_out(blocks, {"format": "lmdb"})
    check_held_out({"val": {"src": "nowhere"}}, {"format": "ase_read"})
    with pytest.raises(UserError, match=r"dataset\.val\.src nowhere"):
        check_held_out({"val": {"src": "nowhere"}}, {})
