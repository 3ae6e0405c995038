"""Dialects of CSV files, and the options that set them."""

import codecs
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from egbad.errors import InvalidInputError, shorten, unknown

DELIMITER_NAMES = {",": "comma", ";": "semicolon", "\t": "tab", "|": "bar", " ": "space"}
_DELIMITERS = {name: sign for sign, name in DELIMITER_NAMES.items()} | {"\\t": "\t"}
_KNOWN_ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "cp932")


@dataclass(frozen=True)
class CsvDialect:
    """Signs of a CSV file.

    Attributes
    ----------
    delimiter : str
        Sign between two cells.
    decimal : str
        Decimal mark of numbers, "." or ",".
    header : bool
        True if the first line holds the names of the columns. Otherwise they are "column_1", "column_2" and so on.
    comment : str, optional
        Lines that begin with it are ignored.
    encoding : str
    missing : tuple of str
        Cells that stand for a missing value in any column, besides empty ones.
    """

    delimiter: str = ","
    decimal: str = "."
    header: bool = True
    comment: str | None = None
    encoding: str = "utf-8"
    missing: tuple[str, ...] = ()

    def describe(self) -> str:
        """Describe everything that differs from the usual dialect, in a few words.

        Returns
        -------
        str
            Empty for the usual dialect.

        Examples
        --------
        >>> CsvDialect(delimiter=";", decimal=",", header=False).describe()
        'delimiter semicolon, decimal comma, no header'
        """
        parts = [
            f"delimiter {DELIMITER_NAMES.get(self.delimiter, repr(self.delimiter))}" if self.delimiter != "," else "",
            "decimal comma" if self.decimal == "," else "",
            "" if self.header else "no header",
            f"comments after {self.comment!r}" if self.comment else "",
            f"encoding {self.encoding}" if self.encoding != "utf-8" else "",
        ]
        return ", ".join(filter(None, parts))

    def to_json(self) -> dict[str, Any]:
        """Return the dialect as JSON stores it."""
        return asdict(self) | {"missing": list(self.missing)}

    @classmethod
    def from_json(cls, content: dict[str, Any]) -> Self:
        """Restore what `to_json` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the content is something else.
        """
        dialect = cls(**content | {"missing": tuple(content["missing"])})
        CsvOptions(**asdict(dialect)).check()
        return dialect


@dataclass(frozen=True)
class CsvOptions:
    r"""Dialect of CSV files, as far as it is known. The rest is detected from the first lines of each file.

    Parameters
    ----------
    delimiter : str, optional
        Sign between two cells, or "tab", "comma", "semicolon", "bar" or "space".
    decimal : {".", ","}, optional
        Decimal mark of numbers. The other one may separate thousands.
    header : bool, optional
        False if the first line holds values. The columns are then named "column_1", "column_2" and so on.
    comment : str, optional
        Sign at the beginning of lines that are ignored.
    encoding : str, optional
        Name of one of Python's codecs, such as "latin-1".
    missing : sequence of str
        Cells that stand for a missing value in any column. Empty cells always do; in columns of numbers, booleans and
        times "NA", "nan", "null", "-", "?" and the like do so too.
    like : CsvDialect, optional
        Dialect to assume where a file leaves room for doubt, for example that of the training data.
    infer_types : bool
        False to read columns whose type is not given as text, without a pass over the file that finds out their types.

    Examples
    --------
    >>> CsvOptions(delimiter="tab", decimal=",").check().delimiter
    '\t'
    """

    delimiter: str | None = None
    decimal: str | None = None
    header: bool | None = None
    comment: str | None = None
    encoding: str | None = None
    missing: tuple[str, ...] = ()
    like: CsvDialect | None = None
    infer_types: bool = True

    def check(self) -> Self:
        """Check the options and replace names of delimiters by their signs.

        Returns
        -------
        CsvOptions

        Raises
        ------
        InvalidInputError
            If an option has an invalid value.
        """
        delimiter = None if self.delimiter is None else _DELIMITERS.get(self.delimiter, self.delimiter)
        for name, sign in (("delimiter", delimiter), ("comment", self.comment)):
            if sign is not None and (len(sign) != 1 or not sign.isascii() or sign.isalnum() or sign in '"\r\n'):
                raise InvalidInputError(f"The {name} must be one sign such as ';' or '#', got '{shorten(sign)}'.")
        if self.decimal not in (None, ".", ","):
            raise InvalidInputError(f"The decimal mark must be '.' or ',', got '{shorten(str(self.decimal))}'.")
        if self.decimal is not None and self.decimal == delimiter:
            raise InvalidInputError(f"Delimiter and decimal mark must differ, got '{delimiter}' for both.")
        if isinstance(self.missing, str):
            raise InvalidInputError(f"missing must be a sequence of texts, got '{shorten(self.missing)}'. Use a list.")
        if self.encoding is not None:
            try:
                codecs.lookup(self.encoding)
            except LookupError as error:
                raise unknown("encoding", self.encoding, _KNOWN_ENCODINGS) from error
        return replace(self, delimiter=delimiter, missing=tuple(self.missing))


DEFAULT_CSV_OPTIONS = CsvOptions()
