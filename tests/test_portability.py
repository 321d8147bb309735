"""What Windows and macOS lack is not needed: modules, functions and signals of Linux alone."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers import SMALL
from PIL import Image

from tfgan2 import files
from tfgan2.data import load_dataset
from tfgan2.data.naming import check_name, paths_of
from tfgan2.errors import UserError
from tfgan2.files import written_atomically
from tfgan2.runs import propose

ON_WINDOWS = """
import builtins, os, pkgutil, signal, sys, types

MODULES = {
    *("fcntl", "grp", "posix", "pty", "pwd", "resource", "syslog", "termios", "tty", "uvloop"),
    *("array_record", "coremltools"),
}
NAMES = {
    os: "fork forkpty getuid geteuid getgid getpgid getloadavg killpg mkfifo nice pread pwrite "
    "sched_getaffinity sched_setaffinity setsid statvfs sync sysconf uname wait3 wait4",
    signal: "SIGALRM SIGCHLD SIGHUP SIGKILL SIGPIPE SIGQUIT SIGUSR1 SIGUSR2 alarm pause "
    "pthread_sigmask setitimer sigwait",
}
python = builtins.__import__
seen = {}
for module, names in NAMES.items():
    seen[module.__name__] = types.ModuleType(module.__name__)
    rest = {name: value for name, value in vars(module).items() if name not in names.split()}
    vars(seen[module.__name__]).update(rest)
seen["os"].name = "nt"
without_tensorflow = sys.argv[1] == "without_tensorflow"

def windows(name, globals=None, locals=None, fromlist=(), level=0):
    # Only for our own modules: others look at sys.platform first.
    top = name.partition(".")[0]
    ours = str((globals or {}).get("__name__")).partition(".")[0] == "tfgan2" and not level
    if (ours and top in MODULES) or (without_tensorflow and top in ("tensorflow", "keras")):
        raise ModuleNotFoundError(f"no module {name!r} here", name=name)
    return seen[name] if ours and name in seen else python(name, globals, locals, fromlist, level)

builtins.__import__ = windows

def imported(name):
    try:
        __import__(name)
    except ModuleNotFoundError as error:
        if not without_tensorflow or error.name.partition(".")[0] not in ("tensorflow", "keras"):
            raise
        return False
    return True

def import_all():
    import tfgan2
    found = pkgutil.walk_packages(tfgan2.__path__, "tfgan2.", lambda name: None)
    names = [each.name for each in found]
    return len(names), sum([imported(name) for name in names])
"""


def run(code: str, cwd: Path, mode: str = "") -> str:
    """Runs code in a process whose tfgan2 finds what Windows has; returns stdout."""
    words = [sys.executable, "-c", ON_WINDOWS + code, mode]
    done = subprocess.run(words, cwd=cwd, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_what_needs_no_tensorflow_runs_there(tmp_path: Path) -> None:
    code = (
        "print(*import_all())\n"
        "from tfgan2 import cli\n"
        "for words in ('--help', 'generate pretrained:digits --label 7 --count 4 --out 7.png'):\n"
        "    assert not cli.run(words.split())\n"
        "assert not {'tensorflow', 'keras'} & sys.modules.keys()"
    )
    shown = run(code, tmp_path, "without_tensorflow")
    assert int(shown.split()[1]) > 140
    assert "Train image GANs" in shown
    assert (tmp_path / "7.png").stat().st_size > 100


def test_every_module_can_be_imported_there(tmp_path: Path) -> None:
    count, worked = run("print(*import_all())", tmp_path).split()
    assert count == worked and int(count) > 250


@pytest.mark.slow
def test_a_run_there(tmp_path: Path) -> None:
    """Takes a minute: trains, resumes, samples, exports and evaluates."""
    commands = [
        f"fit dcgan --dataset digits --steps 2 {SMALL} --out run",
        "fit --resume run --steps 4",
        "sample run --count 4 --out samples",
        "evaluate run --count 32 --features random-conv-112",
        "export run --images 16 --format tflite,onnx,web --bundle --allow-lossy",
        "benchmark run/export/generator.onnx --count 1",
    ]
    loop = f"for words in {commands}:\n    assert not cli.run(words.split())"
    run(f"from tfgan2 import cli\n{loop}", tmp_path)
    names = [path.name for path in tmp_path.rglob("*")]
    assert len(names) > 40
    assert not [name for name in names if re.search(r'[<>:"/\\|?*\x00-\x1f]|[. ]$', name)]
    assert len({str(path).lower() for path in tmp_path.rglob("*")}) == len(names)


def test_the_name_of_a_windows_path(tmp_path: Path) -> None:
    name = r"folder:C:\my pics\birds"
    assert paths_of(name) == [r"C:\my pics\birds"]
    assert re.fullmatch(r"00000-dcgan-[A-Za-z0-9_-]*birds", propose(tmp_path, "dcgan", name).name)
    with pytest.raises(UserError, match="is a path, not the name of a dataset"):
        check_name(r"C:\my pics\birds")


def test_files_are_synced_by_a_descriptor_that_may_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fcntl, synced = pytest.importorskip("fcntl"), []
    monkeypatch.setattr(os, "fsync", lambda fd: synced.append(fcntl.fcntl(fd, fcntl.F_GETFL)))
    with written_atomically(tmp_path / "a.txt") as partial:
        partial.write_text("whole")
    assert [flags & os.O_ACCMODE for flags in synced] == [os.O_RDWR]


def test_a_file_that_is_being_read_is_replaced_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    replace, refused = Path.replace, []

    def refuse_twice(self: Path, target: Path) -> Path:
        if len(refused) < 2:
            refused.append(target)
            raise PermissionError(13, "in use", str(target))
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", refuse_twice)
    monkeypatch.setattr(files, "_PATIENCE", 10.0)
    with written_atomically(tmp_path / "a.txt") as partial:
        partial.write_text("new")
    assert (tmp_path / "a.txt").read_text() == "new" and len(refused) == 2


def test_pairs_on_two_drives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for side in "ab":
        (tmp_path / side).mkdir()
        Image.new("L", (8, 8)).save(tmp_path / side / "0.png")

    def refuse(path: Path, start: Path) -> str:
        raise ValueError("path is on mount 'C:', start on mount 'D:'")

    monkeypatch.setattr(os.path, "relpath", refuse)
    with pytest.raises(UserError, match="are on two drives: move one beside the other"):
        load_dataset(f"pairs:{tmp_path}/a,{tmp_path}/b", image_size=8)
