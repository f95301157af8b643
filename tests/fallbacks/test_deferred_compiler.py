"""torch_geometric without torch's compiler at import, in a process that has imported neither."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import ocp_dc

CODE = """
import sys
from ocp_dc.fallbacks.deferred_compiler import import_torch_geometric
finders = list(sys.meta_path)
import_torch_geometric()
import_torch_geometric()
assert sys.meta_path == finders
import torch, torch_geometric.isinstance as changed
assert "torch._dynamo" not in sys.modules
line, = [line for line in open(changed.__file__) if "import torch._dynamo" in line]  # the file is as it was
compiled = torch.compile(torch.nn.Linear(2, 2))  # imports it
for given, kind, expected in ((compiled, torch.nn.Linear, True), (compiled, torch.nn.Conv1d, False), (1, int, True)):
    assert changed.is_torch_instance(given, kind) is expected
assert "torch._dynamo" in sys.modules
# cached code of a later process is that of the file
import importlib
before = vars(changed)["is_torch_instance"]
importlib.reload(changed)
assert changed.is_torch_instance is not before and changed.is_torch_instance(compiled, torch.nn.Linear)
print("ready")
"""


def test_the_check_of_compiled_models_works_without_the_import():
    environment = {**os.environ, "PYTHONPATH": str(Path(ocp_dc.__file__).parents[1]), "OCP_DC_AUTOLOAD": "0"}
    done = subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True)
    assert (done.stdout, done.returncode) == ("ready\n", 0), done.stderr
