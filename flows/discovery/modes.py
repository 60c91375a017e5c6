"""How a run of discovery stands to the watermark; see docs/discovery.md."""

from typing import Literal

Mode = Literal["one_time", "backfill", "incremental"]
