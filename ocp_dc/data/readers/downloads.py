"""Data sets that are downloaded by name, as single files, each verified before it gets its name."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from http.client import HTTPException
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

from tqdm import tqdm

from ocp_dc.core.caches import cache_folder
from ocp_dc.core.digests import BLOCK
from ocp_dc.core.errors import UserError, unknown_name
from ocp_dc.core.files import replacing
from ocp_dc.data.safe_npz import npz_shapes

TIMEOUT = 60.0  # seconds without an answer
MD22 = "http://www.quantum-machine.org/gdml/repo/datasets"
BOTNET = "https://raw.githubusercontent.com/davkovacs/BOTNet-datasets/29e6d467317e4b5967b7ea5cbee54de953fa0d45"


class Download(NamedTuple):
    """A file that can be downloaded.

    Args:
        url: its address.
        format: its format, as of ``ocp-dc prepare``.
        units: its energy unit.
        summary: what it holds, in a few words.
        sha256: its digest; None where its publisher states none.
        frames: the number of its structures, which is checked in npz files.
    """

    url: str
    format: str
    units: str
    summary: str
    sha256: str | None = None
    frames: int | None = None


def _md22(file: str, frames: int, summary: str) -> Download:
    return Download(f"{MD22}/md22_{file}.npz", "md17", "kcal/mol", f"MD22: {summary}", frames=frames)


def _botnet(file: str, sha256: str, summary: str) -> Download:
    return Download(f"{BOTNET}/{file}.xyz", "ase", "eV", summary, sha256=sha256)


FILES = {
    "md22 Ac-Ala3-NHMe": _md22("Ac-Ala3-NHMe", 85109, "tetrapeptide, 42 atoms, 85,109 structures"),
    "md22 DHA": _md22("DHA", 69753, "docosahexaenoic acid, 56 atoms, 69,753 structures"),
    "md22 stachyose": _md22("stachyose", 27272, "tetrasaccharide, 87 atoms, 27,272 structures"),
    "md22 AT-AT": _md22("AT-AT", 20001, "two base pairs, 60 atoms, 20,001 structures"),
    "md22 AT-AT-CG-CG": _md22("AT-AT-CG-CG", 10153, "four base pairs, 118 atoms, 10,153 structures"),
    "md22 buckyball-catcher": _md22("buckyball-catcher", 6102, "148 atoms, 6,102 structures"),
    "md22 double-walled_nanotube": _md22("double-walled_nanotube", 5032, "370 atoms, 5,032 structures"),
    "3bpa 300K": _botnet(
        "dataset_3BPA/train_300K",
        "d109971fab90e2231ad931a83eb704c8d940f5c7d7a8de27fe3b84ea18634c0a",
        "3BPA, 27 atoms: the training set at 300 K",
    ),
    "3bpa mixed": _botnet(
        "dataset_3BPA/train_mixedT",
        "bc108532964b2ed259eaaabf82e5dfaffa5bda9ac384fc2afabcce192a49250b",
        "3BPA, 27 atoms: the training set at 300 K, 600 K and 1200 K",
    ),
    "acac 300K": _botnet(
        "dataset_acac/train_300K",
        "8f5706d6902360555a5be59395612d2afc3489a75688388a58e7275fdad68af3",
        "acetylacetone, 15 atoms: the training set at 300 K, 500 structures",
    ),
    "acac 600K": _botnet(
        "dataset_acac/train_600K",
        "180c2538508f7810a623c279426f44953ee7cfb2af77e48ea3986ff97645a71c",
        "acetylacetone, 15 atoms: the training set at 600 K, 500 structures",
    ),
    "acac test 300K": _botnet(
        "dataset_acac/test_MD_300K",
        "2291f3186a3cc6a5e05e92952c84a9237ca53f862d78fd3316a769360719ec43",
        "acetylacetone, 15 atoms: the test set at 300 K",
    ),
    "acac test 600K": _botnet(
        "dataset_acac/test_MD_600K",
        "d5a5bba154ec43f915eb7529f86ec3af60e6f911743859daba030181a0378ff7",
        "acetylacetone, 15 atoms: the test set at 600 K",
    ),
}


def download(name: str, folder: Path | None = None, progress: bool = True) -> Path:
    """Return the file of a data set; download it if it is not in the folder.

    Args:
        name: a key of ``FILES``.
        folder: the folder of the downloaded files; None is the folder ``downloads`` of the cache.
        progress: show a progress bar on a terminal.

    Raises:
        UserError: the name is unknown, the download failed or is cut short, or its digest is another one; no file is
            left then.
    """
    if name not in FILES:
        raise unknown_name("data set", name, FILES)
    entry = FILES[name]
    path = (cache_folder("downloads") if folder is None else folder) / entry.url.rpartition("/")[2]
    if path.exists():
        return path
    with replacing(path) as new:
        _fetch(entry, new, None if progress else True, lambda reason: _failed(name, entry, reason))
    return path


def _fetch(entry: Download, new: Path, hidden: bool | None, failed: Callable[[str], UserError]) -> None:
    digest, size = hashlib.sha256(), 0
    try:
        with urlopen(entry.url, timeout=TIMEOUT) as answer, new.open("wb") as file:
            expected = answer.headers.get("Content-Length")
            total = None if expected is None else int(expected)
            with tqdm(total=total, unit="B", unit_scale=True, desc=new.name, disable=hidden) as bar:
                while block := answer.read(BLOCK):
                    file.write(block)
                    digest.update(block)
                    size += len(block)
                    bar.update(len(block))
    except (OSError, HTTPException, ValueError) as error:
        raise failed(str(error) or type(error).__name__) from error
    if total is not None and size != total:
        raise failed(f"it ended after {size} of {total} bytes")
    if entry.sha256 is not None and digest.hexdigest() != entry.sha256:
        raise failed(f"its sha256 is {digest.hexdigest()}, expected {entry.sha256}: the file was changed or damaged")
    if entry.frames is not None:
        frames = next(iter(npz_shapes(new).get("R") or (0,)))
        if frames != entry.frames:
            raise failed(f"it holds {frames} structures, expected {entry.frames}: the file was changed or damaged")


def _failed(name: str, entry: Download, reason: str) -> UserError:
    file = entry.url.rpartition("/")[2]
    return UserError(
        f"could not download {name!r} from {entry.url}: {reason}. Fetch it by hand, and give that file: ocp-dc prepare "
        f"{file} OUT --units {entry.units}"
    )
