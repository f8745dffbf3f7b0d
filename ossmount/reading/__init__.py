"""Clean bytes of one object version: readahead, the block cache in memory and on disk, readers."""

from __future__ import annotations

from .options import ReadingOptions as ReadingOptions
from .reader import Reader as Reader, Reading as Reading, ReadingStatistics as ReadingStatistics
