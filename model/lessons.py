"""What a detector learns from: recordings as they are, and the same ones spoiled."""

import numpy as np

from model.features import FEATURE_NAMES, extract
from model.geometry import Array
from model.spoiling import KINDS, spoil
from model.waveform import SAMPLE_RATE, FloatArray

#: Recordings that are spoiled; each costs about a tenth of a second.
SPOILED_RECORDINGS = 400
#: Longer recordings are not spoiled: they would cost more than they teach.
_LONGEST_SPOILED = 60 * SAMPLE_RATE
_SEED = 4


class Lessons:
    """Features of recordings and of their spoiled copies.

    Only one waveform besides the current one is kept, as the other voice to mix in.
    """

    def __init__(self) -> None:
        self._rng = np.random.default_rng(_SEED)
        self._spoiled_rows: list[FloatArray] = []
        self._plain_rows: list[FloatArray] = []
        self._copies: list[list[FloatArray]] = []
        self._other: FloatArray | None = None

    def __len__(self) -> int:
        return len(self._spoiled_rows) + len(self._plain_rows)

    def add(self, y: FloatArray) -> None:
        """Take in a recording."""
        row = extract(y, SAMPLE_RATE)
        full = len(self._copies) >= SPOILED_RECORDINGS
        if self._other is None or full or len(y) > _LONGEST_SPOILED:
            self._plain_rows.append(row)
        else:
            self._spoiled_rows.append(row)
            self._copies.append(self._spoil(y, self._other))
        if len(y) <= _LONGEST_SPOILED:
            self._other = y

    @property
    def rows(self) -> Array:
        """Features of the recordings, the spoiled ones first."""
        return np.stack(self._spoiled_rows + self._plain_rows).astype(np.float64)

    @property
    def spoiled(self) -> Array | None:
        """Features of the copies, shape (n_kinds, m, n_features), m <= len(rows)."""
        if len(self._copies) < len(KINDS):
            return None
        copies = np.array(self._copies, np.float64)
        return copies.reshape(-1, len(KINDS), len(FEATURE_NAMES)).transpose(1, 0, 2)

    def _spoil(self, y: FloatArray, other: FloatArray) -> list[FloatArray]:
        copies = (spoil(kind, y, other, self._rng) for kind in KINDS)
        return [extract(copy, SAMPLE_RATE) for copy in copies]
