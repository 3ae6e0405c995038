import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn.functional import cosine_similarity

from egbad import EGBAD, load
from egbad.detectors.base import merge_settings
from egbad.detectors.egbad import EGBADModel, EGBADSettings, default, paper, relative_distance
from egbad.detectors.gan.losses import correlation_distance
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import BatchNorm, Dropout
from egbad.training import EarlyStopping, TrainingConfig

ROWS = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))


def settings(shape, recipe=default, **given):
    return EGBADSettings.model_validate(merge_settings(recipe(shape), given))


def model(shape=(6,), **given):
    given = {"n_latent": 3, "width": 8} | given
    return EGBADModel(shape, settings(shape, **given), MemberGenerators([0])).eval()


# -- formulas ----------------------------------------------------------------------------------------------------------


def test_relative_distance_by_hand():
    a, b = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[0.0, 4.0]]])
    scale = torch.tensor([[[1.0, 0.5]]])
    assert relative_distance(a, b, scale).item() == pytest.approx((np.log(2) + np.log(5)) / 2)
    weights = torch.tensor([0.25, 0.75])
    assert relative_distance(a, b, scale, weights).item() == pytest.approx(0.25 * np.log(2) + 0.75 * np.log(5))


# -- the score ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_score_is_the_papers_weighted_sum(weight):
    m = model(distance="norm", residual_weight=weight)
    with torch.no_grad():
        x_hat, f, f_hat = m.forward_pass(ROWS)
        terms = m.score_terms(ROWS)
    expected = weight * (ROWS - x_hat).abs().sum(2) + (1 - weight) * (f - f_hat).abs().sum(2)
    assert torch.allclose(terms["residual"] + terms["features"], expected)


@pytest.mark.parametrize("loss", ["sigma", "sigma_released"])
def test_sigma_scores_the_pair_of_the_paper_or_of_the_released_code(loss):
    m = model(distance="norm", discriminator_loss=loss, residual_weight=0.0)
    with torch.no_grad():
        z = m.E(ROWS)
        expected = -torch.log(torch.sigmoid(m.D(ROWS if loss == "sigma" else m.G(z), z)))
        assert torch.allclose(m.score_terms(ROWS)["features"], expected, atol=1e-6)


def test_memory_scores_the_distance_to_the_nearest_latent():
    m = model((1, 8, 8), memory_size=16, residual_weight=0.3)
    x = torch.randn(1, 9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        m.finalize(iter([x[:, :4], x[:, 4:6]]))
        terms, z = m.score_terms(x), m.E(x)
        nearest = (1 - cosine_similarity(z[0, :, None], z[0, None, :6], dim=2)).amin(1)
        residual = 0.3 * correlation_distance(x, m.G(z))[0]
    assert terms["features"][0].numpy() == pytest.approx(0.7 * (2 * nearest.clamp(min=0)).sqrt().numpy(), abs=2e-3)
    assert terms["residual"][0].numpy() == pytest.approx(residual.numpy(), abs=1e-5)


def test_typical_distances_do_not_depend_on_the_memory():
    x = torch.randn(1, 40, 6, generator=torch.Generator().manual_seed(0))
    with_memory, without = model(discriminator_loss="memory", memory_size=16), model()
    with torch.no_grad():
        for m in (with_memory, without):
            m.finalize(iter([x]))
    assert torch.equal(with_memory.residual_scale, without.residual_scale)
    assert not torch.equal(without.residual_scale, torch.ones(1, 1, 6))


# -- recipes -----------------------------------------------------------------------------------------------------------


def test_paper_recipe_has_the_released_values():
    rows, images = settings((121,), paper), settings((1, 28, 28), paper)
    assert (rows.n_latent, images.n_latent) == (32, 200)
    for s, batch_size, ema_decay in ((rows, 50, 0.9999), (images, 100, 0.999)):
        assert (s.training.learning_rate, s.training.batch_size, s.training.ema_decay) == (1e-5, batch_size, ema_decay)
        assert (s.cycle_weight, s.input_noise, s.distance, s.degree, s.residual_weight) == (0, 0, "norm", 1, 0.9)
        assert s.discriminator_lr_scale == 1


def test_the_default_recipe_departs_from_the_paper_as_its_docstring_lists():
    ours, papers = (EGBAD(recipe=recipe).settings_for((121,)) for recipe in ("default", "paper"))
    assert (ours.discriminator_lr_scale, papers.discriminator_lr_scale) == (0.1, 1)
    assert (ours.preprocessing.drop_duplicates, papers.preprocessing.drop_duplicates) == (True, False)
    assert (ours.preprocessing.scaling, papers.preprocessing.scaling) == ("standard", "minmax")
    assert (ours.training.ema_warmup, papers.training.ema_warmup) == (True, False)
    assert (ours.training.ema_decay, papers.training.ema_decay) == (0.999, 0.9999)
    assert ours.training.batch_size > papers.training.batch_size
    ours, papers = (EGBAD(recipe=recipe).settings_for((1, 28, 28)) for recipe in ("default", "paper"))
    assert ours.training.batch_size < papers.training.batch_size, "batches of images are smaller"
    assert (ours.n_latent, papers.n_latent) == (32, 200)
    kinds = [
        {type(m) for m in EGBADModel((1, 28, 28), s, MemberGenerators([0])).modules() if getattr(m, "p", 1)}
        for s in (ours, papers)
    ]
    assert not kinds[0] & {BatchNorm, Dropout} and {BatchNorm, Dropout} <= kinds[1]


DEPARTURES = {  # settings of the default recipe that differ from the paper's; the docstring of the module lists them all
    *("cycle_weight", "input_noise", "discriminator_lr_scale", "networks", "dropout", "distance"),
    *("training.learning_rate", "training.batch_size", "training.ema_warmup", "training.health_interventions"),
    *("training.steps", "training.epochs", "preprocessing.log_columns", "preprocessing.clip"),
    *(f"early_stopping.{name}" for name in ("criterion", "patience", "min_gain", "interval")),
}
DEPARTURES_ON_ROWS = {"preprocessing.scaling", "preprocessing.drop_duplicates", "training.ema_decay"}
DEPARTURES_ON_IMAGES = {"n_latent", "width", "degree", "discriminator_loss", "residual_weight"}


@pytest.mark.parametrize(("shape", "own"), [((121,), DEPARTURES_ON_ROWS), ((1, 28, 28), DEPARTURES_ON_IMAGES)])
def test_no_other_setting_departs_from_the_paper(shape, own):
    ours, papers = ({}, {})
    for recipe, found in (("default", ours), ("paper", papers)):
        for name, value in EGBAD(recipe=recipe).settings_for(shape).model_dump().items():
            found |= {f"{name}.{key}": v for key, v in value.items()} if isinstance(value, dict) else {name: value}
    assert {name for name in ours if ours[name] != papers[name]} == DEPARTURES | own


def test_a_model_file_keeps_the_defaults_it_was_fitted_with(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(200, 4))
    detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.1, random_state=0).fit(x)
    detector.save(tmp_path / "model.egbad")
    changes = {"residual_weight": 0.1, "preprocessing": {"scaling": "minmax"}, "width": 3}
    monkeypatch.setattr(EGBAD, "recipes", {"default": lambda shape: default(shape) | changes})
    loaded = load(tmp_path / "model.egbad")
    assert loaded.settings_ == detector.settings_
    assert np.array_equal(loaded.anomaly_score(x), detector.anomaly_score(x))


