from __future__ import annotations

import csv

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UserError
from ocp_dc.training.validation_log import read_training_log

HEADER = "step,epoch,learning_rate,train_loss,loss,energy_mae [eV],energy_per_atom_mae [eV],forces_mae [eV/Å],efwt"


def log(tmp_path, *lines: str):
    path = tmp_path / "validation.csv"
    path.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
    return path


@settings(deadline=None, max_examples=60)
@given(st.lists(st.tuples(st.floats(0), st.floats(0)), min_size=1, max_size=6))
def test_round_trip(tmp_path_factory, errors):
    path = tmp_path_factory.getbasetemp() / "validation.csv"
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER.split(","))
        writer.writerows([10 * n, n / 2, 1e-3, 1, 1, e, e / 9, f, 0] for n, (e, f) in enumerate(errors))
    read = read_training_log(path)
    assert read.epoch.tolist() == [n / 2 for n in range(len(errors))]
    assert list(zip(read.energy_mae.tolist(), read.forces_mae.tolist(), strict=True)) == errors


def test_a_resumed_run_counts_its_later_rows(tmp_path):
    rows = ["5,1,1,1,1,0.1,0,1,0", "10,2,1,1,1,0.2,0,2,0", "15,3,1,1,1,0.3,0,3,0", "10,2,1,1,1,0.4,0,4,0"]
    read = read_training_log(log(tmp_path, *rows))
    assert read.epoch.tolist() == [1, 2, 3]
    assert read.energy_mae.tolist() == [0.1, 0.4, 0.3]
    assert read.forces_mae.tolist() == [1, 4, 3]


def test_the_row_being_written_is_left_out(tmp_path):
    path = log(tmp_path, "5,1,1,1,1,0.1,0,1,0")
    with path.open("a", encoding="utf-8") as file:
        file.write("10,2,1,1,1,0.2,0,0.")
    assert read_training_log(path).epoch.tolist() == [1]


def test_a_diverged_run_keeps_its_nan(tmp_path):
    assert str(read_training_log(log(tmp_path, "5,1,1,1,nan,nan,nan,nan,0")).energy_mae) == "[nan]"


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"got the columns \(none\)"),
        (b"epoch,energy_mae [eV]\n1,2\n", r"got the columns epoch, energy_mae \[eV\], expected 'forces_mae \[eV/Å\]'"),
        ("epoch,energy_mae [eV],force_mae [eV/Å]\n".encode(), r"Did you mean 'force_mae \[eV/Å\]'"),
        (f"{HEADER}\n".encode(), "got a header and no rows"),
        (f"{HEADER}\n1,1,1,1,1,oops,1,1,1\n".encode(), "line 2: got '1,1,1,1,1,oops,1,1,1', expected a number"),
        (f"{HEADER}\n1,1\n1,1,1,1,1,1,1,1,1\n".encode(), "line 2: got '1,1'"),
        (f"{HEADER}\n1,nan,1,1,1,1,1,1,1\n".encode(), "line 2"),
        (b"\x89PNG\r\n\xff\xfe", "got a file that is not text"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    path = tmp_path / "validation.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message):
        read_training_log(path)


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(UserError, match="got no such file"):
        read_training_log(tmp_path / "nothing.csv")
