"""Recalibrated models in the store, so that they are served after a restart, too."""

from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import ColumnElement, Engine, and_, insert, select, update

from egbad.service.store.database import for_writing
from egbad.service.store.errors import database_errors
from egbad.service.store.reader import StoreReader
from egbad.service.store.tables import RecalibrationRow


@dataclass(frozen=True)
class ServedFile:
    """Name, version and file of a model that the service was started with.

    Attributes
    ----------
    model, version : str
    digest : str
        SHA-256 of the file.
    """

    model: str
    version: str
    digest: str


@dataclass(frozen=True)
class KeptRecalibration:
    """Recalibrations of one file.

    Attributes
    ----------
    file : bytes or None
        Newest recalibrated model, None if the original is served again.
    digests : tuple of str
        SHA-256 of all recalibrated models, newest first.
    """

    file: bytes | None
    digests: tuple[str, ...]


class RecalibrationStore(StoreReader):
    """Recalibrated models of a store. All methods may be called from any thread.

    The methods raise StoreError if the database cannot be used.
    """

    def __init__(self, engine: Engine, name: str) -> None:
        super().__init__(engine, name)
        self._writing = for_writing(engine)

    def recalibration(self, original: ServedFile) -> KeptRecalibration | None:
        """Return the recalibrations of a model, None if it was never recalibrated.

        Parameters
        ----------
        original : ServedFile

        Returns
        -------
        KeptRecalibration or None
        """
        columns = (RecalibrationRow.digest, RecalibrationRow.file)
        query = select(*columns).where(_of(original)).order_by(RecalibrationRow.id.desc())
        with database_errors(self.name), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        return KeptRecalibration(rows[0].file, tuple(dict.fromkeys(row.digest for row in rows))) if rows else None

    def keep_recalibration(self, original: ServedFile, digest: str, file: bytes) -> None:
        """Keep a recalibrated model, in place of earlier ones of the same file.

        Parameters
        ----------
        original : ServedFile
        digest : str
            SHA-256 of the recalibrated file.
        file : bytes
        """
        values = {"time": datetime.now(UTC), "model": original.model, "version": original.version}
        added = insert(RecalibrationRow).values(**values, original=original.digest, digest=digest, file=file)
        with database_errors(self.name), self._writing.begin() as connection:
            connection.execute(update(RecalibrationRow).where(_of(original)).values(file=None))
            connection.execute(added)

    def undo_recalibration(self, original: ServedFile) -> None:
        """Remove the recalibrated models of a file. Their digests stay, so that items scored by them are found.

        Parameters
        ----------
        original : ServedFile
        """
        with database_errors(self.name), self._writing.begin() as connection:
            connection.execute(update(RecalibrationRow).where(_of(original)).values(file=None))


def _of(original: ServedFile) -> ColumnElement[bool]:
    """Return the condition on the recalibrations of a file."""
    row = RecalibrationRow
    return and_(row.original == original.digest, row.model == original.model, row.version == original.version)
