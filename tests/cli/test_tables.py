"""Tables on stdout."""

import json

from egbad.cli.tables import flatten, format_value, print_table, print_values


def test_values_are_formatted_for_people():
    assert format_value(True) == "yes"
    assert format_value("text") == "text"
    assert format_value([]) == "-"
    assert format_value(list(range(10))) == "0, 1, 2, 3, 4, 5, 6, 7, ... (10 in total)"


def test_nested_values_are_flattened():
    assert flatten({"a": {"b": {"c": 1}, "d": None}, "e": 0}) == {"a b c": 1, "e": 0}


def test_brackets_are_not_markup(capsys):
    print_table("Title [bold]", ("name", "x"), [("[red]a[/red]", "1")])
    out = capsys.readouterr().out
    assert "Title [bold]" in out and "[red]a[/red]" in out


def test_named_values_are_a_table_or_an_object(capsys):
    print_values("Model", {"base_rate": 0.25}, as_json=False)
    assert "base rate" in capsys.readouterr().out
    print_values("Model", {"base_rate": 0.25}, as_json=True)
    assert json.loads(capsys.readouterr().out) == {"base_rate": 0.25}
