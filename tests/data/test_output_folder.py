from __future__ import annotations

from pathlib import Path

import pytest

from ocp_dc.core.errors import UserError
from ocp_dc.core.files import replacing_folder
from ocp_dc.data.output_folder import new_folder


def test_links_are_followed(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    for name, target in (("to empty", "real"), ("to nothing", "new")):
        (tmp_path / name).symlink_to(tmp_path / target)
        with replacing_folder(new_folder(tmp_path / name)) as folder:
            (folder / "a").touch()
        assert (tmp_path / name).is_symlink()
        assert (tmp_path / target / "a").exists()


def test_a_circle_of_links(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    with pytest.raises(UserError, match="a link that leads in a circle"):
        new_folder(tmp_path / "a")
    with pytest.raises(UserError), replacing_folder(new_folder(tmp_path / "a/x")):
        pass


def test_places_where_no_folder_can_be(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for place in (Path("/proc/ocp_dc"), tmp_path / "file" / "out", tmp_path / ("n" * 300)):
        with pytest.raises(UserError), replacing_folder(new_folder(place)):
            pass


def test_what_is_there_stays(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/file").touch()
    with pytest.raises(UserError, match="mine: exists"):
        new_folder(tmp_path / "mine")
    with pytest.raises(UserError), replacing_folder(tmp_path / "mine"):
        pass  # made by another process in the meantime
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["file", "mine"]
