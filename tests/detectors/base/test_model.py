import pytest
import torch

from egbad.detectors.base import Model, TorchSettings, total
from egbad.errors import InvalidInputError
from egbad.nn.generators import MemberGenerators

X = torch.randn(2, 5, 3, generator=torch.Generator().manual_seed(0))


class SquaredDistance(Model[TorchSettings]):
    """Scores x by its squared distance from half of it, in two terms."""

    def score_terms(self, x):
        return {"residual": ((x - self.reconstruct(x)) ** 2).sum(2), "constant": torch.ones(x.shape[:2])}

    def reconstruct(self, x):
        return 0.5 * x


def model(kind, **preprocessing):
    training = {"learning_rate": 1e-3, "batch_size": 4, "steps": 1}
    settings = TorchSettings.model_validate({"training": training, "preprocessing": preprocessing})
    return kind((3,), settings, MemberGenerators([0, 1]))


def test_total_is_the_sum_of_the_terms():
    terms = {"a": torch.tensor([[1.0, 2.0]]), "b": torch.tensor([[0.5, -2.0]])}
    assert total(terms).tolist() == [[1.5, 0.0]]


def test_shares_add_up_to_the_difference_of_the_scores():
    m = model(SquaredDistance)
    attribution = m.attribute(X)
    assert torch.equal(attribution.expected, 0.5 * X)
    assert attribution.terms.keys() == {"residual", "constant"}
    difference = total(m.score_terms(X)) - total(m.score_terms(0.5 * X))
    assert torch.allclose(attribution.shares.sum(2), difference, atol=1e-5)


@pytest.mark.parametrize(
    ("preprocessing", "limit"),
    [({}, 8), ({"scaling": "robust"}, 8), ({"clip": 3.0}, 3), ({"clip": 0.0}, 50), ({"scaling": "minmax"}, 50)],
)
def test_networks_see_standardised_columns_clipped(preprocessing, limit):
    x = torch.tensor([[[-50.0, 0.5, 50.0]]])
    assert model(Model, **preprocessing).preprocess(x).tolist() == [[[-limit, 0.5, limit]]]


def test_a_method_has_no_reconstruction_players_or_validation_loss_unless_it_defines_them():
    m = model(Model)
    for undefined in (m.reconstruct, m.score_terms):
        with pytest.raises(TypeError, match="Model"):
            undefined(X)
    with pytest.raises(TypeError, match="Model defines no players"):
        m.stages()
    with pytest.raises(
        InvalidInputError, match=r"no validation loss .* early_stopping=EarlyStopping\(criterion='none'\)"
    ):
        m.criterion(X)
    assert m.symptoms(X) == {}
