import numpy as np
import pytest
import torch
from sklearn.metrics import roc_auc_score
from torch.nn import functional as F

from egbad.detectors.contrastive import Contrastive, ContrastiveSettings, CSIModel, ICLModel, default, nt_xent
from egbad.nn.generators import MemberGenerators
from egbad.training import TrainingConfig


def model(shape, **given):
    kind = ICLModel if len(shape) == 1 else CSIModel
    settings = ContrastiveSettings.model_validate(
        default(shape) | {"width": 8, "n_features": 16, "memory_size": 32} | given
    )
    return kind(shape, settings, MemberGenerators([0])).eval()


def test_nt_xent_is_a_cross_entropy_of_cosine_similarities():
    z = torch.randn(2, 10, 4, generator=torch.Generator().manual_seed(0))
    for member, loss in zip(z, nt_xent(z, 0.5), strict=True):
        cosines = F.cosine_similarity(member[:, None], member[None], dim=2) / 0.5
        losses = []
        for i in range(10):
            others = [j for j in range(10) if j != i]
            target = others.index((i + 5) % 10)
            losses.append(F.cross_entropy(cosines[i, others][None], torch.tensor([target])))
        assert loss.item() == pytest.approx(torch.stack(losses).mean().item(), rel=1e-5)


def test_row_loss_by_hand():
    m = model((6,), n_subvectors=3)
    x = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0))
    for row, loss in zip(x[0], m.row_loss(x)[0], strict=True):
        a, b = [], []
        for j in range(3):
            which = torch.eye(3)[j]
            a.append(m.f(torch.cat([row[m.subvectors[0, j]], which])[None, None])[0, 0])
            b.append(m.g(torch.cat([row[m.complements[0, j]], which])[None, None])[0, 0])
        logits = F.cosine_similarity(torch.stack(a)[:, None], torch.stack(b)[None], dim=2) / 0.1
        assert loss.item() == pytest.approx(F.cross_entropy(logits, torch.arange(3)).item(), rel=1e-4)


def test_a_subvector_and_its_complement_are_all_columns():
    m = model((9,), n_subvectors=5)
    columns = torch.cat([m.subvectors, m.complements], dim=2)[0]
    assert (columns.sort(dim=1).values == torch.arange(9)).all()


@pytest.mark.parametrize("shape", [(1, 8, 8), (3, 13, 9), (1, 28, 28), (2, 33, 47), (1, 64, 64)])
def test_images_of_any_size_have_losses_and_scores(shape):
    m = model(shape, width=4)
    x = torch.randn(1, 5, *shape, generator=torch.Generator().manual_seed(0))
    m.prepare(x[0])
    assert torch.isfinite(m.train().loss(x)).all()
    m.eval().finalize(iter([x]))
    terms = m.score_terms(x)
    assert set(terms) == {"projection", "trunk"} and terms["trunk"].shape == (1, 5)


def test_images_in_memory_have_distance_zero_until_the_memory_is_full():
    m = model((1, 8, 8), memory_size=16)
    x = torch.randn(1, 40, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    m.finalize(iter([x[:, :10]]))
    assert m.score_terms(x[:, :10])["trunk"].max() < 0.02 < m.score_terms(x[:, 10:])["trunk"].min()
    m.finalize(iter([x]))
    distances = m.score_terms(x)["trunk"]
    assert distances.max() > 0.02
    assert (
        distances.mean()
        < m.score_terms(torch.randn(x.shape, generator=torch.Generator().manual_seed(1)))["trunk"].mean()
    )


def test_a_background_is_the_value_of_nearly_all_edge_pixels():
    m = model((1, 8, 8))
    x = torch.full((20, 1, 8, 8), -1.0)
    x[:, :, 2:6, 2:6] = torch.rand(20, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    m.prepare(x)
    assert m.has_background.all() and m.background.tolist() == [[-1.0]]
    m.prepare(torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)))
    assert not m.has_background.any()


def test_objects_on_a_background_have_stronger_views_unless_the_strength_is_given():
    shown, filled = (
        torch.full((20, 1, 8, 8), -1.0),
        torch.randn(20, 1, 8, 8, generator=torch.Generator().manual_seed(0)),
    )
    shown[:, :, 1:, 2:4] = 1.0  # down to the edge: most of the edge is background, not nearly all
    for given, expected in (({}, (25.0, 0.0)), ({"rotation": 3.0, "thickness": 0.2}, (3.0, 3.0))):
        for x, rotation in zip((shown, filled), expected, strict=True):
            m = model((1, 8, 8), **given)
            m.prepare(x)
            assert m.view_strength["rotation"] == rotation
            assert m.thickness == given.get("thickness", 0.7 if rotation else 0.0)
            assert m.background is None or x is shown


def test_a_shape_is_recognised_at_any_position():
    def letters(n, seed, *, mirrored=False):
        """The letter F somewhere on 16 x 16 pixels, or its mirror image."""
        rng = np.random.default_rng(seed)
        x = np.zeros((n, 16, 16))
        for image in x:
            r, c = rng.integers(1, 6), rng.integers(1, 9)
            image[r : r + 9, c] = image[r, c : c + 6] = image[r + 4, c : c + 4] = 1
        return x[:, :, ::-1].copy() if mirrored else x

    detector = Contrastive(training=TrainingConfig(steps=100), width=8, memory_size=64, random_state=0, alpha=0.1)
    detector.fit(letters(200, 0))
    new = np.concatenate([letters(60, 1), letters(60, 2, mirrored=True)])
    assert roc_auc_score(np.arange(120) >= 60, detector.anomaly_score(new)) > 0.95


def test_brightness_and_contrast_count_only_where_there_is_a_background():
    m = model((1, 8, 8))
    x = torch.rand(1, 4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    m.finalize(iter([torch.rand(1, 20, 1, 8, 8, generator=torch.Generator().manual_seed(1))]))
    before = m.score_terms(x)["trunk"]
    assert torch.allclose(m.score_terms(0.3 * x - 0.5)["trunk"], before, atol=0.02)
    m.has_background.fill_(True)
    before = m.score_terms(x)["trunk"]
    assert not torch.allclose(m.score_terms(0.3 * x - 0.5)["trunk"], before, atol=0.02)
