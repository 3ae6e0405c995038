"""`EGBAD` and `BiGAN` with networks of the user's own."""

import copy
import functools
import pickle
import warnings

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import nn

from egbad import EGBAD, EarlyStopping, TrainingConfig, load
from egbad.cli.parameters import create_detector
from egbad.detectors import BiGAN
from egbad.detectors.tiled import Tiled
from egbad.errors import InvalidInputError, UnreadableFileError
from egbad.export import export
from egbad.nn.generators import MemberGenerators
from egbad.training.checkpoints import Checkpoints
from egbad.training.loop import TrainingLoop

pytestmark = pytest.mark.filterwarnings("ignore::egbad.errors.HealthWarning", "ignore::egbad.errors.CalibrationWarning")


class PairNetwork(nn.Module):
    """A discriminator of pairs, with features."""

    def __init__(self, x_side, n_inputs):
        super().__init__()
        self.x_side = x_side
        self.hidden = nn.Sequential(nn.Linear(n_inputs, 19), nn.LeakyReLU(0.1), nn.Dropout(0.2))
        self.out = nn.Linear(19, 1)

    def forward(self, x, z):
        f = self.hidden(torch.cat([self.x_side(x), z], 1))
        return self.out(f), f


class LogitsOnly(PairNetwork):
    def forward(self, x, z):
        return super().forward(x, z)[0]


def dense(shape, n_latent, width=37, pairs=PairNetwork):
    """Networks of rows, with odd widths, batch normalisation and dropout."""
    (d,) = shape
    e = nn.Sequential(nn.Linear(d, width), nn.BatchNorm1d(width), nn.ReLU(), nn.Linear(width, n_latent))
    g = nn.Sequential(nn.Linear(n_latent, width), nn.ReLU(), nn.Dropout(0.1), nn.Linear(width, d))
    return e, g, pairs(nn.Identity(), d + n_latent)


def without_features(shape, n_latent):
    return dense(shape, n_latent, pairs=LogitsOnly)


def trunk(c):
    return nn.Sequential(
        nn.Conv2d(c, 5, 3, stride=2, padding=1), nn.BatchNorm2d(5), nn.ReLU(), nn.Dropout2d(0.1), nn.Flatten()
    )


def convolutional(shape, n_latent):
    """Networks of images, with batch normalisation and dropout."""
    c, h, w = shape
    flat = 5 * ((h + 1) // 2) * ((w + 1) // 2)
    e = nn.Sequential(trunk(c), nn.Linear(flat, n_latent))
    g = nn.Sequential(
        nn.Linear(n_latent, 3 * h * w), nn.ReLU(), nn.Unflatten(1, (3, h, w)), nn.Conv2d(3, c, 3, padding=1), nn.Tanh()
    )
    return e, g, PairNetwork(trunk(c), flat + n_latent)


def rows(n, seed):
    rng = np.random.default_rng(seed)
    return rng.normal(size=(n, 2)) @ np.random.default_rng(9).normal(size=(2, 7)) + rng.normal(scale=0.1, size=(n, 7))


def images(n, seed):
    rng = np.random.default_rng(seed)
    x, phase = np.arange(11), rng.uniform(0, 6, size=(n, 1, 1))
    return (np.sin(x[None, :, None] + phase) + rng.normal(scale=0.1, size=(n, 11, 9))).astype(np.float32)


SCENES = {"rows": (dense, rows), "images": (convolutional, images)}


def quick(kind, networks, **options):
    defaults = {"alpha": 0.1, "random_state": 0, "training": TrainingConfig(steps=12), "device": "cpu"}
    return kind(networks=networks, **defaults | options)


@pytest.fixture(scope="module", params=[(EGBAD, "rows"), (EGBAD, "images"), (BiGAN, "rows")], ids=str)
def fitted(request):
    """A fitted detector of two members, and the function that draws its input."""
    kind, scene = request.param
    networks, draw = SCENES[scene]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return quick(kind, networks, members=2).fit(draw(150, 0)), draw


# -- scikit-learn ------------------------------------------------------------------------------------------------------


class DenseNetworks:
    """The function `dense` with a name that holds no address, since workers compare the names of tests."""

    def __call__(self, shape, n_latent):
        return dense(shape, n_latent)

    def __repr__(self):
        return "DenseNetworks()"


@parametrize_with_checks(
    [quick(EGBAD, DenseNetworks(), training=TrainingConfig(steps=1))],
    expected_failed_checks=lambda estimator: {
        "check_outliers_fit_predict": "fit_predict scores out of fold, so it differs from fit(X).predict(X)"
    },
)
def test_scikit_learn(estimator, check):
    check(estimator)


def test_the_function_is_a_parameter():
    detector = EGBAD(networks=dense)
    assert detector.get_params()["networks"] is dense and clone(detector).networks is dense
    assert detector.set_params(networks=convolutional).networks is convolutional
    assert detector.settings_for((7,)).networks == "own"
    assert EGBAD().settings_for((7,)).networks == "auto"
    assert EGBAD(networks=dense, recipe="paper").settings_for((7,)).networks == "own"


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda detector: pickle.loads(pickle.dumps(detector))])
def test_copies_score_the_same(fitted, copied):
    detector, draw = fitted
    assert np.array_equal(copied(detector).anomaly_score(draw(9, 1)), detector.anomaly_score(draw(9, 1)))


