"""Roles of table columns: those to score, ids, the label, those to ignore, and those to carry to the output."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from egbad.data.column_types import ID, IGNORE, LABEL, ROLES, ColumnTypes
from egbad.errors import InvalidInputError, shorten, unknown

_MAX_LISTED = 5  # names of columns in a sentence


@dataclass(frozen=True)
class ColumnRoles:
    """Columns that are not scored.

    Attributes
    ----------
    ids : tuple of str
        Columns that identify the row. They are written to tables of scores and to reports.
    ignored : tuple of str
        Columns that are left out.
    label : str, optional
        Column that holds the labels.

    Examples
    --------
    >>> ColumnRoles(ids=("customer",), label="fraud").names
    ('customer', 'fraud')
    """

    ids: tuple[str, ...] = ()
    ignored: tuple[str, ...] = ()
    label: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Names of all columns that have a role."""
        return (*self.ids, *self.ignored, *(() if self.label is None else (self.label,)))

    def updated(self, other: "ColumnRoles") -> "ColumnRoles":
        """Return these roles with changes; a column has its role in `other` if it has one there.

        Parameters
        ----------
        other : ColumnRoles
            If it names a label, the label so far is ignored.

        Returns
        -------
        ColumnRoles
        """
        ids = tuple(name for name in self.ids if name not in other.names)
        ignored = tuple(name for name in self.ignored if name not in other.names)
        label = None if self.label in other.names else self.label
        if label is not None and other.label is not None:
            ignored, label = (*ignored, label), None
        return ColumnRoles(ids + other.ids, ignored + other.ignored, label or other.label)

    def without_label(self) -> "ColumnRoles":
        """Return these roles with the label among the ignored columns.

        Returns
        -------
        ColumnRoles
        """
        return self if self.label is None else ColumnRoles(self.ids, (*self.ignored, self.label))

    def among(self, names: Collection[str]) -> "ColumnRoles":
        """Return the roles of those columns that exist.

        Parameters
        ----------
        names : collection of str

        Returns
        -------
        ColumnRoles
        """
        ids, ignored = (tuple(name for name in own if name in names) for own in (self.ids, self.ignored))
        return ColumnRoles(ids, ignored, self.label if self.label in names else None)

    def to_json(self) -> dict[str, Any] | None:
        """Return the roles as JSON stores them, None if there are none."""
        return asdict(self) if self.names else None

    @classmethod
    def from_json(cls, content: Mapping[str, Any] | None) -> "ColumnRoles":
        """Restore what `to_json` returned.

        Parameters
        ----------
        content : mapping or None

        Returns
        -------
        ColumnRoles
        """
        if content is None:
            return NO_ROLES
        return cls(tuple(content["ids"]), tuple(content["ignored"]), content["label"])


NO_ROLES = ColumnRoles()


def split_roles(
    column_types: ColumnTypes | None, names: Sequence[str] | None = None
) -> tuple[ColumnTypes | None, ColumnRoles]:
    """Separate the roles of columns from the types of all others.

    Parameters
    ----------
    column_types : mapping or sequence of str, optional
        Types of columns, or their roles: "id", "ignore" or "label".
    names : sequence of str, optional
        Names of the columns that a sequence gives the types of.

    Returns
    -------
    column_types : mapping or sequence of str, optional
    roles : ColumnRoles

    Raises
    ------
    InvalidInputError
        If two columns are labels, or a role is given for a column without a name.

    Examples
    --------
    >>> split_roles({"customer": "id", "day": "ignore", "zip": "category"})
    ({'zip': 'category'}, ColumnRoles(ids=('customer',), ignored=('day',), label=None))
    """
    if column_types is None:
        return None, NO_ROLES
    if not isinstance(column_types, Mapping):
        if not {*column_types} & {*ROLES}:
            return column_types, NO_ROLES
        if names is None or len(names) != len(column_types):
            raise InvalidInputError(
                f"Columns with a role ({', '.join(ROLES)}) must have names, got a list of types for an array. Pass a table "
                "with column names."
            )
        column_types = dict(zip(names, column_types, strict=True))
    by_role = {role: tuple(name for name, given in column_types.items() if given == role) for role in ROLES}
    if len(by_role[LABEL]) > 1:
        listed = " and ".join(f"'{shorten(name)}'" for name in by_role[LABEL][:2])
        raise InvalidInputError(f"At most one column must be the label, got {listed}. Ignore the others.")
    types = {name: given for name, given in column_types.items() if given not in ROLES}
    return types or None, ColumnRoles(by_role[ID], by_role[IGNORE], next(iter(by_role[LABEL]), None))


