"""ossmount: an Alibaba Cloud OSS bucket as a filesystem, with strong POSIX on plain objects."""

from __future__ import annotations

__version__ = "0.1.0"
