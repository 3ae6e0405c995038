"""The reference shows the public members of egbad's classes.

It leaves out what classes inherit from scikit-learn, torch and pydantic, and the methods that egbad's own packages call.
"""

import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:  # a test asks for members without Sphinx
    from sphinx.application import Sphinx
    from sphinx.util.typing import ExtensionMetadata

_METADATA_ROUTING = re.compile(r"set_\w+_request")  # methods that scikit-learn makes for each class

_DETECTOR = {
    *("fit", "partial_fit", "fit_predict", "recalibrate", "predict", "anomaly_score", "score_terms"),
    *("score_samples", "decision_function", "p_value", "discoveries", "explain", "nearest_exemplars"),
    *("reconstruct", "anomaly_map", "pixel_threshold", "map_scale", "score_terms_and_maps"),
    *("score_and_explain", "member_score_terms", "score_spread", "transform", "inverse_transform"),
    *("sample", "save", "describe", "digest", "order_drift", "get_params", "set_params"),
}
# Public members of the classes in a module or package. Members of all others are public.
_PUBLIC = {
    "egbad.detectors": _DETECTOR,
    "egbad.scoring.scorer": _DETECTOR,
    "egbad.export.onnx_scorer": _DETECTOR,
    "egbad.training.checkpoints": {"clear", "exist"},
    "egbad.backbones": {
        *("arrays", "manifest", "label", "sha256", "truncated", "forward", "map", "features"),
        *("fit", "patches", "vectors", "width", "describe"),
    },
    "egbad.data": {"names", "describe", "read_partition", "from_partitions"},
    "egbad.datasets": {"digest", "is_present"},
    "egbad.explain": {"high", "low", "p_value", "top", "regions", "to_frame", "select"},
    "egbad.errors": set[str](),
}


def is_public(name: str, member: Any) -> bool:
    """Return True for a member that the reference shows.

    Parameters
    ----------
    name : str
    member : object
        Method, property or attribute of a class.

    Returns
    -------
    bool
    """
    owner = member.fget if isinstance(member, property) else member
    if not callable(owner):
        return name != "model_config"
    module = str(getattr(owner, "__module__", None) or "egbad")
    if not module.startswith("egbad") or _METADATA_ROUTING.fullmatch(name):
        return False
    public = [names for package, names in _PUBLIC.items() if f"{module}.".startswith(f"{package}.")]
    return not public or name in public[0] or name.endswith("_")  # attributes that `fit` sets


def _skip(app: "Sphinx", what: str, name: str, member: Any, skip: bool, options: Any) -> bool | None:
    """Return True for members to leave out, None to leave the decision to autodoc."""
    return None if is_public(name, member) else True


def setup(app: "Sphinx") -> "ExtensionMetadata":
    """Connect the choice of members."""
    app.connect("autodoc-skip-member", _skip)
    return {"version": "1", "parallel_read_safe": True, "parallel_write_safe": True}
