"""The Open Inference Protocol: metadata, health, and tensors in JSON and in binary form."""

import base64
import json

import numpy as np
import pytest

from tests.service.conftest import images, json_rows, numbers, png, running, table

LENGTH = "Inference-Header-Content-Length"


def tensor(name, values, datatype, **more):
    return {"name": name, "shape": list(values.shape), "datatype": datatype, "data": values.ravel().tolist()} | more


def infer(client, name, body, **options):
    response = client.post(f"/v2/models/{name}/infer", json=body, **options)
    assert response.status_code == 200, response.text
    return response.json()


def infer_binary(client, name, body, *parts):
    head = json.dumps(body).encode()
    headers = {LENGTH: str(len(head)), "content-type": "application/octet-stream"}
    return client.post(f"/v2/models/{name}/infer", content=b"".join([head, *parts]), headers=headers)


def output(answer, name):
    return next(output for output in answer["outputs"] if output["name"] == name)


def test_the_server_describes_itself(client):
    found = client.get("/v2").json()
    assert found["name"] == "egbad" and found["version"] and found["extensions"] == ["binary_tensor_data"]
    assert client.get("/v2/health/live").json() == {"live": True}
    assert client.get("/v2/health/ready").json()["ready"] is True


def test_models_describe_their_tensors(client):
    found = client.get("/v2/models/numbers").json()
    assert (found["name"], found["versions"], found["platform"]) == ("numbers", ["1"], "egbad_torch")
    assert found["inputs"] == [{"name": "rows", "datatype": "FP64", "shape": [-1, 3]}]
    assert {"name": "score", "datatype": "FP64", "shape": [-1]} in found["outputs"]
    assert {"name": "flagged", "datatype": "BOOL", "shape": [-1]} in found["outputs"]
    columns = client.get("/v2/models/table/versions/1").json()["inputs"]
    assert [(column["name"], column["datatype"]) for column in columns] == [
        ("a", "FP64"),
        ("city", "BYTES"),
        ("when", "BYTES"),
    ]
    assert client.get("/v2/models/images").json()["inputs"] == [
        {"name": "images", "datatype": "UINT8", "shape": [-1, 16, 16]}
    ]


def test_a_model_is_ready_if_it_is_loaded(client):
    assert client.get("/v2/models/numbers/ready").json() == {"name": "numbers", "ready": True}
    assert client.get("/v2/models/numbers/versions/1/ready").status_code == 200
    for path in ("/v2/models/none/ready", "/v2/models/numbers/versions/9/ready", "/v2/models/none"):
        response = client.get(path)
        assert response.status_code == 404 and response.json()["error"] == response.json()["detail"]


def test_a_server_without_models_is_not_ready():
    with running([]) as server, server.client() as client:
        assert client.get("/v2/health/live").status_code == 200
        response = client.get("/v2/health/ready")
        assert response.status_code == 503 and response.json()["ready"] is False


@pytest.mark.parametrize("name", ["numbers", "exported"])
@pytest.mark.parametrize("nested", [False, True])
def test_rows_in_json_give_the_bits_of_the_library(client, scorers, name, nested):
    x, scorer = numbers(20, 1), scorers[name]
    rows = tensor("rows", x.to_numpy(), "FP64")
    if nested:
        rows["data"] = x.to_numpy().tolist()
    answer = infer(client, name, {"id": "42", "inputs": [rows]})
    assert (answer["model_name"], answer["model_version"], answer["id"]) == (name, "1", "42")
    assert output(answer, "score") == {
        "name": "score",
        "datatype": "FP64",
        "shape": [20],
        "data": scorer.anomaly_score(x).tolist(),
    }
    assert output(answer, "p_value")["data"] == scorer.p_value(x).tolist()
    assert output(answer, "flagged")["data"] == (scorer.predict(x) == -1).tolist()
    for term, values in scorer.score_terms(x).items():
        assert output(answer, f"term.{term}")["data"] == values.tolist()


def test_wanted_outputs_are_returned_in_their_order(client):
    rows = tensor("rows", numbers(2, 1).to_numpy(), "FP64")
    answer = infer(client, "numbers", {"inputs": [rows], "outputs": [{"name": "flagged"}, {"name": "score"}]})
    assert [output["name"] for output in answer["outputs"]] == ["flagged", "score"]


def test_columns_as_tensors_give_the_bits_of_the_library(client, scorers):
    frame = table(30, 2)
    columns = {name: np.array([row[name] for row in json_rows(frame)]) for name in ("a", "city", "when")}
    inputs = [tensor(name, values, "FP64" if name == "a" else "BYTES") for name, values in columns.items()]
    expected = scorers["table"].anomaly_score(frame).tolist()
    assert output(infer(client, "table", {"inputs": inputs}), "score")["data"] == expected


