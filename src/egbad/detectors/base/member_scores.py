"""Scores of the single members of an ensemble."""

from typing import Any

import numpy as np

from egbad.arrays import Floats
from egbad.detectors.base.batching import ModelRunner
from egbad.detectors.base.ensemble_scores import member_terms
from egbad.detectors.base.inputs import Encoded
from egbad.detectors.base.scoring import ScoreMixin
from egbad.errors import InvalidInputError
from egbad.preprocessing.range_guard import PENALTY


class MemberScoresMixin(ScoreMixin):
    """Returns the score terms of each member of an ensemble, and the spread of the scores."""

    members: int
    _runner: ModelRunner

    def member_score_terms(self, X: Any) -> dict[str, Floats]:
        """Return the score terms of each row or image for every member.

        `score_terms` returns their means, and the range penalty, which is the same for all members.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        dict of str to ndarray of shape (members, n_samples)

        Raises
        ------
        InvalidInputError
            If X does not match the fitted detector.
        """

        def terms(rows: Encoded) -> dict[str, Floats]:
            found, guarded = member_terms(self._runner, self._clip(rows)), self._range_penalty(rows)
            return found | {name: np.tile(values, (self.members, 1)) for name, values in guarded.items()}

        # The penalty helps to choose the patches of an image that count.
        return {name: v for name, v in self._map_terms(terms, self._check_new(X)).items() if name != PENALTY}

    def score_spread(self, X: Any) -> Floats:
        """Return the standard deviation of the members' scores of each row or image.

        A score is not reliable if its spread is large compared with the differences between scores.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features) or images of shape (n_samples, [channels,] height, width)

        Returns
        -------
        ndarray of shape (n_samples,)

        Raises
        ------
        InvalidInputError
            If there is only one member, or X does not match the fitted detector.
        """
        if self.members < 2:
            raise InvalidInputError(f"score_spread needs at least two members, got members={self.members}.")
        terms = self.member_score_terms(X)
        return np.asarray(np.sum([*terms.values()], axis=0).std(axis=0, ddof=1))
