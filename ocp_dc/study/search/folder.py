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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import read_record, write_record
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


def write_folder(
    folder: SearchFolder, content: Mapping[str, Any], data: list[str], definition: Mapping[str, Any]
) -> None:
    """Write a search, or continue the one of its folder, with more models, arms and trials.

    Args:
        folder: the search.
        content: the content of its file.
        data: the data sets that were selected.
        definition: everything on which the trials depend, by name.

    Raises:
        UserError: the folder has another search.
    """
    path = folder.out / FILE
    keys, trials = [list(key) for key in folder.keys], folder.trials
    if path.is_file():
        before = read_record(path, MEND)
        changed = [name for name, value in definition.items() if before["definition"].get(name, value) != value]
        if changed:
            raise UserError(
                f"{folder.out}: has a search with another {', another '.join(changed)}; its trials cannot be compared "
                "with new ones. Give another --out, or undo the change"
            )
        definition = {**before["definition"], **definition}
        keys = [*before["keys"], *(key for key in keys if key not in before["keys"])]
        trials = max(trials, before["trials"])
    write_record(
        path,
        {
            "file": str(folder.search.study.path.absolute()),
            "content": content,
            "data": data,
            "keys": keys,
            "trials": trials,
            "command": folder.command,
            "may_differ": list(folder.may_differ),
            "definition": definition,
        },
    )
