"""Cells of CSV files as text."""

import gzip

import pytest

from egbad.data.csv_cells import read_cells
from egbad.data.csv_layout import find_layout
from egbad.data.csv_options import CsvOptions
from egbad.errors import UnreadableFileError


@pytest.fixture
def write(tmp_path):
    """Return a function that writes bytes and finds their layout."""

    def layout(content, name="t.csv", **options):
        path = tmp_path / name
        path.write_bytes(content)
        return find_layout(path, CsvOptions(**options))

    return layout


def rows(layout, batch_bytes=2**20, positions=None):
    return [
        row
        for table in read_cells(layout, batch_bytes, positions)
        for row in zip(*table.to_pydict().values(), strict=True)
    ]


def test_cells_are_text_and_empty_ones_are_null(write):
    layout = write(b'a,b,c\n007,NA,\n1,"","x\ny"\n')
    assert rows(layout) == [("007", "NA", None), ("1", "", "x\ny")]
    assert rows(layout, positions=[2, 0]) == [("007", None), ("1", "x\ny")]


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-16-le", "cp1252"])
def test_files_in_other_encodings_are_read(write, encoding):
    assert rows(write("straße,v\nMüller,1\n".encode(encoding))) == [("Müller", "1")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_lines_may_end_in_any_way(write, newline):
    assert rows(write(newline.join(["a,b", "1,2", "3,4", ""]).encode())) == [("1", "2"), ("3", "4")]


def test_comments_are_left_out_but_not_inside_of_quotation_marks(write):
    content = b"# head\n\n# a,b\n" + b'1,"x\n# no comment"\n# comment\n2,y\n' * 100
    layout = write(content)
    assert layout.names == ("a", "b") and rows(layout, 256) == [("1", "x\n# no comment"), ("2", "y")] * 100


def test_a_quoted_line_break_may_lie_between_two_batches(write):
    layout = write(b"a,b\n" + b'1,"x\ny"\n' * 1000)
    assert rows(layout, 101) == [("1", "x\ny")] * 1000


def test_a_file_with_a_header_only_has_no_cells(write):
    assert rows(write(b"a,b\n")) == []


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a,b\n" + b"1,2\n" * 30 + b"1,2,3\n", "Expected 2 columns, got 3"),
        (b"a,b\n" + b"1,2\n" * 200_000 + b"1,\xe9\n", "must be text in the encoding utf-8"),
        (b'a,b\n1,2\n1,"' + b"x" * 50_000, "rows of at most 4,096 bytes"),
        (b"# comment\na,b\n" + b"1,2\n" * 2000 + b"x" * 3_000_000, "rows of at most 4,096 bytes"),
        (
            gzip.compress(b"a,b\n" + b"".join(b"%d,2\n" % i for i in range(100_000)), mtime=0)[:-10_000],
            "cannot be read as .csv",
        ),
    ],
)
def test_damaged_files_are_refused(write, content, message):
    layout = write(content)
    with pytest.raises(UnreadableFileError, match=message):
        rows(layout, 4096)
