"""Run directories that TensorFlow's file systems reach, such as gs://bucket/run.

A run is trained in a folder of this machine, where renames are atomic and fast; what is new is
copied to the remote directory now and then. Imports no TensorFlow for local paths.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tfgan2.errors import TrainingDivergedError, UserError, WorkerLostError

_TOP_FILES = ("config.json", "stats.jsonl", "reals.png")
"""The files that resuming needs, besides the checkpoints."""


def is_remote(location: str | Path) -> bool:
    """True for SCHEME://…"""
    return "://" in str(location)


def absolute(path: str) -> str:
    """Makes a local path absolute; a URL stays as it is."""
    return path if is_remote(path) else str(Path(path).expanduser().absolute())


def check(url: str) -> None:
    """Raises a UserError unless TensorFlow reaches a URL."""
    import tensorflow as tf

    scheme = url.partition("://")[0]
    known = [name for name in tf.io.gfile.get_registered_schemes() if name]
    if scheme not in known:
        others = ", ".join(f"{name}://" for name in sorted({*known} - {"file", "ram"}))
        raise UserError(
            f"TensorFlow cannot reach {url}, {scheme}:// is not supported here: give a local folder"
            + (f" or a URL with {others}" if others else "")
        )
    with _user_errors(f"cannot reach {url}"):
        tf.io.gfile.exists(url)


@contextlib.contextmanager
def _user_errors(problem: str) -> Iterator[None]:
    """Makes one line of the errors of a file system."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        text = " ".join(str(error).split())
        raise UserError(f"{problem}: {text if len(text) <= 200 else text[:199] + '…'}") from error


class Mirror:
    """Copies a run directory of this machine to a remote one.

    Attributes:
        url: the remote directory.
        folder: the local directory.
        started: True once something was copied.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """Checks that TensorFlow reaches the URL, else raises a UserError."""
        check(url)
        self.url = url.rstrip("/")
        self.folder = folder
        self.started = False
        self._sent: dict[str, tuple[int, int]] = {}

    def check_new(self) -> None:
        """Raises a UserError unless the remote directory is missing or empty."""
        import tensorflow as tf

        with _user_errors(f"cannot list {self.url}"):
            if tf.io.gfile.isdir(self.url) and tf.io.gfile.listdir(self.url):
                raise UserError(f"{self.url} exists and is not empty: choose another folder")

    def fetch(self) -> None:
        """Copies what is needed to resume or use the run to the local directory.

        Raises:
            UserError: the remote directory cannot be read, or is not a run.
        """
        import tensorflow as tf

        with _user_errors(f"cannot read {self.url}"):
            names = [name for name in _TOP_FILES if tf.io.gfile.exists(f"{self.url}/{name}")]
            if "config.json" not in names:
                raise UserError(f"{self.url} is not a run directory: it has no config.json")
            if tf.io.gfile.isdir(f"{self.url}/checkpoints"):
                files = tf.io.gfile.listdir(f"{self.url}/checkpoints")
                names += [f"checkpoints/{name}" for name in files if name.endswith(".npz")]
            for name in names:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                tf.io.gfile.copy(f"{self.url}/{name}", str(path), overwrite=True)
        self._sent = self._files()

    def push(self, events: bool = True) -> None:
        """Copies the files that have changed, and removes those that are gone.

        Checkpoints come last, so that none is newer than the statistics. Each file gets its name
        when it is complete.

        Args:
            events: copy TensorBoard's file, too; it grows with the run and is copied as a whole.

        Raises:
            UserError: the file system fails; the next call copies what is missing.
        """
        import tensorflow as tf

        files = self._files()
        with _user_errors(f"cannot write to {self.url}"):
            for name in sorted(files, key=lambda name: (name.startswith("checkpoints/"), name)):
                unchanged = self._sent.get(name) == files[name]
                if unchanged or (name.startswith("events.") and not events):
                    continue
                target, partial = f"{self.url}/{name}", f"{self.url}/.partial"
                tf.io.gfile.makedirs(target.rpartition("/")[0])
                tf.io.gfile.copy(str(self.folder / name), partial, overwrite=True)
                tf.io.gfile.rename(partial, target, overwrite=True)
                self._sent[name] = files[name]
            for name in self._sent.keys() - files.keys():
                tf.io.gfile.remove(f"{self.url}/{name}")
                del self._sent[name]
        self.started = True

    def _files(self) -> dict[str, tuple[int, int]]:
        """Time and size of each file by its path; hidden files belong to this machine alone."""
        states = {}
        for path in self.folder.rglob("*"):
            relative = path.relative_to(self.folder)
            if path.is_file() and not any(part.startswith(".") for part in relative.parts):
                state = path.stat()
                states[relative.as_posix()] = (state.st_mtime_ns, state.st_size)
        return states


@contextlib.contextmanager
def staged(
    url: str, *, fetch: bool, say: Callable[[str], None] = print
) -> Iterator[tuple[Path, Mirror]]:
    """Yields a temporary folder in which a remote run can be trained, and its mirror.

    What is new is copied when the block ends, even by an error; a folder that cannot be copied is
    kept.

    Args:
        url: the remote directory.
        fetch: the run exists.
        say: shows a line.

    Yields:
        The folder, and its mirror, which copies nothing before its first `push`.

    Raises:
        UserError: TensorFlow does not reach the URL, it is not a run, or copying fails.
    """
    root = Path(tempfile.mkdtemp(prefix="tfgan2-"))
    folder = root / _name(url)
    folder.mkdir()
    kept = False
    try:
        mirror = Mirror(url, folder)
        if fetch:
            mirror.fetch()
        try:
            yield folder, mirror
        except (UserError, TrainingDivergedError, WorkerLostError) as error:
            # The folder will be gone: name the remote directory.
            raise type(error)(str(error).replace(str(folder), mirror.url)) from error
        finally:
            if mirror.started:
                kept = True
                mirror.push()
                kept = False
    finally:
        if kept:
            say(f"not everything was copied to {url}: the run is kept in {folder}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def fetched(url: str) -> Path:
    """Copies a remote run, to be read until this process ends.

    Raises:
        UserError: TensorFlow does not reach the URL, or it is not a run.
    """
    _fetched.append(tempfile.TemporaryDirectory(prefix="tfgan2-"))
    folder = Path(_fetched[-1].name) / _name(url)
    folder.mkdir()
    Mirror(url, folder).fetch()
    return folder


_fetched: list[tempfile.TemporaryDirectory] = []  # removed when the process ends


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2] or "run"
