"""The web pages of an export: one for each network that generates images."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tfgan2 import web
from tfgan2.export.options import PAGE
from tfgan2.export.spec import ExportSpec


def page_folder(out_dir: Path, network: str) -> Path:
    """Returns the folder of a network's page: `web/`, or `web-NETWORK/`."""
    return out_dir / (PAGE if network == "generator" else f"{PAGE}-{network}")


def check_pages(out_dir: Path, specs: Mapping[str, ExportSpec]) -> list[str]:
    """Returns the networks that get a page.

    Raises:
        UserError: the images cannot be shown, or a folder of this name holds something else.
    """
    networks = []
    for name, spec in specs.items():
        shape = tuple(spec.network.outputs[0].shape[1:])
        if len(shape) == 3:  # no text encoder
            web.check_shape(shape)
            web.check_folder(page_folder(out_dir, name))
            networks.append(name)
    return networks
