"""Layouts of CSV files."""

import pytest

from egbad.data import read
from egbad.data.csv_layout import find_layout
from egbad.data.csv_options import CsvDialect, CsvOptions
from egbad.data.csv_sample import CsvLimits
from egbad.errors import InvalidInputError, UnreadableFileError


def layout_of(tmp_path, content, name="t.csv", known_names=(), **options):
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return find_layout(path, CsvOptions(**options), known_names)


@pytest.mark.parametrize(
    ("content", "delimiter", "decimal"),
    [
        ("a,b\n1.5,2\n", ",", "."),
        ("a;b\n1,5;2\n", ";", ","),
        ("1,5;2,5\n3,5;4,25\n", ";", ","),
        ("a\tb\n1.5\tx, y\n", "\t", "."),
        ("a|b\n1|2\n", "|", "."),
        ("1.5 2.5\n3 4\n", " ", "."),
        ("a;b\n1.234,5;1.000\n", ";", ","),
        ('a,b\n"1,5",2\n', ",", ","),
        ('a,b\n"1,500",2\n', ",", "."),
        ("a\n1.5\n2\n", ",", "."),
        ("a\n1,5\n2,5\n", ";", ","),
        ("a\nhello world\nfine day\n", ",", "."),
        ("t,v\n2024-01-01 10:00,5\n", ",", "."),
        ("sep=;\na;b\n1;2\n", ";", "."),
        ('a;b\n"x, y";1\n"p, q";2\n', ";", "."),
    ],
)
def test_delimiter_and_decimal_mark_are_found(tmp_path, content, delimiter, decimal):
    dialect = layout_of(tmp_path, content).dialect
    assert (dialect.delimiter, dialect.decimal) == (delimiter, decimal)


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("a,b\n1,x\n", ("a", "b")),
        ("1.5,x\n2.5,y\n", ("column_1", "column_2")),
        ("2024-01-01,3\n2024-01-02,4\n", ("column_1", "column_2")),
        ("0,1,2\n1.5,2.5,3.5\n", ("0", "1", "2")),
        ("name,2019,2020\nx,1,2\n", ("name", "2019", "2020")),
        ("x,y\nu,v\n", ("x", "y")),
        ("# made by hand\n# a,b\n1,2\n", ("a", "b")),
        ("# made by hand\na,b\n1,2\n", ("a", "b")),
        ("\n\na,b\n1,2\n", ("a", "b")),
        ('"a\nb",c\n1,2\n', ("a\nb", "c")),
        ("1.5,2.5\n", ("column_1", "column_2")),
    ],
)
def test_names_come_from_a_header_if_there_is_one(tmp_path, content, names):
    assert layout_of(tmp_path, content).names == names


def test_a_header_can_be_known_or_denied(tmp_path):
    assert layout_of(tmp_path, "5,7\n1,2\n", known_names=("7",)).names == ("5", "7")
    assert layout_of(tmp_path, "a,b\n1,2\n", header=False).names == ("column_1", "column_2")
    assert layout_of(tmp_path, "5,7\n1,2\n", header=True).names == ("5", "7")


def test_a_tsv_file_is_split_at_tabs(tmp_path):
    assert layout_of(tmp_path, "a,b\tc,d\n1,2\t3,4\n", "t.tsv").dialect.delimiter == "\t"


def test_the_wrong_delimiter_is_refused_if_another_one_splits_the_lines(tmp_path):
    with pytest.raises(
        InvalidInputError, match=r"has one column with the delimiter comma, but .* semicolon splits it into 2"
    ):
        layout_of(tmp_path, "a;b\n1;2\n", delimiter=",")
    assert layout_of(tmp_path, "a\n1\n", delimiter=";").names == ("a",)


def test_an_ambiguous_comma_is_refused_unless_the_training_data_tell(tmp_path):
    content = "a;b\n1,234;x\n2,345;y\n"
    with pytest.raises(InvalidInputError, match="'1,234' .* may be a decimal mark or separate thousands"):
        layout_of(tmp_path, content)
    assert layout_of(tmp_path, content, decimal=",").dialect.decimal == ","
    assert layout_of(tmp_path, content, like=CsvDialect(";", ",")).dialect.decimal == ","


def test_two_decimal_marks_in_one_file_are_refused(tmp_path):
    with pytest.raises(InvalidInputError, match=r"same decimal mark, got '1.5' and '2,5'"):
        layout_of(tmp_path, "a;b\n1.5;2,5\n")


def test_a_few_rows_of_another_length_do_not_hide_the_delimiter(tmp_path):
    content = "a;b\n" + "1;2\n" * 30 + "3;4;5\n"
    assert layout_of(tmp_path, content).dialect.delimiter == ";"


def test_the_training_data_tell_comments_and_missing_values(tmp_path):
    like = CsvDialect(comment="%", missing=("gone",))
    dialect = layout_of(tmp_path, "a,b\n% note\n1,2\n", like=like).dialect
    assert dialect.comment == "%" and dialect.missing == ("gone",)


@pytest.mark.parametrize("damaged", ["3", '"x,3', "1,2,3"])
def test_a_line_of_another_length_does_not_turn_a_table_into_one_column(damaged, tmp_path):
    path = tmp_path / "t.csv"
    path.write_text(f"a,b\n1,2\n{damaged}\n4,5\n6,7\n")
    with pytest.raises(UnreadableFileError, match="t.csv' cannot be read as .csv"):
        read(path)
    path.write_text("text\none, two\nthree\n")
    assert read(path).columns == ("text",), "a comma in a text is no delimiter"


@pytest.mark.parametrize("options", [CsvOptions(), CsvOptions(delimiter=",")])
def test_tables_of_too_many_columns_are_refused(tmp_path, options):
    path = tmp_path / "t.csv"
    path.write_text("1," * 60 + "1\n" + "2," * 60 + "2\n")
    with pytest.raises(UnreadableFileError, match="at most 50 columns, got more with the delimiter comma"):
        find_layout(path, options, limits=CsvLimits(columns=50))


def test_texts_of_many_words_are_no_columns(tmp_path):
    path = tmp_path / "t.csv"
    path.write_text("text,n\n" + f"{'word ' * 60},1\n" * 3)
    assert find_layout(path, CsvOptions(), limits=CsvLimits(columns=50)).names == ("text", "n")
