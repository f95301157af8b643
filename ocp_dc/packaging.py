"""Build step that setup.cfg cannot express: it adds the configs to the package, and two files next to it.

The two files attach the package to its hosts: a ``.pth`` file for fairchem 1.10, and a module in ``hydra_plugins``,
where hydra looks for plugins, for fairchem 2.

setuptools loads this file by itself during a build; no other module imports it. ``configs/`` is at the top level of the
repository, and becomes ``ocp_dc/configs`` in a wheel. An editable install uses the configs of the checkout; it has the
two files, too.
"""

from __future__ import annotations

from pathlib import Path

from setuptools.command.build_py import build_py

CONFIGS = "configs"
PTH = "ocp_dc.pth"
# Python executes this line at each start. It imports nothing if the environment variable is 0, and it ignores a package
# that was removed or a checkout that was moved.
LINE = (
    'import os; os.environ.get("OCP_DC_AUTOLOAD", "1") != "0" and exec('
    '"try:\\n from ocp_dc.fallbacks.finder import install\\nexcept ImportError:\\n pass\\nelse:\\n install()", {})\n'
)
# A namespace package, so it has no __init__.py. Hydra imports its modules in every program that uses hydra, and takes
# the plugin from its names. An uninstalled package or a checkout that was moved is ignored; no other error may stop a
# program that uses hydra for something else.
HYDRA_PLUGIN = "hydra_plugins/ocp_dc_plugin.py"
HYDRA_CODE = '''"""Attach ocp_dc to fairchem 2; hydra imports this module before it composes a config."""

import sys

try:
    from ocp_dc.fairchem2.plugin import register

    Plugin = register()
except Exception as error:
    if not (isinstance(error, ModuleNotFoundError) and (error.name or "").startswith("ocp_dc")):
        print(f"ocp_dc is not attached to fairchem 2: {type(error).__name__}: {error}", file=sys.stderr)
'''


class BuildPy(build_py):
    """Build the package with its configs, the ``.pth`` file and the module for hydra."""

    def run(self) -> None:
        """Build; an editable install gets only the two files, at the root of its wheel."""
        super().run()
        root = Path(self.get_finalized_command("install").install_lib if self.editable_mode else self.build_lib)
        (root / HYDRA_PLUGIN).parent.mkdir(parents=True, exist_ok=True)
        (root / HYDRA_PLUGIN).write_text(HYDRA_CODE, encoding="utf-8")
        (root / PTH).write_text(LINE, encoding="utf-8")
        if not self.editable_mode:
            for target, source in self._configs().items():
                Path(target).parent.mkdir(parents=True, exist_ok=True)
                self.copy_file(source, target)

    def get_output_mapping(self) -> dict[str, str]:
        """Return the source of each built file."""
        return {**super().get_output_mapping(), **self._configs()}

    def get_source_files(self) -> list[str]:
        """Return the files of a source distribution."""
        return [*super().get_source_files(), *self._configs().values()]

    def get_outputs(self, include_bytecode: bool = True) -> list[str]:
        """Return the built files."""
        outputs = super().get_outputs(include_bytecode)
        if self.editable_mode:
            return outputs
        return [*outputs, *self._configs(), *(str(Path(self.build_lib, name)) for name in (PTH, HYDRA_PLUGIN))]

    def _configs(self) -> dict[str, str]:
        sources = sorted(path for suffix in ("yml", "yaml") for path in Path(CONFIGS).glob(f"*/**/*.{suffix}"))
        return {str(Path(self.build_lib, "ocp_dc", source)): str(source) for source in sources}
