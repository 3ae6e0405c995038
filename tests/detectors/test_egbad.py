"""EGBAD: its formulas by hand, its networks by the paper, its game and its score on scenes whose answers are plain."""

import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch import nn

from egbad import EGBAD, load
from egbad.detectors.base import merge_settings
from egbad.detectors.egbad import EGBADModel, EGBADSettings, correlation_distance, default, paper, relative_distance
from egbad.detectors.gan.losses import cross_entropy_real, norm_distance
from egbad.detectors.gan.models import DISCRIMINATOR_DEAD, DISCRIMINATOR_WON, GENERATOR_COLLAPSED
from egbad.errors import HealthWarning, InvalidInputError, TrainingError
from egbad.nn.generators import MemberGenerators
from egbad.nn.layers import Dropout
from egbad.nn.networks import encoder, generator, pair_discriminator
from egbad.training import EarlyStopping, TrainingConfig
from egbad.training.health import Symptom


def settings(shape, name="default", **given):
    recipe = {"default": default, "paper": paper}[name]
    return EGBADSettings.model_validate(merge_settings(recipe(shape), given))


def model(shape=(6,), **given):
    given = {"n_latent": 3, "width": 8} | given
    return EGBADModel(shape, settings(shape, **given), MemberGenerators([0])).eval()


# -- formulas ----------------------------------------------------------------------------------------------------------


def test_norm_distance_by_hand():
    a, b = torch.tensor([[[1.0, 2.0, 3.0]]]), torch.tensor([[[0.0, 4.0, 3.0]]])
    assert norm_distance(a, b).item() == 3
    assert norm_distance(a, b, 2).item() == pytest.approx(5**0.5)


def test_relative_distance_by_hand():
    a, b = torch.tensor([[[1.0, 2.0]]]), torch.tensor([[[0.0, 4.0]]])
    usual = torch.tensor([[[1.0, 0.5]]])
    assert relative_distance(a, b, usual).item() == pytest.approx((np.log(2) + np.log(5)) / 2)


def test_correlation_distance_is_numpys():
    a, b = torch.randn(2, 1, 5, 1, 4, 3, generator=torch.Generator().manual_seed(0))
    found = correlation_distance(a, b)[0]
    for i in range(5):
        assert found[i].item() == pytest.approx(1 - np.corrcoef(a[0, i].ravel(), b[0, i].ravel())[0, 1], abs=1e-5)
    assert correlation_distance(a, 3 * a + 1) == pytest.approx(0, abs=1e-5)


def test_cross_entropy_is_torchs():
    logits = torch.tensor([[-3.0, 0.0, 2.0]])
    expected = nn.functional.binary_cross_entropy_with_logits(logits, torch.ones_like(logits), reduction="none")
    assert torch.allclose(cross_entropy_real(logits), expected)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
def test_the_score_is_the_papers_weighted_sum(weight):
    m = model(distance="norm", residual_weight=weight)
    x = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        x_hat, f, f_hat = m.forward_pass(x)
        terms = m.score_terms(x)
    expected = weight * (x - x_hat).abs().sum(2) + (1 - weight) * (f - f_hat).abs().sum(2)
    assert torch.allclose(terms["residual"] + terms["features"], expected)


