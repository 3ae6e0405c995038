"""Requests made from the OpenAPI document get answers that the document describes, and no status from 500."""

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from egbad.service.settings import ServiceSettings
from egbad.service.store import open_store
from tests.service.conftest import running

CHECKS = [not_a_server_error, status_code_conformance, content_type_conformance, response_schema_conformance]
NAMES = ("numbers", "table", "images", "exported")


@pytest.fixture(scope="module")
def document(models, tmp_path_factory):
    """The OpenAPI document of a service with all kinds of models, a store, and a folder to load models from."""
    paths = [models / name for name in ("numbers.egbad", "table.egbad", "images.egbad", "exported.onnx")]
    store_path = tmp_path_factory.mktemp("store") / "scores.db"
    with (
        open_store(store_path, keep=True) as store,
        running(paths, store=store, keep="all", settings=ServiceSettings(models_dir=models.folder)) as server,
    ):
        yield schemathesis.openapi.from_url(server.url + "/openapi.json")


def send_requests(operation, mode, n):
    """Send requests of one kind, three quarters of them about models that there are, and return the statuses."""
    statuses = []

    # The same examples each time, without shrinking: the message of the first failure shows the request.
    @settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=(Phase.generate,),
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy(generation_mode=mode), st.sampled_from([*NAMES, None]))
    def send(case, name):
        given_parts = case.path_parameters or {}
        if name is not None and case.method != "DELETE":  # the models stay for the other operations
            case.path_parameters = {**given_parts, **{key: {"name": name}.get(key, "1") for key in given_parts}}
        response = case.call_and_validate(checks=CHECKS, timeout=60)
        statuses.append(response.status_code)

    send()
    return statuses


def operations_of(document):
    return [result.ok() for result in document.get_all_operations()]


def test_answers_are_those_that_the_document_describes(document):
    statuses = {
        operation.label: [status for mode in GenerationMode for status in send_requests(operation, mode, 8)]
        for operation in operations_of(document)
    }
    assert 200 in statuses["GET /v1/models/{name}"] and 404 in statuses["GET /v1/models/{name}"]
    assert "POST /v1/admin/models" in statuses


@pytest.mark.slow
@pytest.mark.parametrize("mode", list(GenerationMode), ids=str)
def test_many_answers_are_those_that_the_document_describes(document, mode):
    for operation in operations_of(document):
        assert send_requests(operation, mode, 300)
