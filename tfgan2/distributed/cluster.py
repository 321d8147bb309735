"""The workers that train together, as `TF_CONFIG` names them. Imports no TensorFlow."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass

from tfgan2.errors import UserError


@dataclass(frozen=True)
class Cluster:
    """The workers of a cluster.

    Attributes:
        workers: addresses (host:port) of all workers; the first is the chief.
        index: position of this process among them.
    """

    workers: tuple[str, ...]
    index: int


def read_cluster(text: str | None) -> Cluster | None:
    """Returns the cluster that this process belongs to, or None if there is none.

    Args:
        text: the value of `TF_CONFIG`, or None.

    Raises:
        UserError: the value does not have TensorFlow's format.
    """
    try:
        content = json.loads(text or "{}")
        cluster = content.get("cluster", {})
        if not cluster:
            return None
        chief, others = list(cluster.get("chief", [])), list(cluster.get("worker", []))
        kind, number = content["task"]["type"], int(content["task"]["index"])
        index = number if kind == "chief" else len(chief) + number
        if set(cluster) - {"chief", "worker"} or kind not in ("chief", "worker"):
            raise ValueError(f"unknown task type {kind!r}")
        workers = tuple(str(address) for address in chief + others)
        if len(chief) > 1 or not 0 <= index < len(workers):
            raise ValueError(f"no {kind} has index {number}")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"invalid TF_CONFIG ({error}): give "
            '{"cluster": {"worker": ["host:port", …]}, "task": {"type": "worker", "index": 0}}'
        ) from error
    for address in workers:
        split_address(address)
    return Cluster(workers, index)


def split_address(address: str) -> tuple[str, int]:
    """Returns the host and the port of "host:port"; raises a UserError for anything else."""
    host, _, port = address.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        host.encode("idna")
        valid = host and port.isascii() and port.isdigit() and 0 < int(port) < 65_536
    except UnicodeError:
        valid = False
    if not valid:
        raise UserError(f"invalid address {address!r} in TF_CONFIG: give host:port")
    return host, int(port)


def check_strategy(name: str) -> None:
    """Raises a UserError if `TF_CONFIG` rules a strategy out, whatever devices there are."""
    cluster = read_cluster(os.environ.get("TF_CONFIG"))
    if name == "multiworker" and cluster is None:
        raise UserError(
            "--strategy multiworker needs TF_CONFIG: `tfgan2 launch --workers 2 -- fit …` sets it "
            "for processes on this machine; --strategy auto uses the devices of this machine"
        )
    if name in ("none", "mirrored") and cluster is not None and len(cluster.workers) > 1:
        raise UserError(
            f"TF_CONFIG names {len(cluster.workers)} workers, but --strategy {name} trains with "
            "one: give --strategy auto, or unset TF_CONFIG"
        )
