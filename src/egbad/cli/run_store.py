"""The work of `egbad store`."""

from datetime import timedelta
from pathlib import Path

from egbad.cli.output import note, print_json
from egbad.errors import InvalidInputError
from egbad.service.store import open_store
from egbad.service.store.database import connect, for_writing, parse_url, store_name
from egbad.service.store.migrate import upgrade


def upgrade_store(url: str, *, as_json: bool) -> None:
    """Create or upgrade the tables of a store, and print its revisions.

    Parameters
    ----------
    url : str
    as_json : bool

    Raises
    ------
    StoreError
        If the store cannot be used, or a newer egbad has written it.
    """
    parsed = parse_url(url)
    name, engine = store_name(parsed), connect(parsed, create=True)
    try:
        before, after = upgrade(for_writing(engine), name)
    finally:
        engine.dispose()
    if as_json:
        print_json({"store": name, "before": before, "revision": after})
    elif before == after:
        note(f"The store '{name}' has the newest revision, {after}.")
    else:
        note(f"The store '{name}' was {'created' if before is None else f'upgraded from {before}'}, revision {after}.")


def purge_store(url: str, days: float, *, as_json: bool) -> None:
    """Remove old rows and images from a store, and print their number.

    Parameters
    ----------
    url : str
    days : float
    as_json : bool

    Raises
    ------
    InvalidInputError
        If the number of days is too large.
    StoreError
        If the store cannot be used.
    """
    try:
        age = timedelta(days=days)
    except (OverflowError, ValueError) as error:
        raise InvalidInputError(f"--older-than must be a number of days, got {days:g}.") from error
    with open_store(url, create=False) as store:
        n = store.purge(age)
    if as_json:
        print_json({"store": store.name, "removed": n})
    else:
        note(f"Rows and images removed: {n:,}.")


def sqlite_path(url: str) -> Path | None:
    """Return the path of a store in SQLite, None for PostgreSQL."""
    parsed = parse_url(url)
    return Path(str(parsed.database)) if parsed.get_backend_name() == "sqlite" else None
