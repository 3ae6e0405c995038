"""Encoders as torch modules, for the exported graph."""

from math import pi

import numpy as np
import torch
from torch import Tensor, nn

from egbad.data.column_types import CATEGORY
from egbad.preprocessing.column_encoder import ColumnEncoder, TableEncoder
from egbad.preprocessing.image_encoder import ENCODED_LIMIT, ImageEncoder
from egbad.preprocessing.row_encoder import CENTRED_SCALINGS, RANK_NORMAL, UNSCALED_LIMIT, Encoder, RowEncoder


class TableEncoderGraph(nn.Module):
    """`TableEncoder` as a torch module, in double precision.

    Parameters
    ----------
    table_encoder : TableEncoder
    """

    def __init__(self, table_encoder: TableEncoder) -> None:
        super().__init__()
        self.columns = table_encoder.columns
        self.stops = [0, *table_encoder.stops.tolist()]
        for j, column in enumerate(self.columns):
            self.register_buffer(f"levels_{j}", torch.from_numpy(column.levels))
            self.register_buffer(f"known_levels_{j}", torch.from_numpy(column.known_levels))

    def forward(self, x: Tensor) -> Tensor:
        """Encode rows (n, d) -> (n, width)."""
        encoded = [values for j, column in enumerate(self.columns) for values in self._encode(j, column, x)]
        return torch.cat(encoded, dim=1)

    def decode(self, u: Tensor) -> Tensor:
        """Decode rows (n, width) -> (n, d). NaN for a missing value or one that cannot be decoded."""
        return torch.stack([self._decode(j, column, u) for j, column in enumerate(self.columns)], dim=1)

    def _encode(self, j: int, column: ColumnEncoder, x: Tensor) -> list[Tensor]:
        """Return the encoded columns, each (n, k), of column j."""
        v = x[:, j : j + 1]
        missing = torch.isnan(v)
        missing_flag = [missing.double()] if column.has_missing else []
        if column.column_type == CATEGORY:
            return [*self._encode_levels(j, column, v, missing.double()), *missing_flag]
        if column.periods:
            known = torch.where(missing, torch.zeros_like(v), v)
            angles = torch.cat([2 * pi * torch.remainder(known, period) / period for period in column.periods], dim=1)
            # Not every runtime implements the cosine in double precision: shift the sine instead.
            waves = torch.cat([torch.sin(angles), torch.sin(angles + pi / 2)], dim=1)
            fill = torch.zeros_like(waves) if column.has_missing else torch.nan
            return [torch.where(missing, fill, waves), *missing_flag]
        filled = torch.where(missing, torch.full_like(v, column.fill_value), v) if column.has_missing else v
        return [filled, *missing_flag]

    def _encode_levels(self, j: int, column: ColumnEncoder, v: Tensor, missing: Tensor) -> list[Tensor]:
        """Return indicators of the levels, of the shared buckets and of unseen levels of a category."""

        def is_any(codes: Tensor) -> Tensor:
            return (v == codes).double().sum(1, keepdim=True)

        levels, known_levels = getattr(self, f"levels_{j}"), getattr(self, f"known_levels_{j}")
        indicators = [(v == levels).double()] if len(levels) else []
        other = 1 - missing - (is_any(levels) if len(levels) else 0)
        unseen = other - other * is_any(known_levels) if len(known_levels) else other * (not column.n_buckets)
        bucket = torch.fmod(torch.where(missing > 0, torch.zeros_like(v), v), max(1, column.n_buckets))
        numbers = torch.arange(column.n_buckets, dtype=torch.float64)
        buckets = [(bucket == numbers).double() * (other - unseen)] if column.n_buckets else []
        return [*indicators, *buckets, unseen if column.has_missing else unseen + missing]

    def _decode(self, j: int, column: ColumnEncoder, u: Tensor) -> Tensor:
        """Return the values (n,) of column j."""
        encoded = u[:, self.stops[j] : self.stops[j + 1]]
        unknown = torch.full_like(encoded[:, 0], torch.nan)
        if column.column_type == CATEGORY:
            levels = getattr(self, f"levels_{j}")
            codes = torch.cat([levels, levels.new_full((column.width - len(levels),), torch.nan)])
            return codes[encoded.argmax(1)]
        if column.periods:
            return unknown
        return torch.where(encoded[:, 1] > 0.5, unknown, encoded[:, 0]) if column.has_missing else encoded[:, 0]


