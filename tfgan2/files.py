"""Atomic writing: nothing half-written ever stands under a final name."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from tfgan2.errors import UserError, writing

if TYPE_CHECKING:
    from filelock import FileLock

_NOT_PLAIN = re.compile(r"[*?\[\]\\\ud800-\udfff]")
"""Patterns to TensorFlow's file system; bytes that are not UTF-8, which it refuses."""
_PATIENCE = 2.0 if os.name == "nt" else 0.0
"""Seconds in which a file that another process reads can be replaced; only Windows refuses it."""


def check_name(path: Path) -> None:
    """Raises a UserError for the current folder or the root, which no rename can replace."""
    if not path.name:
        raise UserError(f"'{path}' cannot be replaced: name a folder in it")


@contextlib.contextmanager
def written_atomically(path: Path, *, parents: bool = False) -> Iterator[Path]:
    """Yields a temporary path beside `path` and renames it to `path` when the block succeeds.

    Nothing exists at the temporary path yet. It keeps the suffix of `path`, since some writers
    choose the format by it. The bytes of a file are on disk before the rename, so a crash leaves
    either the old file or the new one; an existing folder is replaced. After an error, Ctrl-C
    included, the temporary path is removed; an OSError, such as a full disk, becomes a UserError.
    `parents` creates the folders above `path`, which must exist otherwise.
    """
    check_name(path)
    stem, suffix = path.stem, path.suffix
    if len(os.fsencode(path.name)) > 200:  # a name has at most 255 bytes
        stem, suffix = stem[:40], suffix[:9]
    partial, old = (
        path.with_name(f".{stem}.partial-{os.getpid()}{end}{suffix}") for end in ("", "-old")
    )
    with writing(path):
        if parents:
            path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield partial
            if partial.is_file():
                with partial.open("r+b") as file:  # Windows syncs no file that is open to read
                    os.fsync(file.fileno())
            elif path.is_dir():  # a rename replaces no folder that holds something
                _replace(path, old)
            _replace(partial, path)
        except BaseException:
            if old.exists():
                old.replace(path)
            raise
        finally:
            remove(partial)
            remove(old)


def lock_for(path: Path) -> FileLock:
    """Returns a lock of this machine for what a path holds, which other users can take, too.

    It lies in the temporary folder, since that of `path` may be shared with other machines.
    """
    from filelock import FileLock

    key = hashlib.sha256(os.fsencode(path.absolute())).hexdigest()[:16]
    return FileLock(Path(tempfile.gettempdir()) / f"tfgan2-{key}.lock", mode=0o666)


@contextlib.contextmanager
def plain(folder: Path) -> Iterator[Path]:
    """Yields a path of a folder by which TensorFlow opens the files in it.

    TensorFlow reads some characters as a pattern of names, and takes no name that is not UTF-8. A
    folder with such a path is reached by a link to it, which is gone after the block; files that
    are open by then stay open. A UserError if the temporary folder itself has such a path.
    """
    if not _NOT_PLAIN.search(folder.as_posix()):
        yield folder
        return
    roots = (Path(tempfile.gettempdir()), Path("/tmp"))
    root = next((each for each in roots if not _NOT_PLAIN.search(each.as_posix())), None)
    if root is None:
        raise UserError(
            f"TensorFlow cannot open {str(folder)!r}: set TMPDIR to a folder without any of *?[]\\"
        )
    with tempfile.TemporaryDirectory(dir=root) as temporary, writing(folder):
        link = Path(temporary, "link")
        link.symlink_to(folder.absolute(), target_is_directory=True)
        yield link


def check_unicode(path: Path) -> None:
    """Raises a UserError if a path has bytes that are not UTF-8, for libraries that refuse them."""
    try:
        str(path).encode()
    except UnicodeEncodeError:
        raise UserError(f"{str(path)!r} has bytes that are not UTF-8: use another name") from None


def _replace(path: Path, target: Path) -> None:
    """Renames a file or folder; waits while another process reads the target on Windows."""
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            path.replace(target)
            return
        except PermissionError:
            if time.monotonic() >= end:
                raise
        time.sleep(0.05)


def public_name(dataset: str) -> str:
    """Returns the name of a dataset with the last parts only of the paths in it."""
    kind, colon, rest = dataset.partition(":")
    return f"{kind}:{','.join(Path(path).name for path in rest.split(','))}" if colon else dataset


def remove(path: Path) -> None:
    """Removes a file or folder if it exists."""
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def is_abandoned(partial: Path) -> bool:
    """True if the process of this machine that began to write a partial file has ended."""
    match = re.search(r"\.partial-(\d+)", partial.name)
    if match is None or os.name == "nt":  # on Windows `os.kill` would end the process
        return False
    try:
        os.kill(int(match[1]), 0)
    except OSError as error:
        return isinstance(error, ProcessLookupError)  # else it is another user's process
    return int(match[1]) == os.getpid()  # an earlier process with the same number wrote it
