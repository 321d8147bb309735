"""What the OpenAPI schema promises, held against generated requests, right and wrong ones."""

from __future__ import annotations

from collections import Counter

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

CHECKED = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_schema_conformance,
]


@pytest.mark.parametrize("kind", ["generator", "painter"])
def test_generated_requests(kind, generators, painter, start):
    server = start(generators / "generator.onnx" if kind == "generator" else painter)
    schema = schemathesis.openapi.from_url(f"{server.url}/openapi.json")
    operations = [found.ok() for found in schema.get_all_operations()]
    paths = {operation.path for operation in operations}
    assert paths > ({"/generate", "/generate.png"} if kind == "generator" else {"/translate"})
    statuses: Counter[int] = Counter()
    for operation in operations:
        for mode in GenerationMode:
            takes_nothing = not (operation.query or operation.body)
            if mode is GenerationMode.NEGATIVE and takes_nothing:
                continue  # nothing that could be wrong

            @settings(
                max_examples=2 if takes_nothing else 10,
                deadline=None,
                database=None,
                derandomize=True,
                suppress_health_check=list(HealthCheck),
            )
            @given(case=operation.as_strategy(generation_mode=mode))
            def check(case):
                answer = case.call()
                case.validate_response(answer, checks=CHECKED)
                statuses[answer.status_code] += 1

            check()
    assert statuses[200] and statuses[422]
    assert server.stop() == 0
    assert "Traceback" not in server.errors
