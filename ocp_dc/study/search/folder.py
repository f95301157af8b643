"""The files of a search, besides its runs.

OUT/search.json         the search as it was started: its file, its content, the trials of each arm
OUT/search.journal      Optuna's journal, with every trial
OUT/step_times/         measured times of training steps
OUT/trials/             locks of trials
OUT/workers/            logs of the processes that make trials
OUT/runs/               the runs of all trials, as in a study
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_record, write_record
from ocp_dc.study.options import DataOptions
from ocp_dc.study.search.spec import Search, read_search

FILE = "search.json"
MEND = "run `ocp-dc study search` again with another --out"


@dataclasses.dataclass(frozen=True)
class SearchFolder:
    """A search in its folder.

    Args:
        out: the folder.
        search: the search.
        keys: the models and arms that were started, in order.
        trials: the trials of each.
        command: the command line.
        may_differ: differences between the arms that a study of them has to allow.
    """

    out: Path
    search: Search
    keys: tuple[tuple[str, str], ...]
    trials: int
    command: str
    may_differ: tuple[str, ...]


def is_search(out: Path) -> bool:
    """Return whether a folder is that of a search."""
    return (out / FILE).is_file()


def read_folder(out: Path) -> SearchFolder:
    """Read the folder of a search.

    Raises:
        UserError: the folder has no search, or its file is damaged.
    """
    if not is_search(out):
        raise UserError(f"{out}: has no {FILE}; expected a folder made by `ocp-dc study search ... --out`")
    content = read_record(out / FILE, MEND)
    try:
        return SearchFolder(
            out,
            read_search(Path(content["file"]), content["content"], content["data"]),
            tuple((model, arm) for model, arm in content["keys"]),
            content["trials"],
            content["command"],
            tuple(content["may_differ"]),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{out / FILE}: not a search ({error!r}); {MEND}") from error


def data_block(data: DataOptions) -> dict[str, Any]:
    """Return a data set as a block of a file that can be read from any working folder."""
    block = {key: value for key, value in dataclasses.asdict(data).items() if value is not None}
    if "path" in block:
        block["path"] = str(Path(block["path"]).absolute())
    return block


def continued_keys(out: Path, search: Search, keys: Sequence[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    """Return models and arms with those that the folder has already, all of which go on and have to be checked.

    Raises:
        UserError: the search no longer has a model or an arm that was started.
    """
    if not is_search(out):
        return tuple(keys)
    before = [(str(model), str(arm)) for model, arm in read_record(out / FILE, MEND)["keys"]]
    arms = {arm.name for arm in search.study.arms}
    if lost := [key for key in before if key[0] not in search.study.models or key[1] not in arms]:
        raise UserError(
            f"{out}: has trials of {', arm '.join(lost[0])}, which {search.study.path.name} no longer has; give "
            "another --out, or undo the change"
        )
    return tuple(dict.fromkeys([*before, *keys]))


def write_folder(folder: SearchFolder, content: Mapping[str, Any], definition: Mapping[str, Any]) -> None:
    """Write a search, or continue the one of its folder, with more models, arms and trials.

    Args:
        folder: the search.
        content: the content of its file.
        definition: everything on which the trials depend, by name.

    Raises:
        UserError: the folder has another search.
    """
    path = folder.out / FILE
    trials = folder.trials
    if path.is_file():
        before = read_record(path, MEND)
        changed = [name for name, value in definition.items() if before["definition"].get(name, value) != value]
        if changed:
            raise UserError(
                f"{folder.out}: has a search with another {', another '.join(changed)}; its trials cannot be compared "
                "with new ones. Give another --out, or undo the change"
            )
        trials = max(trials, before["trials"])
    write_record(
        path,
        {
            "file": str(folder.search.study.path.absolute()),
            "content": {**content, "data": {name: data_block(data) for name, data in folder.search.data.items()}},
            "data": list(folder.search.data),
            "keys": [list(key) for key in folder.keys],
            "trials": trials,
            "command": folder.command,
            "may_differ": list(folder.may_differ),
            "definition": definition,
        },
    )
