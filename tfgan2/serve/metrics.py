"""Counters of a server for Prometheus."""

from __future__ import annotations

from typing import Any, TypeVar

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)
IMAGES = (1, 2, 4, 8, 16, 32, 64, 128)

M = TypeVar("M", Counter, Gauge, Histogram)


class Metrics:
    """The counters of one server; docs/serve.md lists them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = self._add(
            Counter, "requests", "Requests answered.", ["route", "method", "status"]
        )
        self.seconds = self._add(
            Histogram,
            "request_seconds",
            "Seconds from a request's head to its response.",
            ["route"],
            buckets=SECONDS,
        )
        self.batch_images = self._add(
            Histogram, "batch_images", "Images per run of the model.", buckets=IMAGES
        )
        self.batch_seconds = self._add(
            Histogram, "batch_seconds", "Seconds per run of the model.", buckets=SECONDS
        )
        self.queue = self._add(Gauge, "queue_images", "Images waiting for the model.")
        self.in_progress = self._add(
            Gauge, "requests_in_progress", "Requests for images, from head to response."
        )

    def _add(self, kind: type[M], name: str, *arguments: Any, **options: Any) -> M:
        options["registry"] = self.registry
        return kind(f"tfgan2_{name}", *arguments, **options)
