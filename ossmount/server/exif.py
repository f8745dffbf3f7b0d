"""What a picture says about itself: its size, and the EXIF data that cameras put in, as text by name.

Source: EXIF 2.32, "Tag support levels"; developer guide, "Query the information of images".
"""

from __future__ import annotations

import struct
from typing import TYPE_CHECKING

from PIL import ExifTags

if TYPE_CHECKING:
    from PIL import Image

# Longer values are notes of the maker that nobody can read.
_MAX_VALUE = 200
# What Pillow raises, or warns of, for files that are not as they should be.
BROKEN = (
    OSError,
    ValueError,
    SyntaxError,
    EOFError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    struct.error,
    Warning,
)
_POINTERS = frozenset({ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo, ExifTags.IFD.Interop, ExifTags.IFD.MakerNote})


def describe_exif(image: Image.Image, data: bytes) -> dict[str, str]:
    """Return size and EXIF data of *image*, which was read from *data*: three entries if it has none of the latter."""
    said = {"FileSize": str(len(data)), "ImageHeight": str(image.height), "ImageWidth": str(image.width)}
    try:
        exif = image.getexif()
        tables = [
            (ExifTags.TAGS, dict(exif)),
            (ExifTags.TAGS, exif.get_ifd(ExifTags.IFD.Exif)),
            (ExifTags.GPSTAGS, exif.get_ifd(ExifTags.IFD.GPSInfo)),
        ]
    except BROKEN:
        return said
    for names, table in tables:
        for tag, value in table.items():
            name, text = names.get(tag), _text(value)
            if name and text and tag not in _POINTERS and len(text) <= _MAX_VALUE:
                said[name] = text
    return said


def _text(value: object) -> str:
    if isinstance(value, tuple | list):
        return " ".join(_text(each) for each in value)
    if isinstance(value, bytes):
        return value.decode("ascii", "replace").strip("\0 ") if value.isascii() else ""
    numerator, denominator = getattr(value, "numerator", None), getattr(value, "denominator", None)
    if numerator is not None and denominator is not None and not isinstance(value, int):
        return f"{numerator}/{denominator}"
    return str(value).strip("\0 ")
