"""Errors of the database as sentences."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError, InterfaceError, InternalError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from egbad.errors import EgbadError


class StoreError(EgbadError, RuntimeError):
    """Failure of the store: it cannot be opened, read or written, or its queue is full.

    Parameters
    ----------
    message : str
    transient : bool, default=False
        True if the same call may succeed later, for example because the database is being restarted.
    """

    def __init__(self, message: str = "", *, transient: bool = False) -> None:
        super().__init__(message)
        self.transient = transient


@contextmanager
def database_errors(name: str) -> Iterator[None]:
    """Raise errors of the database in a `with` block as StoreError.

    Parameters
    ----------
    name : str
        Name of the store in messages, without a password.

    Raises
    ------
    StoreError
    """
    try:
        yield
    except DBAPIError as error:
        transient = isinstance(error, OperationalError | InterfaceError | InternalError) or error.connection_invalidated
        if type(error.orig) is sqlite3.DatabaseError:
            raise StoreError(
                f"The store '{name}' is damaged or not a SQLite database: {_reason(error)}. Restore a backup, or name "
                "another file."
            ) from error
        raise StoreError(f"The store '{name}' cannot be used: {_reason(error)}.", transient=transient) from error
    except PoolTimeoutError as error:
        raise StoreError(f"The store '{name}' is busy: all its connections are in use.", transient=True) from error
    except SQLAlchemyError as error:
        raise StoreError(f"The store '{name}' cannot be used: {_reason(error)}.") from error


def _reason(error: SQLAlchemyError) -> str:
    """Return the first line of the driver's message."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    lines = str(cause).strip().splitlines()
    return (lines[0] if lines else type(cause).__name__).rstrip(".")
