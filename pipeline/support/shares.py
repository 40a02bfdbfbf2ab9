"""Work that several do together, each a share of its rows."""

from __future__ import annotations

from typing import NamedTuple


class Share(NamedTuple):
    """One of several shares of rows: consecutive ones, as many as in any other or one more."""

    number: int = 0
    shares: int = 1

    @property
    def whole(self) -> bool:
        """Whether it is all there is."""
        return self.shares == 1

    def rows(self, count: int) -> slice:
        """Those of so many rows that are in it.

        >>> [Share(number, 3).rows(8) for number in range(3)]
        [slice(0, 2, None), slice(2, 5, None), slice(5, 8, None)]
        """
        return slice(self.number * count // self.shares, (self.number + 1) * count // self.shares)


WHOLE = Share()
