"""`egbad reviews` from the command line."""

import json
from datetime import UTC, datetime, timedelta
from io import BytesIO

import numpy as np
import pyarrow.csv
import pyarrow.parquet
import pytest
from PIL import Image

from egbad import load
from egbad.service.store import ScoredItem, open_store

START = datetime(2026, 3, 1, tzinfo=UTC)


def item(i, row=None, **fields):
    """Return the i-th item, a minute after the one before."""
    values = {"time": START + timedelta(minutes=i), "request_id": "r", "model": "m", "version": "1", "digest": "ab12"}
    values |= {"key": f"k{i}", "score": float(i), "p_value": 0.5, "flagged": False, "alpha": 0.1}
    if row is not None:
        values |= {"payload": json.dumps(row).encode(), "media_type": "application/json"}
    return ScoredItem(**values | fields)


@pytest.fixture
def store_of(tmp_path):
    """Write items and reviews, given as verdicts by number, to a store, and return its path."""

    def store_of(items, verdicts, keep=True):
        with open_store(tmp_path / "reviews.db", keep=keep) as store:
            store.append(items).result(30)
            for number, verdict in verdicts.items():
                store.review(number, verdict, "ann")
        return tmp_path / "reviews.db"

    return store_of


@pytest.fixture
def reviewed(store_of):
    """Two hundred items with rows, like those of `folder`: the last twenty are flagged, and half of these confirmed."""
    rng = np.random.default_rng(0)
    rows = []
    for i in range(200):
        a = rng.normal()
        b = 5 - a if i >= 190 else a + 0.1 * rng.normal()
        rows.append({"a": a, "b": b, "c": rng.normal()})
    items = [item(i, row, flagged=i >= 180) for i, row in enumerate(rows)]
    return store_of(items, {i + 1: "confirmed" if i >= 190 else "dismissed" for i in range(180, 200)})


def test_reviewed_rows_are_written_with_labels(reviewed, tmp_path, run):
    code, out, err = run("reviews", "export", reviewed, "--out", tmp_path / "l.csv")
    assert (code, out) == (0, "")
    assert err == f"20 rows (10 anomaly, 10 normal), written to {tmp_path / 'l.csv'}.\n"
    table = pyarrow.csv.read_csv(tmp_path / "l.csv")
    assert table.column_names == ["a", "b", "c", "label"]
    assert table["label"].to_pylist() == ["normal"] * 10 + ["anomaly"] * 10


def test_unflagged_rows_are_added_as_normal_ones(reviewed, tmp_path, run):
    given = ("--out", tmp_path / "l.parquet", "--unflagged", 50, "--label-column", "kind", "--json")
    code, out, _ = run("reviews", "export", reviewed, *given)
    expected = {"content": "row", "anomaly": 10, "normal": 60, "left_out": 0, "out": str(tmp_path / "l.parquet")}
    assert (code, json.loads(out)) == (0, expected)
    assert pyarrow.parquet.read_table(tmp_path / "l.parquet").column_names == ["a", "b", "c", "kind"]


def test_reviews_feed_tune_and_recalibrate(reviewed, folder, tmp_path, run):
    labelled = tmp_path / "l.csv"
    assert run("reviews", "export", reviewed, "--out", labelled, "--unflagged", 180).code == 0
    given = ("--label-column", "label", "--normal", "normal", "--json")
    tune = ("--detector", "knn", "--trials", 2, "--folds", 2, "--set", "alpha=0.1")
    code, out, err = run("tune", labelled, *given, *tune, "--out", tmp_path / "t.egbad")
    assert code == 0, err
    assert "labelled anomalies" in json.loads(out)["judged_by"] and json.loads(out)["auroc"] > 0.9
    code, out, err = run("recalibrate", folder / "m.egbad", labelled, *given, "--out", tmp_path / "r.egbad")
    assert code == 0, err
    assert json.loads(out)["rows"] == 190
    assert load(tmp_path / "r.egbad").recalibration_.rows == 190


def test_scores_are_written_where_no_rows_are_kept(store_of, tmp_path, run):
    store = store_of([item(i, {"a": 1}, flagged=True) for i in range(3)], {1: "confirmed", 3: "dismissed"}, keep=False)
    code, _, err = run("reviews", "export", store, "--out", tmp_path / "l.csv")
    assert (code, err.split(",")[0]) == (0, "2 scores (1 anomaly")
    assert (tmp_path / "l.csv").read_text() == "key,score,p_value,label\nk0,0.0,0.5,anomaly\nk2,2.0,0.5,normal\n"


