"""Name run directories to the millisecond.

The start time is sent to the other ranks as a float32, whose resolution at present dates is 128 s. Two runs that start
within two minutes and have the same identifier, or none, share their directories, and the second overwrites the first.
With this patch, the time is sent as an integer number of milliseconds.
"""

from __future__ import annotations

import textwrap

import plugin_source
from tree import Tree

PATH = "trainers/base_trainer.py"

STOCK = """        now = datetime.datetime.now().timestamp()
        timestamp_tensor = torch.tensor(now).to(device)
        # create directories from master rank only
        distutils.broadcast(timestamp_tensor, 0)
        timestamp_str = datetime.datetime.fromtimestamp(
            timestamp_tensor.float().item()
        ).strftime("%Y-%m-%d-%H-%M-%S")
        if suffix:
            timestamp_str += "-" + suffix
        return timestamp_str
"""


def edit(tree: Tree) -> None:
    """Replace the body of the stock method by that of the plugin's function."""
    body = plugin_source.body("fairchem1/train/loop.py", "timestamp")
    tree.replace(PATH, STOCK, textwrap.indent(body, " " * 8) + "\n")
    tree.replace(PATH, "import sys\nfrom abc", "import sys\nimport time\nfrom abc")
