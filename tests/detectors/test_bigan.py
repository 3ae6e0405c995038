import numpy as np
import pytest
import torch

from egbad.detectors import BiGAN
from egbad.detectors.registry import create
from egbad.errors import InvalidInputError
from egbad.training import TrainingConfig


def scene(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ np.array([[1.0, 2.0, -1.0, 0.5], [0.5, -1.0, 2.0, 1.0]]) * [1, 10, 1, 1]


@pytest.fixture(scope="module")
def bigan():
    return BiGAN(training=TrainingConfig(steps=600), members=2, alpha=0.05, random_state=0, device="cpu").fit(
        scene(1000, 0)
    )


def test_inverse_transform_inverts_transform(bigan):
    x = scene(300, 1)
    z = bigan.transform(x)
    assert z.shape == (300, 4)  # two members with two latents each
    assert np.allclose(bigan.inverse_transform(z), bigan.reconstruct(x), atol=1e-3)
    assert np.mean((bigan.inverse_transform(z) - x) ** 2 / x.var(0)) < 0.1
    assert list(bigan.get_feature_names_out()) == ["bigan0", "bigan1", "bigan2", "bigan3"]


def test_the_representation_of_a_row_does_not_depend_on_other_rows(bigan):
    x = scene(300, 1)
    assert np.array_equal(bigan.transform(x)[17:18], bigan.transform(x[17:18]))


def test_the_representation_is_the_output_of_the_encoders(bigan):
    x = scene(3, 1)
    with torch.no_grad():
        encoded = torch.from_numpy(bigan.encoder_.encode(x)).expand(2, 3, 4)
        z = bigan.model_.E(bigan.model_.preprocess(encoded))
    assert np.allclose(bigan.transform(x), torch.cat([z[0], z[1]], dim=1).numpy(), atol=1e-5)


def test_egbad_has_a_latent_space_too():
    detector = create("egbad", training__steps=5, random_state=0, alpha=0.1, members=2).fit(scene(200, 0))
    z = detector.transform(scene(5, 1))
    assert z.shape == (5, 4) and detector.get_feature_names_out()[-1] == "egbad3"
    assert detector.inverse_transform(z) == pytest.approx(detector.reconstruct(scene(5, 1)), abs=1e-3)


def test_samples_look_like_the_data(bigan):
    samples = bigan.sample(2000)
    assert samples.shape == (2000, 4)
    real = np.corrcoef(scene(2000, 2).T)
    assert np.abs(np.corrcoef(samples.T) - real).max() < 0.3
    assert np.array_equal(bigan.sample(5), bigan.sample(5))
    assert not np.array_equal(bigan.sample(5), bigan.sample(5, random_state=1))


def test_images_are_reconstructed_and_sampled_as_images():
    x = np.random.default_rng(0).integers(0, 256, (60, 3, 8, 9)).astype(np.uint8)
    detector = create("bigan", training__steps=2, n_latent=5, alpha=0.3, random_state=0).fit(x)
    assert detector.inverse_transform(detector.transform(x[:4])).shape == (4, 3, 8, 9)
    assert detector.sample(3).shape == (3, 3, 8, 9)


def test_representations_of_another_length_are_refused(bigan):
    with pytest.raises(InvalidInputError, match="Z must have 4 columns, got an array of shape \\(2, 3\\)"):
        bigan.inverse_transform(np.zeros((2, 3)))