@dataclass(frozen=True)
class ColumnSelection:
    """Columns of a table that are read.

    Attributes
    ----------
    roles : ColumnRoles
        Columns that are not scored, if the table has them.
    features : tuple of str, optional
        Columns to score, in this order; others are not used. By default all columns without a role.
    kept : tuple of str, optional
        Columns that are carried to the output beside the ids, whatever their role is. None carries all columns.
    required : tuple of str
        Columns that the table must have.
    """

    roles: ColumnRoles = NO_ROLES
    features: tuple[str, ...] | None = None
    kept: tuple[str, ...] | None = ()
    required: tuple[str, ...] = ()

    @property
    def named(self) -> tuple[str, ...]:
        """Names of all columns that are mentioned."""
        return (*self.roles.names, *(self.features or ()), *(self.kept or ()), *self.required)

    def may_score(self, name: str) -> bool:
        """Return True if a column with this name is scored where there is one."""
        return name not in self.roles.names and (self.features is None or name in self.features)

    def features_among(self, names: Sequence[str]) -> list[str]:
        """Return the columns to score, in their order.

        Parameters
        ----------
        names : sequence of str
            Names of the columns of a table.

        Returns
        -------
        list of str
            If one of `features` is missing, all columns without a role: the scorer then says what is missing.
        """
        available = [name for name in names if name not in self.roles.names]
        return available if self.features is None or {*self.features} - {*available} else [*self.features]

    def read_among(self, names: Sequence[str]) -> list[str] | None:
        """Return the columns that have to be read from a file.

        Parameters
        ----------
        names : sequence of str
            Names of the columns of a table.

        Returns
        -------
        list of str or None
            None for all columns: if `features` are not known, all are needed, names are not unique, or one that must exist is
            missing.
        """
        if self.features is None or len({*names}) < len(names) or {*self.features, *self.required} - {*names}:
            return None
        needed = {*self.carried_among(names), *self.required, self.roles.label}
        read = [name for name in names if name in needed or self.may_score(name)]
        return read if len(read) < len(names) else None

    def carried_among(self, names: Sequence[str]) -> list[str]:
        """Return the columns to carry to the output, the ids first.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        list of str
        """
        kept = names if self.kept is None else self.kept
        return [name for name in dict.fromkeys((*self.roles.ids, *kept)) if name in names]

    def check(self, names: Sequence[str]) -> None:
        """Check that a table has the required columns.

        Parameters
        ----------
        names : sequence of str

        Raises
        ------
        InvalidInputError
        """
        for name in self.required:
            if name not in names:
                raise unknown("label column" if name == self.roles.label else "column", name, names)

    def describe_unused(self, names: Sequence[str]) -> str | None:
        """Describe the columns of a table that are neither used nor mentioned.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        str or None
        """
        if self.features is None or self.kept is None or {*self.features} - {*names}:
            return None
        unused = [name for name in names if name not in self.named]
        return f"Not used, because the model was fitted without them: {list_names(unused)}." if unused else None

    def is_reordered(self, names: Sequence[str]) -> bool:
        """Return True if the columns to score have another order in a table.

        Parameters
        ----------
        names : sequence of str

        Returns
        -------
        bool
        """
        known = [name for name in names if name in (self.features or ()) and name not in self.roles.names]
        return self.features is not None and known != [*self.features] and {*known} == {*self.features}


ALL_COLUMNS = ColumnSelection()


def list_names(names: Sequence[str]) -> str:
    """Return a few names as part of a sentence.

    Parameters
    ----------
    names : sequence of str

    Returns
    -------
    str

    Examples
    --------
    >>> list_names("ab"), list_names("abcdefg")
    ("'a', 'b'", "'a', 'b', 'c', 'd', 'e' and 2 more")
    """
    listed = ", ".join(f"'{shorten(name)}'" for name in names[:_MAX_LISTED])
    return listed if len(names) <= _MAX_LISTED else f"{listed} and {len(names) - _MAX_LISTED:,} more"
