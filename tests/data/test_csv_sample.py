"""First lines of CSV files."""

import bz2
import gzip

import pytest

from egbad.data.csv_sample import DEFAULT_CSV_LIMITS, CsvLimits, read_sample
from egbad.errors import EmptyFileError, UnreadableFileError


def sample(tmp_path, content, encoding=None, likely="utf-8", comment=None, limits=DEFAULT_CSV_LIMITS):
    path = tmp_path / "t.csv"
    path.write_bytes(content)
    return read_sample(path, encoding, likely, comment, limits)


@pytest.mark.parametrize(
    ("text", "encoding", "found"),
    [
        ("Müller", "utf-8", "utf-8"),
        ("Müller", "utf-8-sig", "utf-8"),
        ("Müller", "utf-16", "utf-16"),
        ("Müller", "utf-16-le", "utf-16-le"),
        ("Müller", "utf-16-be", "utf-16-be"),
        ("Müller", "latin-1", "cp1252"),
        ("5 €", "cp1252", "cp1252"),
        ("すし", "cp932", "cp932"),
        ("すし", "euc_jp", "euc_jp"),
    ],
)
def test_the_encoding_is_found(tmp_path, text, encoding, found):
    read = sample(tmp_path, f"name,v\n{text},1\n".encode(encoding))
    assert read.encoding == found and read.split(",").column(0).to_pylist() == ["name", text]


def test_the_encoding_of_plain_text_is_the_likely_one(tmp_path):
    assert sample(tmp_path, b"a,b\n1,2\n", likely="cp932").encoding == "cp932"


def test_a_given_encoding_must_fit(tmp_path):
    with pytest.raises(
        UnreadableFileError, match=r"must be text in the encoding utf-8, got other bytes.*--encoding latin-1"
    ):
        sample(tmp_path, "a\nMüller\n".encode("latin-1"), encoding="utf-8")


@pytest.mark.parametrize(("compress", "name"), [(gzip.compress, "gzip"), (bz2.compress, "bz2"), (bytes, None)])
def test_compression_is_found_by_content(tmp_path, compress, name):
    read = sample(tmp_path, compress(b"a,b\n1,2\n"))
    assert read.compression == name and read.split(",").first_row == ("a", "b")


@pytest.mark.parametrize("content", [b"", b"\n\n", gzip.compress(b"", mtime=0), b"# only a comment\n"])
def test_files_without_lines_are_refused(tmp_path, content):
    with pytest.raises(EmptyFileError, match="at least one row"):
        sample(tmp_path, content)


@pytest.mark.parametrize("text", [b"," * 60, b'"",' * 60, b'a",' * 60], ids=["bare", "quoted", "mark inside"])
def test_the_number_of_columns_is_limited(tmp_path, text):
    read = sample(tmp_path, text + b"\n", limits=CsvLimits(columns=50))
    assert read.has_too_many_columns(",") and read.split(",").n_columns == 0
    assert not read.has_too_many_columns(";")


def test_many_columns_are_within_the_limit(tmp_path):
    read = sample(tmp_path, b",".join([b"1"] * 50) + b"\n", limits=CsvLimits(columns=50))
    assert not read.has_too_many_columns(",") and read.split(",").n_columns == 50


def test_delimiters_inside_of_quotation_marks_are_not_counted_as_columns(tmp_path):
    content = b'a,"' + b"," * 60 + b'",c\n1,"""x"",\n,,,",3\n'
    assert sample(tmp_path, content, limits=CsvLimits(columns=50)).split(",").n_columns == 3


def test_the_length_of_a_line_is_limited(tmp_path):
    with pytest.raises(UnreadableFileError, match="rows of at most 1,000 bytes, got a longer one"):
        sample(tmp_path, gzip.compress(b"a" * 2**20), limits=CsvLimits(line_bytes=1000))


def test_a_parquet_file_is_no_text(tmp_path):
    with pytest.raises(UnreadableFileError, match="got a Parquet file"):
        sample(tmp_path, b"PAR1....")


def test_a_header_longer_than_a_sample_is_read_completely(tmp_path):
    names = ",".join(f"column{j}" for j in range(40_000))
    read = sample(tmp_path, f"{names}\n{','.join(['1'] * 40_000)}\n".encode())
    assert read.split(",").n_columns == 40_000 and read.split(",").ragged_fraction == 0


def test_comments_are_left_out(tmp_path):
    read = sample(tmp_path, b"# one\n#two\na,b\n# three\n1,2\n")
    assert read.comment == "#" and read.comments == ("one", "two") and read.text == "a,b\n1,2\n"
    assert sample(tmp_path, b"%x\na\n1\n", comment="%").comments == ("x",)
