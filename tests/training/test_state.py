"""Named tensors of a training run."""

import torch

from egbad.training.state import json_from_tensor, json_to_tensor, with_prefix, without_prefix


def test_a_prefix_is_added_and_removed():
    state = {"a": torch.ones(1), "b.c": torch.zeros(2)}
    prefixed = with_prefix("model.", state)
    assert list(prefixed) == ["model.a", "model.b.c"]
    assert without_prefix("model.", prefixed | {"other": torch.ones(1)}) == state


def test_json_survives_as_bytes():
    value = {"events": [{"step": 3, "symptom": "ψ is not finite"}], "flags": [True, False]}
    tensor = json_to_tensor(value)
    assert tensor.dtype == torch.uint8
    assert json_from_tensor(tensor) == value
