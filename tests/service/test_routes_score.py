"""Scores over HTTP are those of the library, whatever the body."""

import base64
import io
import json
import zipfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pyarrow.parquet
import pytest

from tests.service.conftest import images, json_rows, numbers, png, table

PARQUET = "application/vnd.apache.parquet"


def parquet(frame):
    buffer = io.BytesIO()
    pa.parquet.write_table(pa.Table.from_pandas(frame, preserve_index=False), buffer)
    return buffer.getvalue()


def post(client, name, content, media_type, **options):
    response = client.post(f"/v1/models/{name}/score", content=content, headers={"content-type": media_type}, **options)
    assert response.status_code == 200, response.text
    return response.json()


def scores(answer):
    return [row["score"] for row in answer["results"]]


def test_one_row_answers_score_p_value_flag_and_terms(client, scorers):
    frame, scorer = table(1, 5), scorers["table"]
    answer = client.post("/v1/models/table/score", json={"rows": json_rows(frame)}).json()
    (row,) = answer["results"]
    assert row["score"] == scorer.anomaly_score(frame)[0]
    assert row["p_value"] == scorer.p_value(frame)[0]
    assert row["flagged"] == (scorer.predict(frame)[0] == -1)
    assert row["terms"] == {name: values[0] for name, values in scorer.score_terms(frame).items()}
    assert (answer["model"], answer["version"], answer["alpha"]) == ("table", "1", 0.1)
    assert answer["threshold"] == scorer.threshold_ and len(answer["digest"]) == 64
    assert "stored" not in answer


@pytest.mark.parametrize("name", ["table", "numbers", "exported"])
def test_all_bodies_and_batches_give_the_bits_of_the_library(client, scorers, name):
    frame = table(300, 7) if name == "table" else numbers(300, 7)
    expected = scorers[name].anomaly_score(frame).tolist()
    rows = json_rows(frame) if name == "table" else frame.to_dict("records")
    assert scores(post(client, name, json.dumps({"rows": rows}), "application/json")) == expected
    assert scores(post(client, name, parquet(frame), PARQUET)) == expected
    csv = frame.to_csv(index=False, float_format="%.17g")
    assert scores(post(client, name, csv, "text/csv; charset=utf-8")) == expected
    tsv = frame.to_csv(index=False, float_format="%.17g", sep="\t")
    assert scores(post(client, name, tsv, "text/tab-separated-values")) == expected

    def score_one(row):
        return scores(post(client, name, json.dumps({"rows": [row]}), "application/json"))[0]

    with ThreadPoolExecutor(32) as pool:
        assert [*pool.map(score_one, rows)] == expected


def test_lists_in_the_order_of_the_columns_are_rows(client, scorers):
    frame = numbers(50, 8)
    answer = client.post("/v1/models/numbers/score", json={"rows": frame.to_numpy().tolist()}).json()
    assert scores(answer) == scorers["numbers"].anomaly_score(frame).tolist()


def test_missing_values_are_null(client, scorers):
    frame = numbers(2, 9)
    frame.loc[0, "y"] = np.nan
    rows = [[None if value != value else value for value in row] for row in frame.to_numpy().tolist()]
    answer = client.post("/v1/models/numbers/score", json={"rows": rows}).json()
    assert scores(answer) == scorers["numbers"].anomaly_score(frame).tolist()


def test_the_key_id_of_a_row_is_repeated(client):
    row = {"id": "p-17", **json_rows(table(1, 1))[0], "unknown": [1]}
    answer = client.post("/v1/models/table/score", json={"rows": [row]}).json()
    assert answer["results"][0]["id"] == "p-17"


def test_images_as_files_base64_and_archives_give_the_bits_of_the_library(client, scorers):
    x = images(5, 3)
    expected = scorers["images"].anomaly_score(x).tolist()
    files = [png(image) for image in x]
    assert [scores(post(client, "images", file, "image/png"))[0] for file in files] == expected
    encoded = json.dumps({"images": [base64.b64encode(file).decode() for file in files]})
    assert scores(post(client, "images", encoded, "application/json")) == expected
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for i, file in enumerate(files):
            archive.writestr(f"new/{i}.png", file)
    answer = post(client, "images", buffer.getvalue(), "application/zip")
    assert scores(answer) == expected
    assert [row["id"] for row in answer["results"]] == [f"new/{i}.png" for i in range(5)]


def test_explanations_are_those_of_the_library(client, scorers):
    frame = table(3, 4)
    answer = client.post("/v1/models/table/score?explain=true", json={"rows": json_rows(frame)}).json()
    expected = [[reason.column for reason in reasons] for reasons in scorers["table"].explain(frame).top(3)]
    assert [[reason["column"] for reason in row["explanation"]] for row in answer["results"]] == expected
    answer = post(client, "images", png(images(1, 3)[0]), "image/png", params={"explain": "true"})
    region = scorers["images"].explain(images(1, 3)).regions(3)[0][0]
    assert answer["results"][0]["explanation"][0]["region"] == region.name


