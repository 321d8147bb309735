"""Limits, health, metrics, and the page, in this process."""

from __future__ import annotations

import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from tfgan2 import runtime
from tfgan2.errors import UserError
from tfgan2.serve import Limits, create_app
from tfgan2.web import page_files


def samples(client):
    """The metrics by their names and labels."""
    lines = client.get("/metrics").text.splitlines()
    return {
        name: float(value)
        for name, value in (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    }


def service(client):
    return client.app.state.service


class Held:
    """Keeps the model of a client at work while it is entered."""

    def __init__(self, client):
        self.batches = service(client).batches
        self.model = self.batches._model
        self.started, self.go = threading.Event(), threading.Event()

    def __enter__(self):
        def waiting(inputs):
            self.started.set()
            assert self.go.wait(30)
            return self.model(inputs)

        self.batches._model = waiting
        return self

    def __exit__(self, *error):
        self.go.set()
        self.batches._model = self.model


def test_common_addresses(client, generators):
    file = generators / "generator.onnx"
    assert client.get("/metadata").json() == json.loads(json.dumps(runtime.read_metadata(file)))
    assert client.get("/healthz").json() == {"status": "ok"}
    assert client.get("/readyz").json() == {"status": "ready"}
    assert "swagger" in client.get("/docs").text
    page = client.get("/")
    assert page.url.path == "/page/"
    assert "<title>" in page.text and page.headers["content-type"].startswith("text/html")
    for name, content in page_files(file).items():
        assert client.get(f"/page/{name}").content == content
    assert "javascript" in client.get("/page/app.js").headers["content-type"]
    assert client.get("/page/nothing").status_code == 404
    fields = client.get("/openapi.json").json()["components"]["schemas"]["Generate"]["properties"]
    assert set(fields) == {"count", "seed", "latents", "columns", "label"}
    assert client.get("/nothing").status_code == 404
    assert client.delete("/generate").status_code == 405


@pytest.mark.parametrize("path", ["/healthz", "/metadata", "/page/app.js", "/generate.png?count=1"])
def test_head_is_get_without_a_body(client, path):
    head, get = client.head(path), client.get(path)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-type"] == get.headers["content-type"]
    assert head.headers["content-length"] == str(len(get.content))


def test_page_of_what_no_browser_runs(generators):
    with TestClient(create_app(generators / "generator.tflite", Limits(max_count=8))) as client:
        page = client.get("/").text
    assert page.count("generate.png?count=8&") == 2
    assert 'src="generate.png?' in page and 'href="docs"' in page and ">cat<" in page


def test_the_page_is_made_once(generators, monkeypatch):
    made = []

    def slowly(*arguments):
        made.append(time.sleep(0.2))
        return {"index.html": b"page"}

    monkeypatch.setattr("tfgan2.serve.app.page_files", slowly)
    app = create_app(generators / "generator.onnx")
    with TestClient(app) as client, ThreadPoolExecutor(4) as pool:
        answers = list(pool.map(client.get, ["/page/"] * 4))
    assert {answer.content for answer in answers} == {b"page"} and len(made) == 1


def test_metrics(client):
    before = samples(client)
    client.get("/generate.png?count=3")
    client.post("/generate", json={"count": 0})
    client.get("/nothing/at/all")
    after = samples(client)

    def more(name):
        return after[name] - before.get(name, 0)

    assert more('tfgan2_requests_total{method="GET",route="/generate.png",status="200"}') == 1
    assert more('tfgan2_requests_total{method="POST",route="/generate",status="422"}') == 1
    assert more('tfgan2_requests_total{method="GET",route="other",status="404"}') == 1
    assert more('tfgan2_request_seconds_count{route="/generate.png"}') == 1
    assert more("tfgan2_batch_images_sum") == 3
    assert more("tfgan2_batch_seconds_count") == 1
    assert after["tfgan2_queue_images"] == after["tfgan2_requests_in_progress"] == 0
    assert after["process_resident_memory_bytes"] > 0


def test_a_full_server_answers_503_and_stays_healthy(generators, serving):
    file = generators / "generator.onnx"
    with serving(file, max_queue=4, max_count=4) as client, ThreadPoolExecutor(2) as pool:
        with Held(client) as held:
            first = pool.submit(client.get, "/generate.png?count=1")
            assert held.started.wait(20)
            second = pool.submit(client.get, "/generate.png?count=3")
            while len(service(client).batches.queue) < 3:
                time.sleep(0.01)
            refused = client.get("/generate.png")
            assert refused.status_code == 503
            assert int(refused.headers["retry-after"]) >= 1
            assert "too many requests" in refused.json()["detail"]
            assert client.get("/healthz").status_code == 200
            assert client.get("/readyz").status_code == 200
            counted = samples(client)
            assert counted["tfgan2_queue_images"] == 3
            assert counted["tfgan2_requests_in_progress"] == 2
        assert first.result().status_code == second.result().status_code == 200
        assert client.get("/generate.png?count=4").status_code == 200


def test_a_request_for_more_than_is_free_is_refused(generators, serving):
    file = generators / "generator.onnx"
    with serving(file, max_queue=4, max_count=4) as client, ThreadPoolExecutor(1) as pool:
        with Held(client) as held:
            first = pool.submit(client.get, "/generate.png?count=2")
            assert held.started.wait(20)
            assert client.get("/generate.png?count=3").status_code == 503
        assert first.result().status_code == 200


def test_a_slow_answer_is_504_and_leaves_nothing_behind(generators, serving):
    with serving(generators / "generator.onnx", timeout=0.2) as client:
        with Held(client):
            answer = client.get("/generate.png")
            assert answer.status_code == 504
            assert "within 0.2 s" in answer.json()["detail"]
            batches = service(client).batches
            assert (batches.requests, batches.held, batches.queue) == (0, 0, [])
        assert client.get("/generate.png").status_code == 200


@pytest.mark.parametrize("chunked", [False, True])
def test_a_large_body_is_413(generators, serving, chunked):
    with serving(generators / "generator.onnx", max_body=1000) as client:
        body = b'{"seed": 1}' + b" " * 989
        kind = {"Content-Type": "application/json"}

        def send(content):
            parts = (content[i : i + 100] for i in range(0, len(content), 100))
            return client.post("/generate", content=parts if chunked else content, headers=kind)

        assert send(body).status_code == 200
        answer = send(body + b" ")
        assert answer.status_code == 413
        assert "1,000 bytes" in answer.json()["detail"]


@pytest.mark.parametrize("mounted", [False, True])
def test_limits_hold_below_a_root_path(generators, mounted):
    app = create_app(generators / "generator.onnx", Limits(max_body=10), threads=1)
    outer = FastAPI(lifespan=lambda _: app.router.lifespan_context(app))
    outer.mount("/gan", app)
    served = TestClient(outer) if mounted else TestClient(app, root_path="/gan")
    with served as client:
        assert client.post("/gan/generate", json={"seed": 1234567}).status_code == 413
        assert client.get("/gan/generate.png").status_code == 200
        assert 'route="/generate",status="413"' in client.get("/gan/metrics").text


def test_an_application_needs_its_lifespan_and_can_run_again(generators):
    app = create_app(generators / "generator.onnx", threads=1)
    with pytest.raises(RuntimeError, match="lifespan"):
        TestClient(app).get("/generate.png")
    for _ in range(2):
        with TestClient(app) as client:
            assert client.get("/generate.png").status_code == 200


def test_the_largest_request_fits_by_default(client):
    latents = np.full((64, 6), -1.2345678901234567e-300).tolist()
    assert client.post("/generate", json={"latents": latents}).status_code == 200
    answer = client.post("/generate", json={"latents": latents * 100})
    assert answer.status_code in (413, 422)


def test_a_bug_is_counted_as_500(generators, serving):
    with serving(generators / "generator.onnx") as client:

        def broken(inputs):
            raise RuntimeError("a bug")

        service(client).batches._model = broken
        with pytest.raises(RuntimeError, match="a bug"):
            client.get("/generate.png")
        name = 'tfgan2_requests_total{method="GET",route="/generate.png",status="500"}'
        assert samples(client)[name] == 1


def test_draining_and_closed(generators, serving):
    with serving(generators / "generator.onnx") as client:
        service(client).batches.draining = True
        answer = client.get("/readyz")
        assert answer.status_code == 503
        assert client.get("/healthz").status_code == 200
        assert client.get("/generate.png").status_code == 200
        service(client).batches.closed = True
        answer = client.get("/generate.png")
        assert answer.status_code == 503
        assert answer.headers["connection"] == "close"
        assert "retry-after" in answer.headers


def test_limits_that_contradict_each_other():
    with pytest.raises(UserError, match="--max-queue 8 has no room for the 64 images"):
        Limits(max_queue=8)