# -- promises ----------------------------------------------------------------------------------------------------------


def test_the_bits_of_a_score_do_not_depend_on_other_rows(fitted):
    detector, draw = fitted
    x = draw(2300 if draw is rows else 70, 1)
    scores = detector.anomaly_score(x)
    order = np.random.default_rng(0).permutation(len(x))
    assert np.array_equal(detector.anomaly_score(x[order]), scores[order])
    for size in (1, 3, 64, 257):
        parts = [detector.anomaly_score(x[i : i + size]) for i in range(0, min(len(x), 3 * size), size)]
        assert np.array_equal(np.concatenate(parts), scores[: sum(map(len, parts))]), size


@pytest.mark.parametrize("scene", [*SCENES])
def test_a_member_has_the_same_bits_alone_and_among_others(scene):
    networks, draw = SCENES[scene]
    three, one = (quick(EGBAD, networks, members=members).fit(draw(150, 0)) for members in (3, 1))
    alone = one.model_.state_dict()
    differing = [key for key, value in three.model_.state_dict().items() if not torch.equal(value[:1], alone[key])]
    assert not differing
    assert np.array_equal(three.member_score_terms(draw(9, 1))["residual"][0], one.score_terms(draw(9, 1))["residual"])


def test_every_member_trains_as_if_alone():
    detector = quick(EGBAD, dense).fit(rows(150, 0))
    x, schedule = torch.from_numpy(detector.encoder_.encode(rows(100, 0))), detector.settings_.training.schedule(100)

    def trained(seeds):
        generators = MemberGenerators(seeds)
        model = detector._build((7,), generators)
        loop = TrainingLoop(model, model.players(), x, schedule, generators)
        model.train()
        while not loop.finished:
            loop.step()
        loop.finish()
        return model.state_dict()

    together, alone = trained([5, 6, 7]), trained([7])
    assert [name for name, value in together.items() if not torch.equal(value[2:], alone[name])] == []


@pytest.mark.parametrize("scene", [*SCENES])
def test_the_same_seed_gives_the_same_bits_and_touches_no_global_state(scene):
    networks, draw = SCENES[scene]
    torch.manual_seed(7)
    states = torch.get_rng_state(), np.random.get_state()[1].copy()
    first = quick(BiGAN, networks).fit(draw(100, 0)).anomaly_score(draw(9, 1))
    assert torch.equal(torch.get_rng_state(), states[0]) and np.array_equal(np.random.get_state()[1], states[1])
    assert np.array_equal(quick(BiGAN, networks).fit(draw(100, 0)).anomaly_score(draw(9, 1)), first)
    assert not np.array_equal(quick(BiGAN, networks, random_state=1).fit(draw(100, 0)).anomaly_score(draw(9, 1)), first)


@pytest.mark.parametrize("loss", ["fm", *(pytest.param(loss, marks=pytest.mark.slow) for loss in ("sigma", "memory"))])
def test_training_finds_rows_whose_columns_do_not_fit_each_other(loss):
    networks = dense if loss == "fm" else without_features
    new = np.concatenate([rows(200, 1), np.random.default_rng(2).permuted(rows(200, 3), axis=0)])
    y = np.repeat([0, 1], 200)
    untrained, trained = (
        quick(EGBAD, networks, discriminator_loss=loss, training=TrainingConfig(steps=steps)).fit(rows(600, 0))
        for steps in (0, 400)
    )
    assert roc_auc_score(y, trained.anomaly_score(new)) > max(
        0.9, roc_auc_score(y, untrained.anomaly_score(new)) + 0.05
    )


