"""The installed host, the host of a checkpoint, and values of a study by host."""

from __future__ import annotations

import importlib.metadata
import io
import pickle
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import torch

import ocp_dc
from ocp_dc.core.errors import UserError
from ocp_dc.hosts import check_installed, host_for, installed_host, installed_name
from ocp_dc.study.host_values import choose_host_values
from ocp_dc.study.spec import read_study
from ocp_dc.training.checkpoint_origin import host_of_checkpoint

from tests.helpers.small_study import write_study

BY_HOST = {"fairchem1": "one", "fairchem2": "two"}


def install(monkeypatch: pytest.MonkeyPatch, found: str | None) -> None:
    """Make a version of fairchem-core the installed one."""

    def version(name: str) -> str:
        if found is None:
            raise importlib.metadata.PackageNotFoundError(name)
        return found

    monkeypatch.setattr("ocp_dc.hosts.version", version)


def write_fairchem2_checkpoint(path: Path) -> Path:
    """Write a file as fairchem 2 does: an object of its class for inference checkpoints, which need not exist here."""
    module = "fairchem.core.units.mlip_unit.api.inference"
    pickled = f"c{module}\nMLIPInferenceCheckpoint\n)R.".encode()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/version", "3\n")
    return path


def test_the_installed_host():
    host = installed_host()
    assert host.name == installed_name()
    assert host.name == f"fairchem{importlib.metadata.version('fairchem-core')[0]}"


@pytest.mark.parametrize(
    ("found", "words"), [(None, "fairchem-core is not installed"), ("3.1.0", "found 3.1.0, expected 1.10 or 2.24")]
)
def test_without_a_supported_host(monkeypatch, found, words):
    install(monkeypatch, found)
    with pytest.raises(UserError, match=rf"{words}; pip install 'ocp_dc\[fairchem1\]' .* 'ocp_dc\[fairchem2\]'"):
        installed_host()


def test_another_host_than_asked_for(monkeypatch):
    install(monkeypatch, "2.24.0")
    check_installed("fairchem2", "host")
    with pytest.raises(
        UserError, match=r"host: expected fairchem 1\.10, but fairchem 2\.24 is .*'ocp_dc\[fairchem1\]'"
    ):
        check_installed("fairchem1", "host")


def test_the_protocols_are_light():
    code = "import sys, ocp_dc.hosts; print(sorted({'torch', 'fairchem', 'numpy', 'ase'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=Path(ocp_dc.__file__).parents[1], capture_output=True)
    assert done.stdout.decode().strip() == "[]"


def test_the_host_of_a_checkpoint(tmp_path):
    torch.save({"config": {"model": {"name": "schnet"}}, "state_dict": {"w": torch.ones(2)}}, tmp_path / "one.pt")
    assert host_of_checkpoint(tmp_path / "one.pt") == "fairchem1"
    assert host_of_checkpoint(write_fairchem2_checkpoint(tmp_path / "two.pt")) == "fairchem2"


@pytest.mark.parametrize("content", [b"", b"{}", b"PK\x03\x04 cut off", pickle.dumps({"a": 1})])
def test_other_files_are_of_no_host(tmp_path, content):
    path = tmp_path / "file.pt"
    path.write_bytes(content)
    assert host_of_checkpoint(path) is None
    assert host_of_checkpoint(tmp_path / "missing.pt") is None
    assert host_of_checkpoint(tmp_path) is None


def test_a_compressed_or_huge_pickle_is_not_read(tmp_path):
    for name, method in (("deflated", zipfile.ZIP_DEFLATED), ("stored", zipfile.ZIP_STORED)):
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w", method) as archive:
            archive.writestr("archive/data.pkl", b"N" * (17 << 20) + b".")
        (tmp_path / name).write_bytes(buffer.getvalue())
        assert host_of_checkpoint(tmp_path / name) is None


def test_a_checkpoint_of_the_other_host_names_convert(tmp_path):
    path = tmp_path / "other.pt"
    if installed_name() == "fairchem1":
        write_fairchem2_checkpoint(path)
        other, words = "fairchem2", r"fairchem 2\.24, but fairchem 1\.10"
    else:
        torch.save({"config": {}, "state_dict": {}}, path)
        other, words = "fairchem1", r"fairchem 1\.10, but fairchem 2\.24"
    message = rf"was written with {words} is installed; .*`ocp-dc convert .*other\.pt OUT`.*'ocp_dc\[{other}\]'"
    with pytest.raises(UserError, match=message):
        host_for(path)
    with pytest.raises(UserError, match=message):
        ocp_dc.calculator(path)


def test_values_by_host_at_any_depth():
    block = {"title": "t", "base": BY_HOST, "arms": {"a": {"x": [1, BY_HOST]}, "b": None}}
    assert choose_host_values(block, "fairchem1", "s.yml") == {
        "title": "t", "base": "one", "arms": {"a": {"x": [1, "one"]}, "b": None}
    }  # fmt: skip
    assert choose_host_values({"base": BY_HOST}, None, "s.yml")["base"] == BY_HOST[installed_name()]


def test_a_value_for_the_other_host_only():
    with pytest.raises(UserError, match=r"s\.yml: arms\.a: has no value for fairchem2, only for fairchem1"):
        choose_host_values({"arms": {"a": {"fairchem1": {}}}}, "fairchem2", "s.yml")
    with pytest.raises(UserError, match=r"s\.yml: base: got other beside names of hosts"):
        choose_host_values({"base": {"fairchem1": 1, "other": 2}}, "fairchem1", "s.yml")


def test_a_study_reads_the_values_of_its_host(tmp_path):
    path = write_study(tmp_path, base=BY_HOST, common={"fairchem1": {"a": 1}, "fairchem2": {"b": 2}}, host="fairchem2")
    study = read_study(path)
    assert (study.options.base, study.options.common) == ("two", {"b": 2})


def test_a_study_of_another_host_is_refused(tmp_path):
    from ocp_dc.study.plan import Choices, make_plan

    other = "fairchem2" if installed_name() == "fairchem1" else "fairchem1"
    with pytest.raises(UserError, match=rf"host: expected fairchem .* is installed; .*'ocp_dc\[{other}\]'"):
        make_plan(read_study(write_study(tmp_path, host=other)), tmp_path / "out", Choices())
    with pytest.raises(UserError, match=r"host: got 'fairchem3'"):
        read_study(write_study(tmp_path, host="fairchem3"))