def test_a_model_file_without_the_clip_of_columns_clips_at_eight():
    x = np.random.default_rng(0).normal(size=(200, 4))
    detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.1, random_state=0).fit(x)
    manifest, arrays = detector.content()
    del manifest.state["settings"]["preprocessing"]["clip"]
    del manifest.state["settings"]["training"]["health_interventions"]
    loaded = EGBAD.from_file(manifest, arrays)
    assert loaded.settings_ == detector.settings_
    assert np.array_equal(loaded.anomaly_score(20 * x), detector.anomaly_score(20 * x))


# -- learning ----------------------------------------------------------------------------------------------------------


def test_training_finds_rows_whose_columns_do_not_fit_each_other(ring):
    x, normal = ring(600, 0), ring(200, 1)
    shuffled = np.random.default_rng(2).permuted(normal, axis=0)  # the same columns, without their dependence
    labels = np.repeat([0, 1], 200)

    def auroc(steps):
        detector = EGBAD(training=TrainingConfig(steps=steps), random_state=0, alpha=0.05).fit(x)
        return roc_auc_score(labels, detector.anomaly_score(np.concatenate([normal, shuffled])))

    trained, untrained = auroc(600), auroc(0)
    assert trained > 0.9
    assert trained > untrained + 0.1


def bars(n, seed, *, upright):
    """Images of 12 x 12 pixels with one bright bar, vertical or horizontal."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.05, (n, 12, 12))
    for image, position in zip(x, rng.integers(1, 10, n), strict=True):
        (image.T if upright else image)[position : position + 2] += 1
    return x


def test_images_of_another_kind_score_higher():
    detector = EGBAD(training=TrainingConfig(steps=150), width=8, random_state=0, alpha=0.05)
    detector.fit(bars(300, 0, upright=True))
    scores = detector.anomaly_score(np.concatenate([bars(100, 1, upright=True), bars(100, 2, upright=False)]))
    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.9


def test_without_an_adversarial_loss_the_discriminator_is_not_trained(ring):
    detector = EGBAD(training=TrainingConfig(steps=20), adversarial_weight=0, random_state=0, alpha=0.05)
    detector.fit(ring(300, 0))
    assert set(detector.history_) == {"step", "EG"}


def test_repeated_rows_are_dropped(ring):
    detector = EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05)
    detector.fit(np.concatenate([ring(300, 0)] * 5))
    assert detector.n_train_ <= 300


def test_a_longer_training_ends_with_the_same_model(ring):
    x, y = ring(300, 0), ring(50, 1)
    options = {"early_stopping": EarlyStopping(interval=25), "random_state": 0, "alpha": 0.05}
    fits = [EGBAD(training=TrainingConfig(steps=steps), **options).fit(x) for steps in (1500, 7500)]
    assert all(detector.history_["step"][-1] < 1500 for detector in fits), "early stopping ends both"
    assert np.array_equal(fits[0].anomaly_score(y), fits[1].anomaly_score(y))
