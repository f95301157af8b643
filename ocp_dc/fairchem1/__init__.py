"""The host fairchem-core 1.10: the only package that imports fairchem.

Importing it installs the fallbacks and the other hooks, and registers the wrappers, the dataset formats, the
label-rescaling transform and the trainer under their short names.
"""

from ocp_dc.fairchem1.host_patches import hooks

hooks.install()

# These import fairchem, and register themselves with it, so they come after the hooks.
import ocp_dc.fairchem1.train.memory_dataset  # noqa: E402
import ocp_dc.fairchem1.trainer  # noqa: E402
import ocp_dc.fairchem1.wrappers  # noqa: E402, F401
