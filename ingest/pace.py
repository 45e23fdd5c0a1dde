"""How much of a long work is done in one go, so that whoever shares the server has its turn. Pure."""

GO_SECONDS = 0.1
REST = 3.0  # after a go, so many times as long as it took: at most a quarter of the time goes into the work


class Pace:
    """As many pieces in a go as take GO_SECONDS, by how long the last ones took.

    Args:
        most: pieces in a go.
    """

    def __init__(self, most: int, first: int = 100) -> None:
        self.pieces = min(first, most)
        self._most = most

    def took(self, pieces: int, seconds: float) -> float:
        """Note a go; returns how many seconds to rest."""
        fitting = int(pieces * GO_SECONDS / max(seconds, 1e-6))
        self.pieces = max(1, min(fitting, 2 * self.pieces, self._most))
        return REST * seconds
