"""`tfgan2 datasets`: lists the datasets."""

from __future__ import annotations


def datasets() -> None:
    """List the datasets."""
    from rich.table import Table

    from tfgan2.cli import tables
    from tfgan2.data import CATALOGUE

    table = Table("name", "what it is", "shape", "images", "from", box=None, header_style="bold")
    for name, entry in CATALOGUE.items():
        shape = "x".join(map(str, entry.image_shape)) if entry.image_shape else "any"
        images = f"{entry.num_images:,}" if entry.num_images else ""
        table.add_row(name, entry.summary, shape, images, entry.source)
    console = tables.console()
    console.print(table)
    console.print("\nThe other image datasets of tensorflow-datasets work by their names, too.")
