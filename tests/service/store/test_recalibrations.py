"""Recalibrated models of a store, in SQLite and PostgreSQL."""

from egbad.service.store import KeptRecalibration, ServedFile

FILE = ServedFile("tiles", "1", "ab12")


def test_the_newest_file_and_all_digests_are_found(store):
    assert store.recalibration(FILE) is None
    store.keep_recalibration(FILE, "c1", b"first")
    store.keep_recalibration(FILE, "c2", b"\x00second")
    store.keep_recalibration(ServedFile("tiles", "2", "ab12"), "c3", b"other")
    assert store.recalibration(FILE) == KeptRecalibration(b"\x00second", ("c2", "c1"))
    assert store.recalibration(ServedFile("tiles", "2", "ab12")) == KeptRecalibration(b"other", ("c3",))
    assert store.recalibration(ServedFile("tiles", "1", "ff")) is None


def test_an_undone_recalibration_leaves_its_digest(store):
    store.undo_recalibration(FILE)
    store.keep_recalibration(FILE, "c1", b"first")
    store.undo_recalibration(FILE)
    assert store.recalibration(FILE) == KeptRecalibration(None, ("c1",))
    store.keep_recalibration(FILE, "c1", b"again")
    assert store.recalibration(FILE) == KeptRecalibration(b"again", ("c1",))
