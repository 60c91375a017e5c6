"""What one worker does: the one figure that docs/scale.md's sums go by."""

from __future__ import annotations

#: Recordings of 10 s a second that one process with two children does on two cores,
#: 100 a core: the row "recordings a second" of docs/performance.md, rounded down to a
#: hundred. There the emulated services take their share of the same two cores.
RECORDINGS_A_SECOND = 200.0
