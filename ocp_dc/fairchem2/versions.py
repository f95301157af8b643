"""The versions of fairchem-core with which this host was tested."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

TESTED = ("2.24",)  # minors; setup.cfg names the same range


def installed_version() -> str | None:
    """Return the version of fairchem-core, or None if it is not installed."""
    try:
        return version("fairchem-core")
    except PackageNotFoundError:
        return None


def is_supported(installed: str | None) -> bool:
    """Return whether this host works with a version of fairchem-core."""
    return installed is not None and any(installed == minor or installed.startswith(f"{minor}.") for minor in TESTED)
