"""Each option of the commands that read files ends in its own place."""

from __future__ import annotations

import argparse
import dataclasses

import pytest

from ocp_dc.commands.data_options import add_format, add_read_options, add_split_options, read_options, split_sizes
from ocp_dc.core.errors import UserError
from ocp_dc.data.structures import ReadOptions


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser()
    add_format(made)
    add_read_options(made)
    add_split_options(made)
    return made


def test_every_option_of_a_file() -> None:
    values = {field.name: f"its {field.name}" for field in dataclasses.fields(ReadOptions)}
    del values["virial_key"]  # not together with stresses
    values |= {"format": "ase", "units": "kcal/mol", "length_units": "bohr", "stress_units": "GPa"}
    words = [word for name, value in values.items() for word in (f"--{name.replace('_', '-')}", value)]
    assert read_options(parser().parse_args(words)) == ReadOptions(**values)
    assert read_options(parser().parse_args(["--virial-key", "v"])) == ReadOptions(virial_key="v")
    assert read_options(parser().parse_args([])) == ReadOptions()


def test_sizes_of_a_split() -> None:
    sizes = split_sizes(parser().parse_args(["--train", "5", "--val", "0.25", "--test", "10 %"]))
    assert sizes == {"train": 5, "val": 0.25, "test": pytest.approx(0.1)}
    assert split_sizes(parser().parse_args([])) == {"train": None, "val": None, "test": None}
    with pytest.raises(UserError, match="--val"):
        split_sizes(parser().parse_args(["--val", "some"]))
