"""What a run shows on the terminal and what goes to its log file."""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import sys
import warnings
from pathlib import Path

import pytest

from ocp_dc.core.streams import write_line
from ocp_dc.core.verbosity import NORMAL, QUIET, VARIABLE, VERBOSE, bars_disabled
from ocp_dc.core.write_errors import WriteError
from ocp_dc.training.log_file import NAME, LogFile
from ocp_dc.training.output import add_output_options, inherited_output, run_output, say, show_everything, write_log

HIDDEN = {"nothing to balance": "there is one process"}


def talk() -> None:
    """Log a line of each kind, as a library does."""
    logging.info("details")
    logging.warning("nothing to balance")
    logging.warning("look out")
    say("epoch 1")


@pytest.mark.parametrize(
    ("output", "out", "error"),
    [(QUIET, [], ["warning: look out"]), (NORMAL, ["epoch 1"], ["warning: look out"])],
)
def test_each_line_has_its_place(tmp_path, capsys, output, out, error):
    with run_output(output, HIDDEN):
        talk()
        write_log(tmp_path)
        logging.info("more")
    shown = capsys.readouterr()
    assert (shown.out.splitlines(), shown.err.splitlines()) == (out, error)
    lines = (tmp_path / NAME).read_text().splitlines()
    assert [line.partition("): ")[2] for line in lines] == [
        *("details", "nothing to balance", "look out", "epoch 1", "more"),
    ]


def test_verbose_shows_every_line(capsys):
    with run_output(VERBOSE, HIDDEN):
        talk()
    out, error = capsys.readouterr()
    assert "(INFO): details\n" in out
    assert out.endswith("\nepoch 1\n")
    assert "(WARNING): nothing to balance\n" in error


def test_messages_of_the_host_that_are_for_the_user(capsys):
    with run_output(NORMAL, {}, shown=["Submitted jobs: "]):
        logging.info("Submitted jobs: 7")
        logging.info("details: Submitted jobs: 8")
    assert capsys.readouterr() == ("Submitted jobs: 7\n", "")


def test_everything_from_some_line_on(capsys):
    with run_output(NORMAL, HIDDEN):
        logging.info("before")
        show_everything()
        logging.info("after")
    assert [line[-13:] for line in capsys.readouterr().out.splitlines()] == ["(INFO): after"]


def test_other_ranks_show_errors_only(capsys):
    with run_output(NORMAL, HIDDEN, rank=1):
        talk()
        logging.error("broken")
    assert capsys.readouterr() == ("", "error: broken\n")


def test_handlers_and_environment_are_as_before(monkeypatch):
    root = logging.getLogger()
    stream, own = logging.StreamHandler(io.StringIO()), LogFile()
    for handler in (stream, own):
        root.addHandler(handler)
    monkeypatch.delenv(VARIABLE, raising=False)
    before, level = list(root.handlers), root.level
    try:
        with contextlib.suppress(ZeroDivisionError), run_output(QUIET, {}):
            assert stream not in root.handlers
            assert own in root.handlers  # not one that writes to a stream
            assert os.environ[VARIABLE] == QUIET
            assert bars_disabled() is True
            inside = list(root.handlers)
            with run_output(VERBOSE, {}), inherited_output({}, (), 0):
                assert root.handlers == inside
            raise ZeroDivisionError
        assert (root.handlers, root.level, os.environ.get(VARIABLE)) == (before, level, None)
        assert bars_disabled() is None
        assert bars_disabled(hidden=True) is True
    finally:
        for handler in (stream, own):
            root.removeHandler(handler)


def test_ranks_inherit_the_choice(monkeypatch, capsys):
    monkeypatch.setenv(VARIABLE, QUIET)
    with inherited_output({}, (), 0):
        talk()
    assert capsys.readouterr().out == ""
    monkeypatch.delenv(VARIABLE)
    before = list(logging.getLogger().handlers)
    with inherited_output({}, (), 0):
        assert logging.getLogger().handlers == before


def test_the_level_of_the_user(monkeypatch, capsys):
    monkeypatch.setenv("LOGLEVEL", "debug")
    with run_output(VERBOSE, {}):
        logging.debug("tiny")
    assert "(DEBUG): tiny" in capsys.readouterr().out


@pytest.mark.filterwarnings("default")
def test_warnings_of_python_are_records(tmp_path, capsys):
    with run_output(NORMAL, {"of no use": "a reason"}):
        warnings.warn("of no use", UserWarning, stacklevel=1)
        warnings.warn("of use", UserWarning, stacklevel=1)
        write_log(tmp_path)
    assert "UserWarning: of use" in capsys.readouterr().err
    assert "UserWarning: of no use" in (tmp_path / NAME).read_text()


def test_a_link_is_replaced_and_a_folder_is_refused(tmp_path):
    (tmp_path / "other").write_text("mine")
    (tmp_path / NAME).symlink_to(tmp_path / "other")
    with run_output(NORMAL, {}):
        say("line")
        write_log(tmp_path)
    assert (tmp_path / "other").read_text() == "mine"
    assert "line" in (tmp_path / NAME).read_text()
    (tmp_path / "run" / NAME).mkdir(parents=True)
    with run_output(NORMAL, {}), pytest.raises(WriteError, match=r"fairchem\.log: cannot be written"):
        write_log(tmp_path / "run")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is full")
def test_a_full_disk_ends_the_log_and_not_the_run(capsys, monkeypatch):
    monkeypatch.setattr(Path, "is_symlink", lambda path: False)
    file = LogFile()
    with run_output(NORMAL, {}):
        logging.getLogger().addHandler(file)
        try:
            file.open(Path("/dev/full"))
            logging.info("one")
            logging.info("two")
        finally:
            logging.getLogger().removeHandler(file)
            file.close()
    assert capsys.readouterr().err.count("/dev/full: the log ends here: ") == 1


def test_options():
    parser = argparse.ArgumentParser()
    add_output_options(parser)
    parse = parser.parse_known_args
    assert [parse(given)[0].output for given in ([], ["-q"], ["--quiet"], ["--verbose"])] == [
        *(NORMAL, QUIET, QUIET, VERBOSE),
    ]
    assert parse(["--model.quiet=1", "verbose=2"])[1] == ["--model.quiet=1", "verbose=2"]
    with pytest.raises(SystemExit):
        parse(["-q", "--verbose"])


def test_a_stream_without_the_character_or_closed():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    write_line(stream, "meV/Å")
    assert stream.buffer.getvalue() == b"meV/\\xc5\n"
    stream.close()
    write_line(stream, "lost")
    assert sys.stdout is not stream