class RowEncoderGraph(nn.Module):
    """`RowEncoder` as a torch module.

    Parameters
    ----------
    encoder : RowEncoder
        Fitted.
    """

    log: Tensor
    factor: Tensor
    shift: Tensor
    missing_values: Tensor
    values: Tensor
    scores: Tensor
    deviation: Tensor

    def __init__(self, encoder: RowEncoder) -> None:
        super().__init__()
        self.table = None if encoder.table_encoder is None else TableEncoderGraph(encoder.table_encoder)
        fill = np.asarray(encoder.missing_values(), dtype=np.float32)
        self.register_buffer("missing_values", torch.from_numpy(fill))
        self.scaled, self.any_log = encoder.scaling != "none", bool(encoder.log.any())
        # One product and one sum do all scaling: for a single row the number of operations counts.
        factor, shift = 1 / encoder.span, -encoder.low / encoder.span
        if encoder.scaling in CENTRED_SCALINGS:
            factor, shift = factor / encoder.scale, (shift - encoder.mean) / encoder.scale
        for name, value in {"log": encoder.log, "factor": factor, "shift": shift}.items():
            self.register_buffer(name, torch.from_numpy(np.array(value)))
        self.by_rank = encoder.scaling == RANK_NORMAL
        if self.by_rank:
            knots = {"values": encoder.rank_values, "scores": encoder.rank_scores}
            for name, value in {**knots, "deviation": encoder.span * encoder.scale}.items():
                self.register_buffer(name, torch.from_numpy(np.array(value)))

    def forward(self, x: Tensor) -> Tensor:
        """Encode rows (n, d) in double precision -> (n, width) in single precision."""
        x = x if self.table is None else self.table(x)
        return torch.where(torch.isnan(x), self.missing_values, self._scale(x))

    def decode(self, u: Tensor) -> Tensor:
        """Decode rows (n, width) -> (n, d) in the user's units."""
        if self.by_rank:
            x = _interpolate(u.double(), self.scores, self.values)
            beyond = (u - self.scores[-1]).clamp(min=0) - (self.scores[0] - u).clamp(min=0)
            x = x + beyond * self.deviation
        else:
            x = (u.double() - self.shift) / self.factor if self.scaled else u.double()
        if self.scaled and self.any_log:
            x = torch.where(self.log, torch.expm1(torch.where(self.log, x, torch.zeros_like(x))), x)
        return x if self.table is None else self.table.decode(x)

    def _scale(self, x: Tensor) -> Tensor:
        if not self.scaled:
            return x.clamp(-UNSCALED_LIMIT, UNSCALED_LIMIT).float()
        if self.by_rank:
            beyond = (x - self.values[-1]).clamp(min=0) - (self.values[0] - x).clamp(min=0)
            z = _interpolate(x, self.values, self.scores) + beyond / self.deviation
            return z.clamp(-ENCODED_LIMIT, ENCODED_LIMIT).float()
        u = torch.where(self.log, torch.log1p(x.clamp(min=0)), x) if self.any_log else x
        return (u * self.factor + self.shift).clamp(-ENCODED_LIMIT, ENCODED_LIMIT).float()


def _interpolate(x: Tensor, knots: Tensor, values: Tensor) -> Tensor:
    """Interpolate each column of x (n, d) linearly between knots (n_knots, d), which ascend, constant beyond them."""
    last = len(knots) - 1
    n_at_most = (x[:, None] >= knots).sum(1)
    left, right = (n_at_most - 1).clamp(0, last), n_at_most.clamp(0, last)
    low, high = torch.gather(knots, 0, left), torch.gather(knots, 0, right)
    width = high - low
    fraction = ((x - low) / torch.where(width > 0, width, 1.0)).clamp(0, 1)
    start = torch.gather(values, 0, left)
    return start + fraction * (torch.gather(values, 0, right) - start)


class ImageEncoderGraph(nn.Module):
    """`ImageEncoder` as a torch module.

    Parameters
    ----------
    encoder : ImageEncoder
        Fitted.
    """

    def __init__(self, encoder: ImageEncoder) -> None:
        super().__init__()
        self.low, self.high, self.channels = encoder.low, encoder.high, encoder.channels

    def forward(self, x: Tensor) -> Tensor:
        """Encode images (n, h, w) or (n, c, h, w) -> (n, c, h, w)."""
        u = (x - float(np.float32(self.low))) * float(np.float32(2 / (self.high - self.low))) - 1.0
        u = u.clamp(-ENCODED_LIMIT, ENCODED_LIMIT)
        return u if self.channels else u.unsqueeze(1)

    def decode(self, u: Tensor) -> Tensor:
        """Decode images (n, c, h, w) to the user's units and shape."""
        x = (u.double() + 1) / 2 * (self.high - self.low) + self.low
        return x if self.channels else x.squeeze(1)


def encoder_graph(encoder: Encoder) -> RowEncoderGraph | ImageEncoderGraph:
    """Return a fitted encoder as a torch module.

    Parameters
    ----------
    encoder : RowEncoder or ImageEncoder

    Returns
    -------
    RowEncoderGraph or ImageEncoderGraph

    Raises
    ------
    TypeError
        For any other encoder.
    """
    if isinstance(encoder, RowEncoder):
        return RowEncoderGraph(encoder)
    if isinstance(encoder, ImageEncoder):
        return ImageEncoderGraph(encoder)
    raise TypeError(f"encoder must be a RowEncoder or an ImageEncoder, got {type(encoder).__name__}.")
