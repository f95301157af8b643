from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ocp_dc.core.errors import UnsafeDataError, UserError, bad_value, nearest, unknown_name
from ocp_dc.core.write_errors import WriteError


def test_kinds() -> None:
    assert issubclass(UserError, ValueError)
    assert issubclass(UnsafeDataError, UserError)


@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("irelo", " Did you mean 'irelu'?"),
        ("mush", " Did you mean 'mish'?"),
        ("irelu", " Did you mean 'irelu'?"),
        ("quadratic", ""),
        ("", ""),
        (None, ""),
        (3, ""),
    ],
)
def test_nearest(name: object, hint: str) -> None:
    assert nearest(name, ["irelu", "mish"]) == hint


def test_nearest_of_nothing() -> None:
    assert nearest("irelu", []) == ""


def test_unknown_name_says_what_there_is() -> None:
    error = unknown_name("activation", "irelo", iter(["mish", "irelu"]))
    assert type(error) is UserError
    assert str(error) == "unknown activation 'irelo': expected one of irelu, mish. Did you mean 'irelu'?"


def test_unknown_name_without_a_near_one() -> None:
    assert str(unknown_name("unit", 7, ["eV", "Ha"])) == "unknown unit 7: expected one of Ha, eV."


@settings(deadline=None)
@given(st.text(), st.lists(st.text(min_size=1)))
def test_any_name(name: str, names: list[str]) -> None:
    message = str(unknown_name("thing", name, names))
    assert repr(name) in message
    assert all(known in message for known in names)
    if name and name in names:
        assert message.endswith(f" Did you mean '{name}'?")


class _Failing(torch.utils.data.Dataset):
    def __init__(self, error: Exception) -> None:
        self.error = error

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        try:
            raise KeyError("the cause")
        except KeyError as cause:
            raise self.error from cause


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
@pytest.mark.parametrize("kind", [UserError, UnsafeDataError, WriteError])
def test_an_error_of_a_loader_worker_has_its_own_message(kind: type[UserError]) -> None:
    error = kind("a.lmdb: record 3: got\ntwo lines")
    with pytest.raises(kind) as caught:
        list(torch.utils.data.DataLoader(_Failing(error), num_workers=1, multiprocessing_context="fork"))
    assert type(caught.value) is kind
    assert str(caught.value) == str(error)


def test_the_parts_of_a_message():
    assert str(bad_value("optim.lr", "x", "a number")) == "optim.lr: got 'x', expected a number"
    assert str(bad_value("a", 3, "a text", mend="quote it")) == "a: got 3, expected a text; quote it"
    known = ["system", "atom"]
    message = "level: got 'atoms', expected system or atom. Did you mean 'atom'?"
    assert str(bad_value("level", "atoms", "system or atom", names=iter(known))) == message
    assert str(bad_value("level", 3, "system or atom", names=known)) == "level: got 3, expected system or atom."
