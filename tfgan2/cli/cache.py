"""`tfgan2 cache`: shows or clears what commands keep for the next one."""

from __future__ import annotations

from typing import Annotated

import typer


def cache(
    clear: Annotated[bool, typer.Option("--clear", help="Remove it all.")] = False,
) -> None:
    """Show what the cache folder holds, or clear it."""
    from tfgan2 import cache as kept
    from tfgan2.cli import tables
    from tfgan2.training.compiled import limit

    rows, total = [], 0
    for kind in kept.KINDS:
        paths = kept.contents(kind)
        size = sum(map(kept.size, paths))
        total += size
        most = f"{limit() / 1e6:,.0f} MB" if kind == kept.COMPILED_STEPS else ""
        rows.append((kind, f"{len(paths):,}", f"{size / 1e6:,.1f} MB", most))
    if clear:
        kept.clear()
        print(f"cleared {kept.cache_dir()}: {total / 1e6:,.1f} MB")
        return
    print(kept.cache_dir())
    tables.print_table(("kept",), ("number", "size", "at most"), rows, width=100)
    print("`tfgan2 cache --clear` removes it all")