def test_an_interrupted_fit_resumes_with_the_same_bits_and_the_same_networks_only(tmp_path):
    options = {"training": TrainingConfig(steps=40), "early_stopping": EarlyStopping(criterion="none")}
    whole = quick(EGBAD, dense, **options).fit(rows(100, 0))

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(EGBAD, dense, **options).fit(
            rows(100, 0), checkpoints=Checkpoints(tmp_path / "c", every=0), callback=interrupt, callback_interval=25
        )
    wider = functools.partial(dense, width=39)
    with pytest.raises(InvalidInputError, match="checkpoints in .* belong to a fit with other parameters"):
        quick(EGBAD, wider, **options).fit(rows(100, 0), checkpoints=Checkpoints(tmp_path / "c", resume=True))
    checkpoints = Checkpoints(tmp_path / "c", resume=True)
    resumed = quick(EGBAD, dense, **options).fit(rows(100, 0), checkpoints=checkpoints)
    assert checkpoints.newest is not None
    assert np.array_equal(resumed.anomaly_score(rows(20, 1)), whole.anomaly_score(rows(20, 1)))


def test_a_checkpoint_of_other_shapes_is_refused(tmp_path):
    widths = iter((37, 39))

    def factory(shape, n_latent):
        return dense(shape, n_latent, next(widths))

    def interrupt(step):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        quick(EGBAD, factory).fit(
            rows(100, 0), checkpoints=Checkpoints(tmp_path / "c", every=0), callback=interrupt, callback_interval=10
        )
    with pytest.raises(InvalidInputError, match="checkpoint belongs to networks of other shapes"):
        quick(EGBAD, factory).fit(rows(100, 0), checkpoints=Checkpoints(tmp_path / "c", resume=True))


# -- answers -----------------------------------------------------------------------------------------------------------


def test_answers_have_the_shapes_of_the_input(fitted):
    detector, draw = fitted
    x = draw(9, 1)
    explanation = detector.explain(x)
    assert explanation.shares.shape == x.shape and np.isfinite(explanation.shares).all()
    assert np.array_equal(detector.explain(x[:1]).shares, explanation.shares[:1])
    assert detector.reconstruct(x).shape == x.shape
    z = detector.transform(x)
    assert z.shape == (9, 2 * detector.settings_.n_latent)
    assert detector.inverse_transform(z) == pytest.approx(detector.reconstruct(x), abs=1e-5)
    assert detector.sample(5).shape == (5, *x.shape[1:])
    assert detector.describe()["parameters"]["networks"].startswith("tests.") or "dense" in str(detector.describe())


def test_training_continues_from_the_present_weights(fitted):
    detector, draw = copy.deepcopy(fitted[0]), fitted[1]
    before = detector.anomaly_score(draw(9, 1))
    assert not np.array_equal(detector.partial_fit(draw(80, 5)).anomaly_score(draw(9, 1)), before)


def test_weights_that_need_no_gradient_stay():
    def partly_frozen(shape, n_latent):
        e, g, d = dense(shape, n_latent)
        e[0].requires_grad_(False)
        return e, g, d

    start, end = (quick(EGBAD, partly_frozen, training=TrainingConfig(steps=n)).fit(rows(100, 0)) for n in (0, 12))
    names = ("E.weights.0.weight", "E.weights.3.weight")
    frozen, trained = (torch.equal(start.model_.state_dict()[n], end.model_.state_dict()[n]) for n in names)
    assert frozen and not trained


# -- files -------------------------------------------------------------------------------------------------------------


def test_a_model_file_holds_the_weights_and_loads_with_the_function(fitted, tmp_path):
    detector, draw = fitted
    path, x = tmp_path / "m.egbad", draw(9, 1)
    detector.save(path)
    again = load(path, networks=detector.networks)
    for answer in ("anomaly_score", "p_value", "predict", "reconstruct", "transform"):
        assert np.array_equal(getattr(again, answer)(x), getattr(detector, answer)(x)), answer
    assert again.describe() == detector.describe() and again.networks is detector.networks
    again.save(tmp_path / "again.egbad")
    assert (tmp_path / "again.egbad").read_bytes() == path.read_bytes()
    assert not np.array_equal(again.fit(draw(120, 3)).anomaly_score(x), detector.anomaly_score(x))


