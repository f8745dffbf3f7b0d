"""All configurations of a bucket by the names that commands and extended attributes have for them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .access import LOGGING, REFERER
from .cors import CONFIGURATION as CORS
from .lifecycle import LIFECYCLE
from .website import WEBSITE

if TYPE_CHECKING:
    from .configuration import Configuration

CONFIGURATIONS: dict[str, Configuration[Any]] = {
    "logging": LOGGING,
    "website": WEBSITE,
    "referer": REFERER,
    "lifecycle": LIFECYCLE,
    "cors": CORS,
}
