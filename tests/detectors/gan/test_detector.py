import pytest

from egbad.detectors.gan.detector import GANDetector
from egbad.detectors.methods import METHODS

GAN_METHODS = [name for name, method in METHODS.items() if issubclass(method, GANDetector)]


@pytest.mark.parametrize("name", GAN_METHODS)
def test_shared_parameters_reach_the_settings(name):
    given = {
        "n_latent": 3,
        "width": 5,
        "dropout": 0.25,
        "input_noise": 0.125,
        "discriminator_lr_scale": 0.75,
    }
    settings = METHODS[name](**given).settings_for((6,))
    assert {parameter: getattr(settings, parameter) for parameter in given} == given


def test_methods_with_a_generator_share_their_parameters():
    assert set(GAN_METHODS) == {"adgan", "alad", "anogan", "bigan", "egbad", "f_anogan"}
