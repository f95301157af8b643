"""Build step that setup.cfg cannot express: it adds the configs to the package, and a ``.pth`` file next to it.

setuptools loads this file by itself during a build; no other module imports it. ``configs/`` is at the top level of the
repository, and becomes ``ocp_dc/configs`` in a wheel. An editable install uses the configs of the checkout; it has the
``.pth`` file, too.
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


class BuildPy(build_py):
    """Build the package with its configs and the ``.pth`` file."""

    def run(self) -> None:
        """Build; an editable install gets only the ``.pth`` file, at the root of its wheel."""
        super().run()
        root = Path(self.get_finalized_command("install").install_lib if self.editable_mode else self.build_lib)
        root.mkdir(parents=True, exist_ok=True)
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
        return outputs if self.editable_mode else [*outputs, *self._configs(), str(Path(self.build_lib, PTH))]

    def _configs(self) -> dict[str, str]:
        sources = sorted(Path(CONFIGS).glob("*/*.yml"))
        return {str(Path(self.build_lib, "ocp_dc", source)): str(source) for source in sources}