def test_binary_tensors_give_the_bits_of_the_library(client, scorers):
    x = numbers(30, 3).to_numpy()
    content = x.astype("<f8").tobytes()
    body = {
        "parameters": {"binary_data_output": True},
        "inputs": [
            {"name": "rows", "shape": [30, 3], "datatype": "FP64", "parameters": {"binary_data_size": len(content)}}
        ],
        "outputs": [{"name": "score"}, {"name": "flagged"}, {"name": "p_value", "parameters": {"binary_data": False}}],
    }
    response = infer_binary(client, "numbers", body, content)
    assert response.status_code == 200 and response.headers["content-type"] == "application/octet-stream"
    length = int(response.headers[LENGTH])
    answer, binary = json.loads(response.content[:length]), response.content[length:]
    score, flagged, p_value = answer["outputs"]
    assert score["parameters"] == {"binary_data_size": 240} and flagged["parameters"] == {"binary_data_size": 30}
    frame = numbers(30, 3)
    assert np.array_equal(np.frombuffer(binary[:240], "<f8"), scorers["numbers"].anomaly_score(frame))
    assert np.array_equal(np.frombuffer(binary[240:], bool), scorers["numbers"].predict(frame) == -1)
    assert p_value["data"] == scorers["numbers"].p_value(frame).tolist()


def test_binary_texts_have_their_length_before_them(client, scorers):
    frame = table(3, 4)
    rows = json_rows(frame)

    def encode(texts):
        return b"".join(len(text.encode()).to_bytes(4, "little") + text.encode() for text in texts)

    parts = [
        frame["a"].to_numpy().astype("<f8").tobytes(),
        *(encode([row[name] for row in rows]) for name in ("city", "when")),
    ]
    inputs = [
        {"name": name, "shape": [3, 1], "datatype": datatype, "parameters": {"binary_data_size": len(part)}}
        for name, datatype, part in zip(("a", "city", "when"), ("FP64", "BYTES", "BYTES"), parts, strict=True)
    ]
    answer = infer_binary(client, "table", {"inputs": inputs}, *parts).json()
    assert output(answer, "score")["data"] == scorers["table"].anomaly_score(frame).tolist()


def test_images_as_pixels_and_as_files_give_the_bits_of_the_library(client, scorers):
    x = images(4, 5)
    expected = scorers["images"].anomaly_score(x).tolist()
    assert output(infer(client, "images", {"inputs": [tensor("images", x, "UINT8")]}), "score")["data"] == expected
    spec = {"name": "images", "shape": [4], "datatype": "BYTES"}
    files = [png(image) for image in x]
    encoded = spec | {"data": [base64.b64encode(file).decode() for file in files]}
    assert output(infer(client, "images", {"inputs": [encoded]}), "score")["data"] == expected
    part = b"".join(len(file).to_bytes(4, "little") + file for file in files)
    response = infer_binary(
        client, "images", {"inputs": [spec | {"parameters": {"binary_data_size": len(part)}}]}, part
    )
    assert output(response.json(), "score")["data"] == expected


ROWS = tensor("rows", numbers(2, 1).to_numpy(), "FP64")


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({}, "not one of the protocol: inputs"),
        ({"inputs": []}, "inputs"),
        ([], "not one of the protocol"),
        ({"inputs": [ROWS | {"shape": [2, 4]}]}, "as many elements"),
        ({"inputs": [ROWS | {"shape": [-1, 3]}]}, "shape"),
        ({"inputs": [ROWS | {"shape": [2**62, 2**62]}]}, "shape"),
        ({"inputs": [ROWS | {"datatype": "FP128"}]}, "must be one of"),
        ({"inputs": [ROWS | {"data": ["x"] * 6}]}, "must hold numbers"),
        ({"inputs": [ROWS | {"data": None}]}, "must have data"),
        ({"inputs": [ROWS | {"datatype": "UINT8"}]}, "numbers of type UINT8"),
        ({"inputs": [ROWS, ROWS]}, "takes one input 'rows'"),
        ({"inputs": [ROWS | {"name": "x"}]}, "Columns must have the shape"),
        ({"inputs": [ROWS | {"parameters": {"binary_data_size": 8}}]}, "as many bytes"),
        ({"inputs": [ROWS], "outputs": [{"name": "none"}]}, "no output 'none'"),
    ],
)
def test_wrong_requests_are_answered_by_one_sentence(client, body, words):
    response = client.post("/v2/models/numbers/infer", json=body)
    assert response.status_code == 400 and words in response.json()["error"], response.text


@pytest.mark.parametrize("length", ["", "x", "-1", "0", "99999", "9" * 30])
def test_a_wrong_length_of_the_header_is_refused(client, length):
    headers = {LENGTH: length, "content-type": "application/octet-stream"}
    response = client.post("/v2/models/numbers/infer", content=json.dumps({"inputs": [ROWS]}), headers=headers)
    assert response.status_code == 400 and LENGTH in response.json()["error"]