def test_a_memory_scores_how_far_the_nearest_remembered_code_lies():
    m = model((1, 8, 8), memory_size=16, residual_weight=0.3)
    x = torch.randn(1, 9, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        m.finalize(iter([x[:, :4], x[:, 4:6]]))
        terms, z = m.score_terms(x), m.E(x)
        nearest = (1 - nn.functional.cosine_similarity(z[0, :, None], z[0, None, :6], dim=2)).amin(1)
    assert terms["features"][0].numpy() == pytest.approx(0.7 * (2 * nearest.clamp(min=0)).sqrt().numpy(), abs=2e-3)
    assert terms["residual"][0].numpy() == pytest.approx(
        0.3 * correlation_distance(x, m.G(z))[0].detach().numpy(), abs=1e-5
    )


def test_a_memory_leaves_relative_distances_what_they_are():
    x = torch.randn(1, 40, 6, generator=torch.Generator().manual_seed(0))
    with_memory, without = model(discriminator_loss="memory", memory_size=16), model()
    with torch.no_grad():
        for m in (with_memory, without):
            m.finalize(iter([x]))
    assert torch.equal(with_memory.usual_x, without.usual_x) and not torch.equal(without.usual_x, torch.ones(1, 1, 6))


def test_a_file_keeps_the_defaults_that_it_was_fitted_with(tmp_path, monkeypatch):
    x = np.random.default_rng(0).normal(size=(200, 4))
    detector = EGBAD(training=TrainingConfig(steps=20), alpha=0.1, random_state=0).fit(x)
    detector.save(tmp_path / "m.egbad")
    later = {
        "default": lambda shape: (
            default(shape) | {"residual_weight": 0.1, "preprocessing": {"scaling": "minmax"}, "width": 3}
        )
    }
    monkeypatch.setattr(EGBAD, "recipes", later)
    again = load(tmp_path / "m.egbad")
    assert again.settings_ == detector.settings_
    assert np.array_equal(again.anomaly_score(x), detector.anomaly_score(x))


@pytest.mark.parametrize("loss", ["sigma", "sigma_released"])
def test_sigma_scores_the_pair_of_the_paper_or_of_the_released_code(loss):
    m = model(distance="norm", discriminator_loss=loss, residual_weight=0.0)
    x = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        z = m.E(x)
        expected = -torch.log(torch.sigmoid(m.D(x if loss == "sigma" else m.G(z), z)))
        assert torch.allclose(m.score_terms(x)["features"], expected, atol=1e-6)


def test_losses_are_the_non_saturating_games():
    m = model(adversarial_weight=1.0, cycle_weight=2.0, input_noise=0.0)
    x = torch.randn(1, 5, 6, generator=torch.Generator().manual_seed(0))
    m.latent = lambda n: torch.full((1, n, 3), 0.5)
    z = m.latent(5)
    p_real, p_fake = torch.sigmoid(m.D(x, m.E(x))), torch.sigmoid(m.D(m.G(z), z))
    assert torch.allclose(m.loss_d(x), -(p_real.log() + (1 - p_fake).log()).mean(1), atol=1e-5)
    cycle = (x - m.G(m.E(x))).abs().sum(2)
    assert torch.allclose(m.loss_eg(x), -((1 - p_real).log() + p_fake.log()).mean(1) + 2 * cycle.mean(1), atol=1e-5)


def test_a_turn_of_d_gives_no_gradient_to_e_and_g():
    m = model()
    m.loss_d(torch.randn(1, 5, 6)).sum().backward()
    assert all(p.grad is None for p in [*m.E.parameters(), *m.G.parameters()])
    assert all(p.grad is not None for p in m.D.parameters())


@pytest.mark.parametrize(("prior", "low", "high"), [("normal", -9, 9), ("uniform", -1, 1)])
def test_the_prior_is_what_it_is_called(prior, low, high):
    z = model(prior=prior).latent(20_000)
    assert low <= z.min() <= z.max() <= high
    assert z.mean().item() == pytest.approx(0, abs=0.02)
    assert z.std().item() == pytest.approx(1 if prior == "normal" else 3**-0.5, rel=0.02)


# -- the paper's networks ----------------------------------------------------------------------------------------------


def layers(module):
    return [tuple(w.shape[1:]) for name, w in module.named_parameters() if w.dim() > 2 and "weight" in name]


def test_the_kdd99_networks_are_the_papers():
    generators = MemberGenerators([0])
    E, G = encoder(generators, (121,), 64, 32), generator(generators, (121,), 64, 32)
    D = pair_discriminator(generators, (121,), 32, 64, 0.2)
    assert layers(E) == [(121, 64), (64, 32)]
    assert layers(G) == [(32, 64), (64, 128), (128, 121)]
    assert sorted(layers(D)) == [(32, 128), (121, 128), (128, 1), (256, 128)]
    assert [m.negative_slope for m in [*E.modules(), *D.modules()] if isinstance(m, nn.LeakyReLU)] == [0.1] * 4
    assert [m.p for m in D.modules() if isinstance(m, Dropout)] == [0.2] * 3


def test_the_paper_recipe_is_the_papers():
    rows, images = settings((121,), "paper"), settings((1, 28, 28), "paper")
    assert (rows.n_latent, images.n_latent) == (32, 200)
    for s, batch_size, ema_decay in ((rows, 50, 0.9999), (images, 100, 0.999)):
        assert (s.training.learning_rate, s.training.batch_size, s.training.ema_decay) == (1e-5, batch_size, ema_decay)
        assert (s.cycle_weight, s.input_noise, s.distance, s.degree, s.residual_weight) == (0, 0, "norm", 1, 0.9)
        assert s.discriminator_lr_scale == 1


# -- learning ----------------------------------------------------------------------------------------------------------


def ring(n, seed):
    """Rows on a circle in six columns, two of them signal."""
    rng = np.random.default_rng(seed)
    angle = rng.uniform(0, 2 * np.pi, n)
    return np.column_stack(
        [np.cos(angle), np.sin(angle), np.sin(angle), np.cos(angle), 0 * angle, 0 * angle]
    ) + rng.normal(scale=0.05, size=(n, 6))


def test_rows_off_the_scene_score_higher_and_training_is_why():
    x, normal = ring(600, 0), ring(200, 1)
    strange = np.random.default_rng(2).permuted(normal, axis=0)  # each column as ever, their relation broken
    labels = np.repeat([0, 1], 200)

    def auroc(steps):
        detector = EGBAD(training=TrainingConfig(steps=steps), random_state=0, alpha=0.05).fit(x)
        return roc_auc_score(labels, detector.anomaly_score(np.concatenate([normal, strange])))

    trained, untrained = auroc(600), auroc(0)
    assert trained > 0.9
    assert trained > untrained + 0.1


def bars(n, seed, upright):
    """Images 12 x 12 with one bright bar, upright or level."""
    rng = np.random.default_rng(seed)
    x = rng.normal(0, 0.05, (n, 12, 12))
    for image, place in zip(x, rng.integers(1, 10, n), strict=True):
        (image.T if upright else image)[place : place + 2] += 1
    return x


def test_images_of_another_kind_score_higher():
    detector = EGBAD(training=TrainingConfig(steps=150), width=8, random_state=0, alpha=0.05).fit(
        bars(300, 0, upright=True)
    )
    scores = detector.anomaly_score(np.concatenate([bars(100, 1, upright=True), bars(100, 2, upright=False)]))
    assert roc_auc_score(np.repeat([0, 1], 100), scores) > 0.9


def test_without_the_game_d_stays_as_it_was():
    detector = EGBAD(training=TrainingConfig(steps=20), adversarial_weight=0, random_state=0, alpha=0.05).fit(
        ring(300, 0)
    )
    assert set(detector.history_) == {"step", "EG"}


def test_a_won_game_is_named():
    m = model(input_noise=0.0)
    x = 5 + torch.randn(1, 50, 6, generator=torch.Generator().manual_seed(0))  # G makes nothing of the kind
    optimizer = torch.optim.Adam(m.D.parameters(), lr=1e-2)
    for _ in range(100):
        optimizer.zero_grad()
        m.loss_d(x).sum().backward()
        optimizer.step()
    assert [symptom for symptom, ill in m.symptoms(x).items() if ill.any()] == [DISCRIMINATOR_WON]


WRONG = Symptom("something is wrong", "Do something.")
WORTHLESS = Symptom("it is worth nothing", "Do something.", restart=True)


def test_what_is_wrong_is_a_warning_and_is_kept(monkeypatch, tmp_path):
    monkeypatch.setattr(EGBADModel, "symptoms", lambda self, x: {WRONG: torch.tensor([False, True], device=x.device)})
    with pytest.warns(HealthWarning, match=r"At the end something is wrong \(members 1 of 2\). Do something."):
        detector = EGBAD(training=TrainingConfig(steps=2), members=2, random_state=0, alpha=0.05).fit(ring(300, 0))
    detector.save(tmp_path / "model.egbad")
    words = ["At the end something is wrong (members 1 of 2). Do something."]
    assert load(tmp_path / "model.egbad").health_ == detector.describe()["health"] == words


def test_a_member_that_ends_worthless_is_trained_anew_from_another_seed(monkeypatch):
    x = ring(300, 0)
    options = {
        "training__steps": 20,
        "random_state": 0,
        "alpha": 0.05,
        "early_stopping__criterion": "none",
        "device": "cpu",
    }
    plain = EGBAD(members=3, **options).fit(x)
    monkeypatch.setattr(
        EGBADModel,
        "symptoms",
        lambda self, x: {
            WORTHLESS: torch.tensor([s == plain.seeds_[1] for s in self.generators.seeds], device=x.device)
        },
    )
    cured = EGBAD(members=3, **options).fit(x)
    assert cured.seeds_[1] != plain.seeds_[1] and cured.seeds_[::2] == plain.seeds_[::2]
    assert cured.health_ == ["Step 20: it is worth nothing (member 1 of 3); it was trained again from another seed."]
    before, after = plain.model_.state_dict(), cured.model_.state_dict()
    assert all(torch.equal(before[name][::2], after[name][::2]) for name in before)
    assert not torch.equal(before["E.0.weight"][1], after["E.0.weight"][1])
    assert np.array_equal(plain.history_["EG"][:, 0], cured.history_["EG"][:, 0])
    assert not np.array_equal(plain.history_["EG"][:, 1], cured.history_["EG"][:, 1])
    alone = EGBAD().set_params(**options)
    alone._train([cured.seeds_[1]], *_prepared(alone, x))
    assert torch.equal(alone.model_.E[0].weight[0], after["E.0.weight"][1]), "as if it had had that seed from the start"


def _prepared(detector, x):
    """What `fit` hands to training: encoded rows, no validation rows, nothing beside."""
    from egbad.detectors.base import Beside

    fitted = EGBAD(training=TrainingConfig(steps=0), random_state=0, alpha=0.05).fit(x)
    detector.kind_, detector.shape_, detector.seed_ = "rows", fitted.shape_, 0
    detector.columns_ = detector.column_types_ = None
    detector.encoder_ = fitted.encoder_
    detector.device_ = "cpu"
    detector._prepare()
    order = np.random.default_rng(0).permutation(len(x))
    kept = x[np.sort(order[round(0.1 * len(x)) :])]
    return fitted.encoder_.encode(kept), None, Beside()


def test_seeds_of_several_rounds_are_kept_apart(monkeypatch):
    x = ring(300, 0)
    first = EGBAD(training=TrainingConfig(steps=5), members=3, random_state=0, alpha=0.05).fit(x).seeds_
    rounds = []

    def symptoms(self, batch):
        if self.training:
            return {}
        if self.generators.seeds not in rounds:
            rounds.append(self.generators.seeds)
        sick = {1: [False, True, True], 2: [False, True], 3: [False]}[len(rounds)]  # members 1 and 2, then 2, then none
        return {WORTHLESS: torch.tensor(sick, device=batch.device)}

    monkeypatch.setattr(EGBADModel, "symptoms", symptoms)
    seeds = EGBAD(training=TrainingConfig(steps=5), members=3, random_state=0, alpha=0.05).fit(x).seeds_
    assert rounds[0] == first and [len(r) for r in rounds] == [3, 2, 1]
    assert seeds == (first[0], rounds[1][0], rounds[2][0])


def test_one_that_stays_worthless_is_named(monkeypatch):
    monkeypatch.setattr(EGBADModel, "symptoms", lambda self, x: {WORTHLESS: torch.tensor([True], device=x.device)})
    with pytest.warns(HealthWarning, match="At the end it is worth nothing. Do something."):
        detector = EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(ring(300, 0))
    again = "Step 5: it is worth nothing; it was trained again from another seed."
    assert detector.health_ == [again, again, "At the end it is worth nothing. Do something."]


def test_training_that_never_holds_says_so():
    with pytest.raises(
        TrainingError, match="Training broke down, 3 times from different seeds: a loss or a weight was not"
    ):
        EGBAD(training=TrainingConfig(steps=50, learning_rate=1e30), random_state=0, alpha=0.05).fit(ring(300, 0))


def test_scores_that_tie_are_named(monkeypatch):
    flat = EGBADModel.score_terms
    monkeypatch.setattr(EGBADModel, "score_terms", lambda self, x: {k: v.round() for k, v in flat(self, x).items()})
    with pytest.warns(HealthWarning, match="At the end rows that differ have the same score"):
        EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(ring(300, 0))


def test_a_collapsed_generator_is_named():
    m = model(cycle_weight=0.0)
    with torch.no_grad():
        for p in m.G.parameters():
            p.zero_()
    assert [symptom for symptom, ill in m.symptoms(torch.randn(1, 50, 6)).items() if ill.any()] == [GENERATOR_COLLAPSED]


def test_a_discriminator_that_says_the_same_of_everything_is_named():
    m = model()
    with torch.no_grad():
        m.D.head.weight.zero_()
    found = m.symptoms(torch.randn(1, 50, 6, generator=torch.Generator().manual_seed(0)))
    assert [symptom for symptom, ill in found.items() if ill.any()] == [DISCRIMINATOR_DEAD]
    assert not m.symptoms(torch.ones(1, 50, 6))[DISCRIMINATOR_DEAD].any(), "of rows that are all the same it may"


def test_repeated_rows_do_not_change_what_is_learned_from_rows():
    x = ring(300, 0)
    detector = EGBAD(training=TrainingConfig(steps=5), random_state=0, alpha=0.05).fit(np.concatenate([x] * 5))
    assert detector.n_train_ <= 300


def test_watching_changes_nothing_and_sees_the_detector_as_it_will_be():
    x, seen = ring(300, 0), []
    watched = EGBAD(training=TrainingConfig(steps=20), random_state=0, alpha=0.05)
    watched.fit(x, callback=lambda step: seen.append((step, watched.anomaly_score(x[:9]))), callback_interval=10)
    plain = EGBAD(training=TrainingConfig(steps=20), random_state=0, alpha=0.05).fit(x)
    assert [step for step, _ in seen] == [10, 20]
    assert np.array_equal(seen[-1][1], plain.anomaly_score(x[:9]))


@pytest.mark.parametrize("n", [1, 5, 300, 600, 904, 2049, 2560, 4096, 5000])
def test_chunks_are_large_where_few_rows_only_fill_them(n):
    x, computed = ring(n, 0), []
    detector = EGBAD(training=TrainingConfig(steps=0), random_state=0, alpha=0.05, device="cpu").fit(ring(300, 0))
    for _ in range(2):  # the second time it finds out which sizes have the same bits
        detector.anomaly_score(x)
    own = detector.model_.score_terms
    detector.model_.score_terms = lambda x: computed.append(x.shape[1]) or own(x)
    detector.anomaly_score(x)
    usual = 256 * -(-n // 256)
    assert n <= sum(computed) <= 1.125 * usual + 2 * 256, "beside what fills the last chunk of a part"
    assert n < 4096 or max(computed) > 256 or not any(detector.model_.alike.get(size) for size in (512, 2048))


def test_first_rows_do_not_wait_for_sizes_of_chunks_to_be_compared():
    x, computed = ring(3, 0), []
    detector = EGBAD(training=TrainingConfig(steps=0), random_state=0, alpha=0.05, device="cpu").fit(ring(300, 0))
    del detector.model_.alike
    own = detector.model_.score_terms
    detector.model_.score_terms = lambda x: computed.append(x.shape[1]) or own(x)
    first = detector.anomaly_score(x)
    assert computed == [256]
    assert np.array_equal(detector.anomaly_score(x), first)
    assert len(computed) > 2


def test_small_batches_are_learned_by_one_thread_and_large_ones_by_all():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    images = np.random.default_rng(0).integers(0, 256, (300, 8, 8)).astype(np.uint8)
    seen = []
    for x, options in ((ring(300, 0), {}), (ring(300, 0), {"members": 200}), (images, {})):
        detector = EGBAD(
            training=TrainingConfig(steps=2),
            early_stopping=EarlyStopping(criterion="none"),
            random_state=0,
            alpha=0.05,
            **options,
        )
        detector.fit(x, callback=lambda step: seen.append(torch.get_num_threads()), callback_interval=2)
    assert torch.get_num_threads() == 2
    torch.set_num_threads(before)
    assert seen == [1, 2, 2]


# -- parameters --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"recipe": "papr"}, "There is no recipe 'papr'. Did you mean 'paper'"),
        ({"training__learning_rate": -1.0}, "learning_rate: input should be greater than 0, got -1.0"),
        ({"residual_weight": 1.5}, "residual_weight: input should be less than or equal to 1, got 1.5"),
        ({"prior": "gaussian"}, "prior: input should be 'normal' or 'uniform', got 'gaussian'"),
        ({"training__steps": 5, "training__epochs": 1.0}, "Give steps or epochs, not both"),
        ({"members": 0}, "members must be at least 1, got 0"),
        ({"alpha": 1.5}, r"alpha must be in \(0, 1\), got 1.5"),
        ({"calibration_fraction": 0.0}, "calibration_fraction must be in"),
        ({"device": "abc"}, "device must be one that torch knows, such as 'cpu' or 'cuda', or 'auto', got 'abc'"),
        ({"random_state": "x"}, "random_state must be a non-negative int"),
    ],
)
def test_a_wrong_parameter_is_one_sentence(given, words):
    with pytest.raises(InvalidInputError, match=words):
        EGBAD().set_params(**given).fit(ring(50, 0))


def test_epochs_are_passes_over_the_training_rows():
    detector = EGBAD(
        training=TrainingConfig(epochs=2, batch_size=50),
        early_stopping=EarlyStopping(criterion="none"),
        random_state=0,
        alpha=0.05,
    ).fit(ring(200, 0))
    assert detector.history_["step"][-1] == 8  # 180 rows, 50 a step: 3.6 steps a pass


def test_a_longer_run_is_not_a_worse_one():
    x, y = ring(300, 0), ring(50, 1)
    runs = [EGBAD(training=TrainingConfig(steps=steps), random_state=0, alpha=0.05).fit(x) for steps in (6000, 30_000)]
    assert all(run.history_["step"][-1] < 6000 for run in runs), "both end where little is gained"
    assert np.array_equal(runs[0].anomaly_score(y), runs[1].anomaly_score(y))
