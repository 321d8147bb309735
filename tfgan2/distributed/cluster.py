"""The machines that train together, as `TF_CONFIG` names them. Imports no TensorFlow."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from tfgan2.errors import UserError


@dataclass(frozen=True)
class Cluster:
    """What `TF_CONFIG` says.

    Attributes:
        workers: addresses, host:port, of all workers; the first one is the chief.
        index: which of them this process is.
    """

    workers: tuple[str, ...]
    index: int


def read_cluster(text: str | None) -> Cluster | None:
    """The cluster that this process is a worker of, None where there is none.

    Args:
        text: the value of `TF_CONFIG`, or None.

    Raises:
        UserError: it is not what TensorFlow describes.
    """
    if not text:
        return None
    try:
        content = json.loads(text)
        cluster = content.get("cluster", {})
        if not cluster:
            return None
        chief, workers = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        kind, index = content["task"]["type"], int(content["task"]["index"])
        place = index if kind == "chief" else len(chief) + index
        if set(cluster) - {"chief", "worker"} or kind not in ("chief", "worker"):
            raise ValueError(f"there are tasks of the kind {kind!r}")
        addresses = tuple(str(item) for item in chief + workers)
        if len(chief) > 1 or not 0 <= place < len(addresses):
            raise ValueError(f"there is no {kind} number {index}")
        return Cluster(addresses, place)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"TF_CONFIG is not right ({error}): give "
            '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
        ) from error


def check_strategy(name: str) -> None:
    """Raises a UserError for what cannot be right whatever devices there are."""
    cluster = read_cluster(os.environ.get("TF_CONFIG"))
    if name == "multiworker" and cluster is None:
        raise UserError(
            "--strategy multiworker needs TF_CONFIG: `tfgan2 launch --workers 2 -- fit …` sets it "
            "for processes of this machine; --strategy auto takes what is here"
        )
    if name in ("none", "mirrored") and cluster is not None and len(cluster.workers) > 1:
        raise UserError(
            f"TF_CONFIG names {len(cluster.workers)} workers, --strategy {name} is for one: give "
            "--strategy auto, or leave TF_CONFIG out"
        )
