"""The host fairchem-core 1.10: the only package that imports fairchem.

Importing it puts the fallbacks and the other hooks in force and registers the wrappers, the dataset formats, the
label-rescaling transform and the trainer under their short names.
"""

from ocp_dc.fairchem1 import hooks

hooks.install()

# These import fairchem, and register themselves with it, so they come after the hooks.
from ocp_dc.fairchem1 import memory_dataset, trainer, wrappers  # noqa: E402

__all__ = ["hooks", "memory_dataset", "trainer", "wrappers"]
