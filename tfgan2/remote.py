"""Places that TensorFlow's file systems reach, such as gs://bucket/folder.

A run is always a folder of this machine: renames there are atomic, and quick. Where it is to lie
elsewhere, what is new in it is copied there now and then. Imports no TensorFlow for what is local.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from tfgan2.errors import TrainingDivergedError, UserError, WorkerLostError

_TOP = ("config.json", "stats.jsonl", "reals.png")
"""What a run needs, beside its checkpoints, to be gone on with."""


def is_remote(place: str | Path) -> bool:
    """Whether it has the form SCHEME://…"""
    return "://" in str(place)


def absolute(place: str) -> str:
    """A local path made absolute; anything else as it is."""
    return place if is_remote(place) else str(Path(place).expanduser().absolute())


def check(place: str) -> None:
    """Raises a UserError unless TensorFlow reaches such places; for remote ones only."""
    import tensorflow as tf

    scheme = place.partition("://")[0]
    known = [name for name in tf.io.gfile.get_registered_schemes() if name]
    if scheme not in known:
        there = ", ".join(f"{name}://" for name in sorted({*known} - {"file", "ram"}))
        raise UserError(
            f"TensorFlow cannot reach {place}: it knows no {scheme}:// here; give a local folder"
            + (f" or a place of {there}" if there else "")
        )
    with _told(f"cannot reach {place}"):
        tf.io.gfile.exists(place)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    """Makes one line of what a file system says."""
    import tensorflow as tf

    try:
        yield
    except tf.errors.OpError as error:
        text = " ".join(str(error).split())
        raise UserError(f"{what}: {text if len(text) <= 200 else text[:199] + '…'}") from error


class Mirror:
    """A run's folder, and the remote place that gets a copy of what is in it.

    Attributes:
        url: the place.
        folder: of this machine.
        started: whether the place has taken a copy yet.
    """

    def __init__(self, url: str, folder: Path) -> None:
        """
        Raises:
            UserError: TensorFlow does not reach such places.
        """
        check(url)
        self.url = url.rstrip("/")
        self.folder = folder
        self.started = False
        self._sent: dict[str, tuple[int, int]] = {}

    def check_new(self) -> None:
        """Raises a UserError unless the place is empty, or is not there yet."""
        import tensorflow as tf

        with _told(f"cannot look into {self.url}"):
            if tf.io.gfile.isdir(self.url) and tf.io.gfile.listdir(self.url):
                raise UserError(f"--out {self.url} exists and is not empty: choose another name")

    def fetch(self) -> None:
        """Copies from there what a run needs to be gone on with, or used.

        Raises:
            UserError: it cannot be read, or is not a run.
        """
        import tensorflow as tf

        with _told(f"cannot read {self.url}"):
            names = [name for name in _TOP if tf.io.gfile.exists(f"{self.url}/{name}")]
            if _TOP[0] not in names:
                raise UserError(f"{self.url} is not a run directory: it has no {_TOP[0]}")
            if tf.io.gfile.isdir(f"{self.url}/checkpoints"):
                found = tf.io.gfile.listdir(f"{self.url}/checkpoints")
                names += [f"checkpoints/{name}" for name in found if name.endswith(".npz")]
            for name in names:
                path = self.folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                tf.io.gfile.copy(f"{self.url}/{name}", str(path), overwrite=True)
        self._sent = self._files()

    def push(self, events: bool = True) -> None:
        """Copies there what has changed since the last time, and removes what has gone.

        Checkpoints come last, so that none is newer than the statistics before it; each file is
        moved to its name when it is whole.

        Args:
            events: TensorBoard's file, too. It grows with the run, and goes there as a whole.

        Raises:
            UserError: the place refuses; the next time goes on with what is missing.
        """
        import tensorflow as tf

        files = self._files()
        with _told(f"cannot write to {self.url}"):
            for name in sorted(files, key=lambda name: (name.startswith("checkpoints/"), name)):
                if self._sent.get(name) == files[name]:
                    continue
                if name.startswith("events.") and not events:
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
        """Time and size of each file, by its path; hidden ones belong to this machine."""
        found = {}
        for path in self.folder.rglob("*"):
            relative = path.relative_to(self.folder)
            if path.is_file() and not any(part.startswith(".") for part in relative.parts):
                state = path.stat()
                found[relative.as_posix()] = (state.st_mtime_ns, state.st_size)
        return found


@contextlib.contextmanager
def staged(
    url: str, *, fetch: bool, say: Callable[[str], None] = print
) -> Iterator[tuple[Path, Mirror]]:
    """A folder of this machine in which the run at a remote place can be trained.

    What is new is copied when the block ends, however it does; only what cannot be copied stays.

    Args:
        url: the place.
        fetch: whether the run is there already.
        say: shows a line.

    Yields:
        The folder, and its mirror, which copies nothing unless it was asked to once.

    Raises:
        UserError: TensorFlow does not reach the place, it is not a run, or refuses.
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
            # The folder will be gone.
            raise type(error)(str(error).replace(str(folder), mirror.url)) from error
        finally:
            if mirror.started:
                kept = True
                mirror.push()
                kept = False
    finally:
        if kept:
            say(f"what could not be copied to {url} is in {folder}")
        else:
            shutil.rmtree(root, ignore_errors=True)


def fetched(url: str) -> Path:
    """A copy of the run at a remote place, to be read until this process ends.

    Raises:
        UserError: TensorFlow does not reach the place, or it is not a run.
    """
    _fetched.append(tempfile.TemporaryDirectory(prefix="tfgan2-"))
    folder = Path(_fetched[-1].name) / _name(url)
    folder.mkdir()
    Mirror(url, folder).fetch()
    return folder


_fetched: list[tempfile.TemporaryDirectory] = []  # removed when the process ends


def _name(url: str) -> str:
    return url.rstrip("/").rpartition("/")[2] or "run"
