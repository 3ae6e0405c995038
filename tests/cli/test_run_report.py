"""The work of `egbad report`."""

import numpy as np
import pytest

from egbad.cli.run_report import HighestScores
from egbad.data import Data
from egbad.errors import InvalidInputError
from egbad.report import RowLocation


def test_the_highest_scores_of_all_batches_are_kept_in_order():
    highest = HighestScores(max_rows=3)
    x = np.arange(10.0).reshape(5, 2)
    highest.add(Data(x, source="a.csv"), np.array([0.0, 5.0, 1.0, 2.0, 0.5]))
    highest.add(Data(x + 100, source="b.csv", first_row=7), np.array([9.0, 0.0, 2.0, 0.0, 0.0]))
    assert highest.scores.tolist() == [9.0, 5.0, 2.0]
    assert highest.rows().x.tolist() == [[100.0, 101.0], [2.0, 3.0], [6.0, 7.0]]  # the earlier of two equal scores
    assert highest.locations == [RowLocation("b.csv", 7), RowLocation("a.csv", 1), RowLocation("a.csv", 3)]


def test_category_labels_of_all_batches_are_kept():
    highest = HighestScores(max_rows=2)
    highest.add(Data(np.array([[1.0]]), category_labels={0: {1.0: "tcp"}}), np.array([1.0]))
    highest.add(Data(np.array([[2.0]]), category_labels={0: {2.0: "udp"}}), np.array([2.0]))
    assert highest.rows().category_labels == {0: {1.0: "tcp", 2.0: "udp"}}


def test_images_are_located_by_their_files():
    highest = HighestScores(max_rows=1)
    highest.add(Data(np.zeros((2, 8, 8)), files=("a.png", "b.png")), np.array([1.0, 2.0]))
    assert highest.locations == [RowLocation(file="b.png")]


def test_an_empty_stream_is_refused():
    with pytest.raises(InvalidInputError, match="at least one row or image"):
        HighestScores(max_rows=1).rows()
