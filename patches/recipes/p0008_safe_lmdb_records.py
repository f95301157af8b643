"""Read the records of LMDBs without running the code that they name.

The records and the length of an LMDB are pickles, and a pickle is a program: reading a data set runs any code that its
author put there. Records hold PyG's Data, tensors, arrays and plain values. With this patch, a pickle can name only
these, and gets placeholders that collect values; the objects are made from the values at the end. An allow-list alone
is not enough: each PyG pickle names torch.storage._load_from_bytes, which itself unpickles anything.
"""

from __future__ import annotations

import plugin_source
from tree import Tree

FILES = ("pickle_literals", "pickle_machine", "pickle_opcodes", "safe_pickle", "safe_storage")
ERROR = '''
class UnsafeDataError(ValueError):
    """A file holds something other than plain data, so that reading it could run code."""


'''


def edit(tree: Tree) -> None:
    """Add the reader, and use it in both LMDB data sets."""
    for name in FILES:
        tree.write(f"datasets/{name}.py", _adapt(name, plugin_source.text(f"data/oc20_lmdb/{name}.py")))
    for path in ("datasets/lmdb_dataset.py", "datasets/oc22_lmdb_dataset.py"):
        text = tree.text(path).replace("pickle.loads(", "safe_pickle.loads(")
        text = text.replace("pickle.load(fp)", "safe_pickle.loads(fp.read())").replace("import pickle\n", "")
        utils = "from fairchem.core.datasets._utils import"
        tree.write(path, text.replace(utils, f"from fairchem.core.datasets import safe_pickle\n{utils}", 1))


def _adapt(name: str, source: str) -> str:
    source = source.replace("ocp_dc.data.oc20_lmdb.", "fairchem.core.datasets.")
    source = source.replace("to the layout that `ocp-dc prepare` writes", "to plain data")
    if name == "safe_storage":  # the other modules import the error from it
        return source.replace("_DTYPES = {", f"{ERROR}_DTYPES = {{", 1)
    return source.replace("import load_storage", "import UnsafeDataError, load_storage")
