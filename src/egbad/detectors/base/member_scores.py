"""Scores of the single members of an ensemble."""

from typing import Any

import numpy as np

from egbad.arrays import Array, Floats
from egbad.detectors.base.batching import ModelRunner
from egbad.detectors.base.ensemble_scores import member_terms
from egbad.detectors.base.scoring import ScoreMixin
from egbad.errors import InvalidInputError


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

        def terms(batch: Array) -> dict[str, Floats]:
            return member_terms(self._runner, self._clip(self.encoder_.encode(batch)))

        batches = self._map_batches(terms, self._check_new(X))
        return {name: np.concatenate([batch[name] for batch in batches], axis=1) for name in batches[0]}

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
