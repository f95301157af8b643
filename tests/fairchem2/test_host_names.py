"""The list of fairchem's names is right for the installed fairchem."""

from __future__ import annotations

import importlib
import inspect
import re

import pytest

from ocp_dc.fairchem2.host_names import HOST_NAMES, HostName


@pytest.mark.parametrize("entry", HOST_NAMES, ids=lambda entry: entry.path)
def test_the_name_exists(entry: HostName) -> None:
    module, _, names = entry.path.partition(":")
    found = importlib.import_module(module)
    *owners, last = names.split(".")
    for owner in owners:
        found = getattr(found, owner)
    if hasattr(found, last):
        return
    # an attribute of the instances: the class, or one of its bases, or a function that it calls, assigns it
    sources = "\n".join(
        inspect.getsource(inspect.getmodule(base))
        for base in found.__mro__[:-1]
        if base.__module__.startswith("fairchem")
    )
    assert re.search(rf"\b(self|model)\.{last}\b.* = |\b(self|model)\.{last}: ", sources), entry


def test_each_name_has_a_reason_and_is_listed_once() -> None:
    assert all(entry.why for entry in HOST_NAMES)
    assert len({entry.path for entry in HOST_NAMES}) == len(HOST_NAMES)
