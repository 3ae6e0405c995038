"""Base classes of scikit-learn with types.

scikit-learn has no type annotations. A type checker accepts any argument of a class whose base it does not know, so it
gets these declarations instead. At run time the classes are scikit-learn's own.
"""

from typing import TYPE_CHECKING, Any, Self

from numpy.typing import NDArray

if TYPE_CHECKING:

    class BaseEstimator:
        """Declares the parameters of an estimator."""

        def get_params(self, deep: bool = True) -> dict[str, Any]:
            """Return the parameters, with `deep` also those of nested estimators."""

        def set_params(self, **params: Any) -> Self:
            """Set parameters, also nested ones, and return the estimator."""

        def __sklearn_tags__(self) -> Any:
            """Return the tags of the estimator."""

    class OutlierMixin:
        """Declares an outlier detector."""

    class TransformerMixin:
        """Declares a transformer."""

        def fit_transform(self, X: Any, y: None = None, **fit_params: Any) -> Any:
            """Fit to X and return the transformed X."""

        def set_output(self, *, transform: str | None = None) -> Self:
            """Set the container that `transform` returns."""

    class ClassNamePrefixFeaturesOutMixin:
        """Declares names of the columns that `transform` returns."""

        def get_feature_names_out(self, input_features: None = None) -> NDArray[Any]:
            """Return the names of the columns."""

else:
    from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, OutlierMixin, TransformerMixin

__all__ = ["BaseEstimator", "ClassNamePrefixFeaturesOutMixin", "OutlierMixin", "TransformerMixin"]
