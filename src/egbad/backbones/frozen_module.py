"""Modules with fixed weights, their arrays and their digest."""

import hashlib
from typing import Self

import numpy as np
import torch
from torch import nn

from egbad.arrays import ArraySpec, State, check_arrays


class FrozenModule(nn.Module):
    """Base class of modules that are always in evaluation mode, and whose weights need no gradient."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode: the weights are fixed.

        Parameters
        ----------
        mode : bool
            Ignored.

        Returns
        -------
        FrozenModule
            The module itself.
        """
        super().train(False)
        return self

    @property
    def sha256(self) -> str:
        """SHA-256 digest of names, types, shapes and values of the weights, as hexadecimal digits."""
        found = hashlib.sha256()
        for name, array in self.arrays().items():
            found.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    def arrays(self) -> State:
        """Return the weights.

        Returns
        -------
        dict of str to ndarray
            In alphabetical order of the names.
        """
        return {name: value.detach().cpu().numpy() for name, value in sorted(self.state_dict().items())}

    def specs(self) -> dict[str, ArraySpec]:
        """Return what the arrays of the weights must be.

        Returns
        -------
        dict of str to ArraySpec
        """
        return {
            name: ArraySpec(str(value.dtype).removeprefix("torch."), tuple(value.shape))
            for name, value in self.state_dict().items()
        }

    def load_arrays(self, arrays: State) -> None:
        """Load weights that `arrays` returned.

        Parameters
        ----------
        arrays : dict of str to ndarray

        Raises
        ------
        InvalidEntryError
            If an array is missing, is not expected or does not fit.
        """
        check_arrays(arrays, self.specs())
        own = self.state_dict()
        tensors = {name: torch.tensor(array).view(own[name].shape) for name, array in arrays.items()}
        self.load_state_dict(tensors, assign=True)
        self.freeze()

    def freeze(self) -> None:
        """Enter evaluation mode, and let no weight need a gradient."""
        self.train(False)
        self.requires_grad_(False)