def test_images_are_written_into_a_folder_for_each_label(store_of, tmp_path, run):
    file = BytesIO()
    Image.fromarray(np.zeros((4, 4), np.uint8)).save(file, "PNG")
    image = {"payload": file.getvalue(), "media_type": "image/png", "flagged": True}
    store = store_of([item(i, **image) for i in range(3)] + [item(3, flagged=True)], {1: "confirmed", 2: "dismissed"})
    with open_store(store) as opened:
        opened.review(4, "confirmed", "ann")
    code, _, err = run("reviews", "export", store, "--out", tmp_path / "tiles")
    assert code == 0
    assert err.startswith("2 images (1 anomaly, 1 normal), 1 left out (no image is kept), written to")
    files = sorted(str(path.relative_to(tmp_path)) for path in (tmp_path / "tiles").rglob("*.png"))
    assert files == ["tiles/anomaly/1.png", "tiles/normal/2.png"]
    assert (tmp_path / files[0]).read_bytes() == file.getvalue()


def test_items_are_chosen_by_model_and_time(reviewed, tmp_path, run, refuse):
    given = ("--since", "2026-03-01T04:15:00+01:00", "--out", tmp_path / "l.csv", "--json")  # 03:15, item 195
    assert json.loads(run("reviews", "export", reviewed, *given).out)["anomaly"] == 5
    assert "no reviewed items of this kind" in refuse(
        "reviews", "export", reviewed, "--model", "x", "--out", tmp_path / "l"
    )
    message = refuse("reviews", "export", reviewed, "--since", "monday", "--out", tmp_path / "l.csv")
    assert message == "--since must be a time such as 2026-03-01T08:00:00+01:00, got 'monday'."


def test_a_summary_shows_precision_and_a_threshold(reviewed, run):
    code, out, _ = run("reviews", "summary", reviewed, "--rate", "0.05", "--json")
    (model,) = json.loads(out)["models"]
    assert code == 0
    assert (model["scored"], model["flagged"], model["confirmed"], model["dismissed"]) == (200, 20, 10, 10)
    assert model["precision"] == 0.5 and model["precision_interval"] == pytest.approx([0.272, 0.728], abs=1e-3)
    # 190 normal items with the scores 0 to 189: (1 + 8) / 191 is at most 0.05.
    assert (model["threshold"], model["normal_items"]) == (181.0, 190.0)
    assert model["false_alarm_rate"] == pytest.approx(9 / 191)
    code, out, _ = run("reviews", "summary", reviewed, "--rate", "0.05")
    assert code == 0 and "50.0% (95% interval 27.2% to 72.8%)" in out and "181" in out


def test_a_summary_says_why_there_is_no_threshold(store_of, run):
    store = store_of([item(i, flagged=i > 2) for i in range(5)], {})
    (model,) = json.loads(run("reviews", "summary", store, "--json").out)["models"]
    assert (model["precision"], model["threshold"], model["waiting"]) == (None, None, 2)
    assert "none of 2 is reviewed" in model["no_threshold"]


def test_wrong_stores_and_outputs_are_refused(reviewed, tmp_path, refuse):
    assert "There is no store" in refuse("reviews", "summary", tmp_path / "x.db")
    assert "no items of this kind" in refuse("reviews", "summary", reviewed, "--model", "x")
    assert "must end in .csv, .parquet, got 'l.txt'" in refuse(
        "reviews", "export", reviewed, "--out", tmp_path / "l.txt"
    )
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "a").touch()
    assert "must name a new or empty folder" in refuse("reviews", "export", reviewed, "--out", tmp_path / "full")
    assert "No images are kept for these items." in refuse("reviews", "export", reviewed, "--out", tmp_path / "images")
    link = tmp_path / "link.csv"
    link.symlink_to(reviewed)
    content = reviewed.read_bytes()
    assert "--out must not be a file that the command reads" in refuse("reviews", "export", reviewed, "--out", link)
    assert reviewed.read_bytes() == content


def test_the_bare_command_prints_its_help(run):
    code, out, _ = run("reviews")
    assert code == 0 and "export" in out and "summary" in out
