"""fairchem 2 as a host: what it is, and its commands in processes."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.fairchem2 import host as host_module
from ocp_dc.fairchem2.host import Fairchem2
from ocp_dc.hosts import installed_host

from tests.helpers.fairchem2_runs import ROOT, command, overrides

# several commands in one process, since an import of fairchem takes seconds
MISTAKES = """
import sys
from ocp_dc.cli import main
for arguments in {commands!r}:
    print(main(arguments))
"""


def test_the_installed_host():
    host = installed_host()
    assert (host.name, host.data_format, host.configs) == ("fairchem2", "aselmdb", "fairchem2")


def test_a_version_that_is_not_tested(monkeypatch):
    monkeypatch.setattr(host_module, "installed_version", lambda: "2.99.0")
    with pytest.raises(
        UserError, match=r"needs fairchem-core 2\.24, found 2\.99\.0; pip install 'ocp_dc\[fairchem2\]'"
    ):
        Fairchem2()


def test_the_module_is_light():
    code = "import sys, ocp_dc.fairchem2.host; print(sorted({'torch', 'fairchem', 'hydra'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_scale_factors_of_a_model_without_any(tmp_path):
    with pytest.raises(UserError, match=r"SchNet has no scale factors and needs no fit; GemNet-dT"):
        installed_host().fit_scales("fairchem2/schnet-stock", tmp_path / "a.json", (), (), 16, True)


def test_scale_factors(tmp_path, ethanol):
    host = installed_host()
    with pytest.raises(UserError, match="recipes change configs of fairchem 1"):
        host.fit_scales("fairchem2/gemnet_t-stock", tmp_path / "a.json", (), ("dc/gemnet_t",), 1, True)
    small = ["num_blocks=1", "emb_size_atom=8", "emb_size_edge=8", "emb_size_trip=4", "emb_size_rbf=4"]
    changes = [*(f"model.backbone.{each}" for each in small), f"data_dir={ethanol}", "batch_size=4"]
    table = host.fit_scales("fairchem2/gemnet_t-stock", tmp_path / "a.json", changes, (), 1, True)
    assert table.splitlines()[0].startswith("scale factor")
    assert "comment" in json.loads((tmp_path / "a.json").read_text())


@pytest.mark.slow
def test_mistakes_in_commands(tmp_path, ethanol):
    small = ["main", "-c", "fairchem2/schnet-stock", *overrides(), f"job.run_dir={tmp_path}"]
    data = f"data_dir={ethanol}"
    commands = {
        r"no such file; expected a config of fairchem 2": ["main", "-c", "fairchem2/nothing"],
        r"unknown key 'epohcs'\. Did you mean 'epochs'": [*small, data, "epohcs=1"],
        r"unknown key epohcs\. Did you mean 'epochs'": [*small, data, "++epohcs=1"],
        r"nowhere": [*small, "data_dir=nowhere"],
        r"unexpected keyword argument 'max_epoch'.*Did you mean 'max_epochs'": [*small, data, "++runner.max_epoch=1"],
        r"model\.dc: unknown key 'regoin'": [*small, data, "++model.dc.regoin=full"],
    }
    done = command("-c", MISTAKES.format(commands=list(commands.values())), cwd=tmp_path, program=())
    assert done.stdout.split() == ["2"] * len(commands), done.stderr
    errors = [line for line in done.stderr.splitlines() if line.startswith("error: ")]
    assert len(errors) == len(commands)
    for words, error in zip(commands, errors, strict=True):
        assert re.search(words, error), error
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.glob("ocp-dc-error*"))


@pytest.mark.slow
def test_a_run_that_diverges_ends_with_status_1(tmp_path, ethanol):
    places = [f"data_dir={ethanol}", f"job.run_dir={tmp_path}", "lr=1e30", "epochs=1"]
    done = command("main", "-c", "fairchem2/schnet-stock", *overrides(), *places, cwd=tmp_path)
    assert done.returncode == 1, done.stderr
    assert re.search(r"^error: training diverged at step \d+: .* is not finite", done.stderr, re.MULTILINE)


@pytest.mark.slow
def test_evaluate(tmp_path, checkpoint, ethanol):
    done = command("evaluate", str(checkpoint), str(ethanol / "test"), "--out", "out", "--cpu", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    names = {path.name for path in (tmp_path / "out").iterdir()}
    tables = {"errors.csv", "largest_errors.csv", "predictions.csv", "predictions.npz"}
    parts = ("errors_by_element", "errors_by_force", "errors_along_trajectory")
    pictures = {f"{name}.{suffix}" for name in parts for suffix in ("csv", "png")}
    assert names == {"evaluation.json", "parity.png", *tables, *pictures}
    assert "energy, per structure" in done.stdout
