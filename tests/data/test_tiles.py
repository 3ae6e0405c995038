import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from egbad.data.ragged import ragged_array
from egbad.data.tiles import TileStitcher, Tiling, cut_tile, tile_positions, tile_starts


@given(st.integers(8, 300), st.integers(8, 128), st.floats(0, 0.9))
def test_tiles_cover_a_side_from_edge_to_edge(side, size, overlap):
    size = min(size, side)
    starts = tile_starts(side, size, overlap)
    assert starts[0] == 0 and starts[-1] == side - size
    steps = np.diff(starts)
    assert (steps > 0).all() and (steps <= max(1, int((1 - overlap) * size))).all()


def test_positions_go_row_by_row():
    assert tile_positions(20, 30, 10, 0.0) == [(i, j) for i in (0, 10) for j in (0, 10, 20)]


def test_stitched_tiles_are_the_image():
    x = np.random.default_rng(0).normal(size=(3, 2, 40, 30))
    positions = tile_positions(40, 30, 16, 0.5)
    tiles = np.stack([cut_tile(x, position, 16) for position in positions], axis=1).reshape(-1, 2, 16, 16)
    stitcher = TileStitcher(x.shape)
    for start in range(0, len(positions), 5):
        by_image = tiles.reshape(3, len(positions), 2, 16, 16)[:, start : start + 5]
        stitcher.add(by_image.reshape(-1, 2, 16, 16), positions[start : start + 5])
    np.testing.assert_allclose(stitcher.mean(), x, rtol=1e-12)


def test_overlapping_tiles_are_averaged():
    stitcher = TileStitcher((1, 8, 12))
    stitcher.add(np.stack([np.zeros((8, 8)), np.ones((8, 8))]), [(0, 0), (0, 4)])
    assert stitcher.mean()[0, 0].tolist() == [0] * 4 + [0.5] * 4 + [1] * 4


def test_the_terms_of_an_image_are_those_of_its_most_anomalous_tile():
    x = np.random.default_rng(0).random((3, 20, 30))

    def terms(tiles):
        return {"sum": tiles.sum((1, 2)), "corner": tiles[:, 0, 0]}

    for batch_tiles in (1, 5, 4096):
        tiling = Tiling(8, 0.5, batch_tiles)
        found = tiling.worst_terms(ragged_array([*x, x[0, :8, :9]]), terms)
        for i, image in enumerate([*x, x[0, :8, :9]]):
            tiles = tiling.cut(image[None], tiling.positions(image.shape))
            worst = (tiles.sum((1, 2)) + tiles[:, 0, 0]).argmax()
            assert (found["sum"][i], found["corner"][i]) == (tiles[worst].sum(), tiles[worst, 0, 0])
        assert np.array_equal(tiling.worst_terms(x, terms)["sum"], found["sum"][:3])
