"""The folder of compiled code: private, apart from the user's, and cleared where it may be broken."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ocp_dc.core import caches
from ocp_dc.models.compilation import cache

pytestmark = pytest.mark.skipif(os.name == "nt", reason="permissions of POSIX")


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(caches.VARIABLE, str(tmp_path))
    monkeypatch.delenv(cache.VARIABLE, raising=False)
    return tmp_path / cache.NAME


def use(key: str = "key") -> Path:
    """Write a file as torch would, and return the folder."""
    with cache.compilation_cache(key):
        folder = Path(os.environ[cache.VARIABLE])
        (folder / "code").touch()
    return folder


def test_a_folder_for_each_function(root: Path) -> None:
    assert not cache.is_warm("key")
    assert use() == root / "key"
    assert cache.VARIABLE not in os.environ
    assert root.stat().st_mode & 0o777 == 0o700
    assert cache.is_warm("key")
    assert not cache.is_warm("other")
    assert (use() / "code").is_file()


def test_the_user_s_folder_is_used_and_never_cleared(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "mine"))
    assert use() == tmp_path / "mine"
    with pytest.raises(RuntimeError, match="broken"), cache.compilation_cache("key"):
        raise RuntimeError("broken")
    assert (tmp_path / "mine" / "code").is_file()
    assert not root.exists()


def test_a_failure_clears_the_folder(root: Path) -> None:
    use()
    with pytest.raises(RuntimeError, match="broken"), cache.compilation_cache("key"):
        raise RuntimeError("broken")
    assert not (root / "key").exists()


def test_a_killed_compilation_clears_the_folder(root: Path) -> None:
    """A process of this machine that is no longer alive has left its mark."""
    folder = use()
    (folder / f".{cache.MARK}.{2**30}-0badc0de.tmp").touch()
    with cache.compilation_cache("key"):
        assert not (folder / "code").exists()
        assert not cache.is_warm("key")


def test_a_compilation_in_progress_is_left_alone(root: Path) -> None:
    use()
    with cache.compilation_cache("key"), cache.compilation_cache("key"):
        assert (root / "key" / "code").is_file()
    assert cache.is_warm("key")


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_folder_that_others_may_write_to_is_not_used(root: Path, mode: int, caplog: pytest.LogCaptureFixture) -> None:
    root.mkdir()
    root.chmod(mode)
    folder = use()
    assert root not in folder.parents
    assert not folder.exists()
    assert "others may write to it: compiled code is not kept" in caplog.text


def test_a_link_is_not_used(root: Path, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    root.symlink_to(tmp_path / "elsewhere")
    assert root not in use().parents
