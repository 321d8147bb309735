"""Counters of a server for Prometheus."""

from __future__ import annotations

from typing import Any

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


class Metrics:
    """The counters of one server; docs/serve.md lists them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        ours: dict[str, Any] = {"namespace": "tfgan2", "registry": self.registry}
        seconds, images = {**ours, "buckets": SECONDS}, {**ours, "buckets": IMAGES}
        names = ["route", "method", "status"]
        self.requests = Counter("requests", "Requests answered.", names, **ours)
        self.seconds = Histogram(
            "request_seconds", "From a request's head to its response.", ["route"], **seconds
        )
        self.batch_images = Histogram("batch_images", "Images per run of the model.", **images)
        self.batch_seconds = Histogram("batch_seconds", "Seconds per run of the model.", **seconds)
        self.queue = Gauge("queue_images", "Images waiting for the model.", **ours)
        self.in_progress = Gauge(
            "requests_in_progress", "Requests for images, from head to response.", **ours
        )
