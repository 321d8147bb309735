"""What a run keeps of its data, so that it can say later what differs."""

from __future__ import annotations

import gzip
import json
import os
import re
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tfgan2.data.dataset import ImageDataset
from tfgan2.files import written_atomically

FILE = "data.json.gz"
"""In the run directory: names and sizes of all files; a few bytes for each."""

SHOWN = 3
"""Files that a message names."""


def keep(run_dir: Path, dataset: ImageDataset) -> None:
    """Writes what the data consist of, unless the run has it already."""
    path = run_dir / FILE
    if not path.exists():
        content = json.dumps(_description(dataset)).encode()
        with written_atomically(path) as partial:
            partial.write_bytes(gzip.compress(content, mtime=0))


def differences(run_dir: Path, facts: Mapping[str, Any], dataset: ImageDataset) -> str:
    """Returns in what a dataset differs from that of a run, in one line.

    `facts` are those of the run's dataset. A run of an earlier version has no more than these.
    """
    try:
        before = json.loads(gzip.decompress((run_dir / FILE).read_bytes()))
    except (OSError, EOFError, ValueError):
        before = {}
    now = json.loads(json.dumps({**_description(dataset), "facts": dataset.facts}))
    found: Iterable[str] = ()
    if before:
        found = [*_of_files(before["files"], now["files"])] or _of_values(
            "content", before["content"], now["content"]
        )
    texts = [*found] or [*_of_values("", {**facts, "fingerprint": ""}, now["facts"])]
    return "; ".join(texts[:SHOWN]) or "names, sizes or order of its files"


def _description(dataset: ImageDataset) -> dict[str, Any]:
    parts = [dataset, *([dataset.held_out] if dataset.held_out else [])]
    sides = dict(zip(("A/", "B/"), dataset.sides, strict=False)) or {"": dataset}
    files = {
        prefix + os.fsdecode(name): int(size)
        for prefix, side in sides.items()
        for part in filter(None, (side, side.held_out))
        for name, size in re.findall(rb"([^\0]*)\0(\d+)\n", part.source.files)
    }
    files = dict(sorted(files.items()))
    return {"files": files, "content": [part.content for part in parts]}


def _of_files(before: Mapping[str, int], now: Mapping[str, int]) -> Iterator[str]:
    """Yields which files are missing, new, and of another size."""
    for text, some, others in (("missing", before, now), ("new", now, before)):
        if names := [repr(name) for name in some if name not in others]:
            more = ", …" if len(names) > SHOWN else ""
            verb = "is" if len(names) == 1 else "are"
            files = f"{len(names):,} of {len(some):,} files {verb}"
            yield f"{files} {text} ({', '.join(names[:SHOWN])}{more})"
    resized = [name for name in before if now.get(name, before[name]) != before[name]]
    for name in resized[:SHOWN]:
        yield f"{name!r} has {now[name]:,} bytes, it had {before[name]:,}"
    if len(resized) > SHOWN:
        yield f"{len(resized) - SHOWN:,} more files have other sizes"


def _of_values(name: str, before: Any, now: Any) -> Iterator[str]:
    """Yields how JSON values differ, part by part."""
    if before == now or name == "fingerprint":
        return
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before:
            yield from _of_values(key, before[key], now.get(key))
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        for one, other in zip(before, now, strict=True):
            yield from _of_values(name, one, other)
    else:
        new, old = (
            textwrap.shorten(json.dumps(value, ensure_ascii=False), 60, placeholder="…")
            for value in (now, before)
        )
        yield f"{name.replace('_', ' ')}: {new}, before {old}"