@pytest.mark.parametrize("media_type", ["application/json", "text/csv", PARQUET])
def test_an_unknown_level_of_a_category_is_named_among_the_reasons(client, media_type):
    frame = table(2, 4).assign(city="Paris")
    if media_type == "application/json":
        content = json.dumps({"rows": json_rows(frame)}).encode()
    else:
        content = frame.to_csv(index=False).encode() if media_type == "text/csv" else parquet(frame)
    answer = post(client, "table", content, media_type, params={"explain": "true"})
    observed = [{reason["column"]: reason["observed"] for reason in row["explanation"]} for row in answer["results"]]
    assert [row["city"] for row in observed] == ["Paris", "Paris"]


@pytest.mark.parametrize("name", ["numbers", "table"])
@pytest.mark.parametrize("media_type", ["text/csv", PARQUET])
def test_a_table_without_a_column_is_answered_by_one_sentence(client, name, media_type):
    frame = numbers(3, 0).drop(columns="y") if name == "numbers" else table(3, 0).drop(columns="city")
    content = frame.to_csv(index=False).encode() if media_type == "text/csv" else parquet(frame)
    response = client.post(f"/v1/models/{name}/score", content=content, headers={"content-type": media_type})
    column = "y" if name == "numbers" else "city"
    sentence = f'A row must have all columns that the model was fitted on, got none named "{column}".'
    assert (response.status_code, response.json()["detail"]) == (400, sentence)


def test_models_are_listed_and_described(client):
    listed = client.get("/v1/models").json()["models"]
    assert {model["name"] for model in listed} == {"table", "numbers", "exported", "images"}
    described = client.get("/v1/models/exported").json()
    assert (described["platform"], described["columns"]) == ("egbad_onnx", ["x", "y", "z"])


@pytest.mark.parametrize(
    ("path", "options", "status", "words"),
    [
        ("numbers", {"json": {"rows": []}}, 400, "must have rows"),
        ("numbers", {"json": {"rows": [[1, 2]]}}, 400, "list of 3 values"),
        ("numbers", {"json": {"rows": [[1, 2, "x"]]}}, 400, "'z' must hold a number"),
        ("numbers", {"json": {"rows": [[1, 2, 3], {"x": 1}]}}, 400, "Row 1: A row must have all columns"),
        ("numbers", {"json": [1]}, 400, "The body must be"),
        ("numbers", {"json": {"images": ["aGk="]}}, 415, "scores rows"),
        ("numbers", {"content": b"{", "headers": {"content-type": "application/json"}}, 400, "one JSON value"),
        ("numbers", {"content": b"x", "headers": {"content-type": "text/html"}}, 415, "Content-Type"),
        ("numbers", {"content": b"x", "headers": {"content-type": "image/png"}}, 415, "scores rows"),
        ("numbers", {"content": b"PAR1", "headers": {"content-type": PARQUET}}, 400, "The body cannot be read"),
        ("images", {"content": b"x", "headers": {"content-type": "image/png"}}, 400, "Image 0 cannot be read"),
        ("images", {"json": {"images": ["?"]}}, 400, "Image 0 must be a file in base64"),
        ("exported?explain=true", {"json": {"rows": [[1, 2, 3]]}}, 400, "cannot explain"),
        ("nothing", {"json": {"rows": [[1]]}}, 404, "no model 'nothing'"),
        ("numbers?explain=maybe", {"json": {"rows": [[1]]}}, 400, "explain is not valid"),
    ],
)
def test_wrong_requests_are_answered_by_one_sentence(client, path, options, status, words):
    name, _, query = path.partition("?")
    response = client.post(f"/v1/models/{name}/score?{query}", **options)
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status and words in problem["detail"], problem
    assert "Traceback" not in response.text and "/tmp" not in response.text and "skip" not in response.text


def test_a_wrong_row_fails_alone(server, scorers):
    frame = numbers(40, 11)
    bodies = [{"rows": [row]} for row in frame.to_numpy().tolist()]
    bodies[13] = {"rows": [[1e308, 1e308, -1e308]]}
    with server.client() as client, ThreadPoolExecutor(40) as pool:
        found = [*pool.map(lambda body: client.post("/v1/models/numbers/score", json=body), bodies)]
    expected = scorers["numbers"].anomaly_score(frame).tolist()
    assert [r.json()["results"][0]["score"] for i, r in enumerate(found) if i != 13] == expected[:13] + expected[14:]
    assert found[13].status_code in (200, 400)
