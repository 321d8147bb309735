"""Run directories that TensorFlow's file systems reach, such as gs://bucket/run.

A run is trained in a folder of this machine, where renames are atomic and fast; what is new is
copied to the remote directory now and then. Imports no TensorFlow for local paths.
"""

from __future__ import annotations

import atexit
import contextlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tfgan2 import startup
from tfgan2.errors import TrainingDivergedError, UserError, WorkerLostError, one_line

_TOP_FILES = ("config.json", "data.json.gz", "stats.jsonl", "reals.png")
"""The files that resuming needs, besides the checkpoints."""


def is_remote(location: str | Path) -> bool:
    """True for SCHEME://…"""
    return "://" in str(location)


def absolute(path: str) -> str:
    """Makes a local path absolute; a URL stays as it is."""
    return path if is_remote(path) else str(Path(path).expanduser().absolute())


@contextlib.contextmanager
def _gfile(problem: str) -> Iterator[Any]:
    """Yields TensorFlow's functions for files, and makes one line of their errors."""
    import tensorflow as tf

    with one_line(problem, tf.errors.OpError):
        yield tf.io.gfile


def check(url: str) -> None:
    """Raises a UserError unless TensorFlow reaches a URL."""
    startup.load()
    with _gfile(f"cannot reach {url}") as gfile:
        scheme = url.partition("://")[0]
        known = {name for name in gfile.get_registered_schemes() if name}
        if scheme not in known:
            others = ", ".join(f"{name}://" for name in sorted(known - {"file", "ram"}))
            others = f" or a URL with {others}" if others else ""
            raise UserError(
                f"TensorFlow cannot reach {url}, {scheme}:// is not supported here: "
                f"give a local folder{others}"
            )
        gfile.exists(url)


@dataclass
class Mirror:
    """Copies a run directory of this machine to a remote one; `started` once all was copied."""

    url: str
    folder: Path
    started: bool = False
    _sent: dict[str, tuple[int, int]] = field(default_factory=dict)

    def check_new(self) -> None:
        """Raises a UserError unless the remote directory is missing or empty."""
        with _gfile(f"cannot list {self.url}") as gfile:
            if gfile.isdir(self.url) and gfile.listdir(self.url):
                raise UserError(f"{self.url} exists and is not empty: choose another folder")

    def fetch(self) -> None:
        """Copies what is needed to resume or use the run to the local directory."""
        with _gfile(f"cannot read {self.url}") as gfile:
            names = [name for name in _TOP_FILES if gfile.exists(f"{self.url}/{name}")]
            if "config.json" not in names:
                raise UserError(f"{self.url} is not a run directory: it has no config.json")
            if gfile.isdir(f"{self.url}/checkpoints"):
                files = gfile.listdir(f"{self.url}/checkpoints")
                names += [f"checkpoints/{name}" for name in files if name.endswith(".npz")]
            self._copy_here(gfile, names)

    def fetch_results(self) -> None:
        """Copies the grids and figures that the run's report shows to the local directory."""
        with _gfile(f"cannot read {self.url}") as gfile:
            for pattern in ("samples/*.png", "evaluation/*/*"):
                paths = gfile.glob(f"{self.url}/{pattern}")
                self._copy_here(gfile, (path.removeprefix(f"{self.url}/") for path in paths))

    def _copy_here(self, gfile: Any, names: Iterable[str]) -> None:
        for name in names:
            target = self.folder / name
            target.parent.mkdir(parents=True, exist_ok=True)
            gfile.copy(f"{self.url}/{name}", str(target), overwrite=True)
        self._sent = self._files()

    def push(self, events: bool = True) -> None:
        """Copies the files that have changed, and removes those that are gone.

        Checkpoints come last, so that none is newer than the statistics. Each file gets its name
        when it is complete. TensorBoard's file, which grows with the run and is copied as a whole,
        is left out without `events`. After a UserError the next call copies what is missing.
        """
        files = self._files()
        with _gfile(f"cannot write to {self.url}") as gfile:
            for name in sorted(files, key=lambda name: (name.startswith("checkpoints/"), name)):
                unchanged = self._sent.get(name) == files[name]
                if unchanged or (name.startswith("events.") and not events):
                    continue
                target, partial = f"{self.url}/{name}", f"{self.url}/.partial"
                gfile.makedirs(target.rpartition("/")[0])
                gfile.copy(str(self.folder / name), partial, overwrite=True)
                gfile.rename(partial, target, overwrite=True)
                self._sent[name] = files[name]
            for name in self._sent.keys() - files.keys():
                if gfile.exists(f"{self.url}/{name}"):  # the user may have removed it
                    gfile.remove(f"{self.url}/{name}")
                del self._sent[name]
        self.started = True

    def _files(self) -> dict[str, tuple[int, int]]:
        """Time and size of each file by its path; hidden files belong to this machine alone."""
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        states = {path.relative_to(self.folder).as_posix(): path.stat() for path in paths}
        return {
            name: (state.st_mtime_ns, state.st_size)
            for name, state in states.items()
            if "/." not in f"/{name}"
        }


@contextlib.contextmanager
def staged(location: str, *, fetch: bool) -> Iterator[tuple[Path, Mirror | None]]:
    """Yields a local folder in which a run can be trained, and its mirror if the run is remote.

    With `fetch`, the run exists and is copied here. The mirror copies nothing before its first
    `push`. After that, what is new is copied when the block ends, even by an error; a temporary
    folder that cannot be copied is kept.
    """
    if not is_remote(location):
        yield Path(location), None
        return
    check(location)
    url = location.rstrip("/")
    folder = Path(tempfile.mkdtemp(prefix="tfgan2-"), url.rpartition("/")[2] or "run")
    folder.mkdir()
    mirror = Mirror(url, folder)
    try:
        if fetch:
            mirror.fetch()
        yield folder, mirror
    except (UserError, TrainingDivergedError, WorkerLostError) as error:
        # The folder will be gone: name the remote directory.
        raise type(error)(str(error).replace(str(folder), url)) from error
    finally:
        try:
            if mirror.started:
                mirror.push()
        except BaseException:
            print(f"not everything was copied to {url}: the run is kept in {folder}")
            raise
        shutil.rmtree(folder.parent, ignore_errors=True)


def local_copy(location: str) -> Path:
    """Returns a run directory of this machine; of a remote run a copy, removed when Python ends."""
    stack = contextlib.ExitStack()
    atexit.register(stack.close)
    return stack.enter_context(staged(location, fetch=True))[0]


def local_file(location: str) -> Path:
    """Returns a file of this machine; of a remote one a copy, removed when Python ends."""
    if not is_remote(location):
        return Path(location)
    check(location)
    folder = Path(tempfile.mkdtemp(prefix="tfgan2-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    copy = folder / location.rpartition("/")[2]
    with _gfile(f"cannot read {location}") as gfile:
        gfile.copy(location, str(copy))
    return copy


def local_out(location: str, out: str | Path | None) -> Path | None:
    """Makes the folder for results absolute; a remote run needs one, since it is only read."""
    if out is None and is_remote(location):
        raise UserError(f"{location} is remote: give a local folder for the results")
    return Path(out).absolute() if out else None
