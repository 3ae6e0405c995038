"""Pages of items by keyset: a page begins behind the last item of the one before, whatever was added or reviewed since."""

from dataclasses import dataclass
from datetime import datetime
from math import isfinite
from typing import Literal

from egbad.errors import InvalidInputError, shorten, unknown
from egbad.service.store.tables import from_microseconds, to_microseconds

Order = Literal["newest", "score"]
ORDERS: tuple[Order, ...] = ("newest", "score")


def check_order(order: str) -> Order:
    """Return an order if it exists.

    Raises
    ------
    InvalidInputError
    """
    for known in ORDERS:
        if order == known:
            return known
    raise unknown("order", order, ORDERS)


@dataclass(frozen=True)
class Cursor:
    """Place of an item in an order.

    Attributes
    ----------
    order : {"newest", "score"}
    value : datetime or float
        Time or score of the item.
    id : int
        Number of the item, for items with equal times or scores.
    """

    order: Order
    value: datetime | float
    id: int

    def __str__(self) -> str:
        """Return the cursor as text without loss."""
        value = self.value.hex() if isinstance(self.value, float) else str(to_microseconds(self.value))
        return f"{self.order}:{value}:{self.id}"

    @classmethod
    def parse(cls, text: str, order: Order) -> "Cursor":
        """Return the cursor that a text stands for.

        Raises
        ------
        InvalidInputError
            If the text is not a cursor of this order.

        Examples
        --------
        >>> str(Cursor.parse(str(Cursor("score", 0.5, 7)), "score"))
        'score:0x1.0000000000000p-1:7'
        """
        try:
            given, value, number = text.split(":")
            if given != order:
                raise ValueError
            place = float.fromhex(value) if order == "score" else from_microseconds(int(value))
            if isinstance(place, float) and not isfinite(place):
                raise ValueError
            if not 0 <= int(number) < 2**63:
                raise ValueError
            return cls(order, place, int(number))
        except (ValueError, OverflowError) as error:
            raise InvalidInputError(
                f"A cursor must come from the page before, in the same order, got '{shorten(text)}'."
            ) from error