def test_a_model_file_says_which_function_it_needs(fitted, tmp_path):
    detector, _ = fitted
    detector.save(tmp_path / "m.egbad")
    name = f"{detector.networks.__module__}.{detector.networks.__name__}"
    with pytest.raises(
        InvalidInputError, match=rf"no code. Pass the function that built them: load\(path, networks={name}"
    ):
        load(tmp_path / "m.egbad")


def test_functions_that_do_not_fit_a_file_are_refused(tmp_path):
    path = tmp_path / "m.egbad"
    quick(EGBAD, dense).fit(rows(100, 0)).save(path)
    with pytest.raises(UnreadableFileError, match=r"does not fit EGBAD: 'model.E.weights.0.weight' must have shape"):
        load(path, networks=functools.partial(dense, width=39))
    with pytest.raises(UnreadableFileError, match="networks must be a function"):
        load(path, networks=5)
    quick(EGBAD, None).fit(rows(100, 0)).save(path)
    with pytest.raises(InvalidInputError, match="holds a detector with built-in networks. Load it without networks."):
        load(path, networks=dense)
    with pytest.raises(InvalidInputError, match="is an ONNX file, which contains its networks"):
        load(tmp_path / "m.onnx", networks=dense)


def test_a_detector_of_tiles_is_fitted_but_not_saved(tmp_path):
    parameters = {"networks": convolutional, "device": "cpu", "training": TrainingConfig(steps=2)}
    tiled = Tiled(detector="egbad", detector_params=parameters, tile_size=9, alpha=0.2, random_state=0)
    tiled.fit(np.random.default_rng(0).normal(size=(30, 20, 20)))
    with pytest.raises(InvalidInputError, match="part 'egbad' with networks of your own cannot be saved"):
        tiled.save(tmp_path / "m.egbad")


@pytest.mark.parametrize("scene", ["rows", pytest.param("images", marks=pytest.mark.slow)])
def test_export_to_onnx(scene, tmp_path):
    pytest.importorskip("onnxruntime")
    networks, draw = SCENES[scene]
    detector = quick(EGBAD, networks, members=2).fit(draw(150, 0))
    export(detector, tmp_path / "m.onnx")
    exported = load(tmp_path / "m.onnx")
    assert exported.anomaly_score(draw(20, 1)) == pytest.approx(detector.anomaly_score(draw(20, 1)), rel=1e-4)


class Branching(nn.Linear):
    """Depends on the values of its input, as no graph does."""

    def forward(self, x):
        return super().forward(x) if x.sum() > 0 else super().forward(-x)


def test_networks_that_onnx_cannot_hold_are_refused_in_one_sentence(tmp_path):
    pytest.importorskip("onnxruntime")
    detector = quick(EGBAD, lambda shape, k: (Branching(shape[0], k), *dense(shape, k)[1:])).fit(rows(100, 0))
    with pytest.raises(InvalidInputError, match="torch cannot export the networks: ") as raised:
        export(detector, tmp_path / "m.onnx")
    assert "\n" not in str(raised.value) and not (tmp_path / "m.onnx").exists()


# -- errors ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("networks", [5, "module.function", nn.Linear(2, 2)])
def test_other_values_are_refused_without_data(networks):
    with pytest.raises(
        InvalidInputError, match=r"networks must be a function networks\(shape, n_latent\) that returns three"
    ):
        BiGAN(networks=networks).check_parameters()


@pytest.mark.parametrize("given", [{"width": 64}, {"dropout": 0.1}])
def test_sizes_of_the_built_in_networks_are_refused(given):
    (name,) = given
    with pytest.raises(
        InvalidInputError, match=f"{name} must be None with networks of your own, .*, got {given[name]}"
    ):
        quick(EGBAD, dense, **given).fit(rows(100, 0))


def test_feature_matching_needs_features():
    with pytest.raises(
        InvalidInputError, match="D of networks returns logits alone.*or use discriminator_loss='sigma'"
    ):
        quick(EGBAD, without_features, discriminator_loss="fm").fit(rows(100, 0))
    quick(BiGAN, without_features).fit(rows(100, 0))


def test_a_network_that_does_not_fit_the_rows_is_refused():
    with pytest.raises(InvalidInputError, match=r"networks\(\(7,\), 3\) must return E, G and D, but raised ValueError"):
        quick(EGBAD, convolutional).fit(rows(100, 0))


def test_the_command_line_takes_no_function():
    with pytest.raises(InvalidInputError, match="networks must be a function"):
        create_detector("egbad", ["networks=tests.dense"])
