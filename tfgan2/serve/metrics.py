"""What a server counts, for Prometheus."""

from __future__ import annotations

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    PlatformCollector,
    ProcessCollector,
)

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """The counters of one server; docs/serve.md lists them."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        ProcessCollector(registry=self.registry)
        PlatformCollector(registry=self.registry)
        self.requests = Counter(
            "tfgan2_requests",
            "Answered requests.",
            ["route", "method", "status"],
            registry=self.registry,
        )
        self.seconds = Histogram(
            "tfgan2_request_seconds",
            "From a request's head to its answer.",
            ["route"],
            buckets=SECONDS,
            registry=self.registry,
        )
        self.batch_images = Histogram(
            "tfgan2_batch_images",
            "Images of one run of the model.",
            buckets=(1, 2, 4, 8, 16, 32, 64, 128),
            registry=self.registry,
        )
        self.batch_seconds = Histogram(
            "tfgan2_batch_seconds",
            "Time of one run of the model.",
            buckets=SECONDS,
            registry=self.registry,
        )
        self.queue = Gauge(
            "tfgan2_queue_images", "Images that wait for the model.", registry=self.registry
        )
        self.in_progress = Gauge(
            "tfgan2_requests_in_progress",
            "Requests for images, from head to answer.",
            registry=self.registry,
        )
