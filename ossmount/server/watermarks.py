"""Watermarks: a text drawn onto a picture, in the one font that comes with Pillow.

Source: developer guide, "Add watermarks".
"""

from __future__ import annotations

from base64 import urlsafe_b64decode
from typing import TYPE_CHECKING

from PIL import Image, ImageColor, ImageDraw, ImageFont

from ..wire.errors import NotImplementedByOSS, WatermarkError

if TYPE_CHECKING:
    from ..wire.images import Action

# Of a text, in bytes.
MAX_TEXT = 64
_TRANSPARENT = (0, 0, 0, 0)


def place(name: str, outer: tuple[int, int], inner: tuple[int, int]) -> tuple[int, int]:
    """Return where *inner* begins at the place *name* of *outer*."""
    spare_x, spare_y = outer[0] - inner[0], outer[1] - inner[1]
    x = 0 if name in ("nw", "west", "sw") else spare_x if name in ("ne", "east", "se") else spare_x // 2
    y = 0 if name in ("nw", "north", "ne") else spare_y if name in ("sw", "south", "se") else spare_y // 2
    return x, y


def _read_text(action: Action) -> str:
    if action.get("image"):
        raise NotImplementedByOSS("Only text can be a watermark here.", details={"ArgumentName": "image"})
    try:
        text = urlsafe_b64decode(action.get("text") + "=" * (-len(action.get("text")) % 4)).decode()
    except ValueError:
        raise WatermarkError("The text of the watermark is not valid base64.") from None
    if not 1 <= len(text.encode()) <= MAX_TEXT:
        raise WatermarkError(f"The text of a watermark has 1 to {MAX_TEXT} bytes.")
    return text


def draw_mark(action: Action) -> Image.Image:
    """Return the text that *action* asks for as a picture with nothing behind it.

    Raises:
        WatermarkError: the text is none.
        NotImplementedByOSS: it is a picture.
    """
    text = _read_text(action)
    size = action.number("size", 40) or 40
    font = ImageFont.load_default(size)
    left, top, right, bottom = (round(side) for side in font.getbbox(text))
    opacity = round((action.number("t", 100) or 0) * 2.55)
    shadow = action.number("shadow") or 0
    offset = max(size // 20, 1) if shadow else 0
    mark = Image.new("RGBA", (max(right - left, 1) + offset, max(bottom - top, 1) + offset), _TRANSPARENT)
    draw = ImageDraw.Draw(mark)
    if shadow:
        draw.text((offset - left, offset - top), text, (0, 0, 0, round(shadow * opacity / 100)), font)
    color = ImageColor.getrgb(f"#{action.get('color', '000000')}")
    draw.text((-left, -top), text, (*color[:3], opacity), font)
    if angle := action.number("rotate") or 0:
        mark = mark.rotate(-angle, Image.Resampling.BICUBIC, expand=True)
    return mark


def stamp(frame: Image.Image, mark: Image.Image, action: Action) -> Image.Image:
    """Return *frame* with *mark* where *action* wants it."""
    layer = Image.new("RGBA", frame.size, _TRANSPARENT)
    if action.get("fill") == "1":
        across, down = mark.width + (action.number("padx") or 0), mark.height + (action.number("pady") or 0)
        row = Image.new("RGBA", (frame.width, mark.height), _TRANSPARENT)
        for x in range(0, frame.width, across):
            row.paste(mark, (x, 0))
        for y in range(0, frame.height, down):
            layer.paste(row, (0, y))
    else:
        name = action.get("g", "se")
        x, y = place(name, frame.size, mark.size)
        margin_x, margin_y = action.number("x", 10) or 0, action.number("y", 10) or 0
        x += margin_x if name in ("nw", "west", "sw") else -margin_x if name in ("ne", "east", "se") else 0
        y += margin_y if name in ("nw", "north", "ne") else -margin_y if name in ("sw", "south", "se") else 0
        if name in ("west", "center", "east"):
            y += action.number("voffset") or 0
        layer.paste(mark, (x, y))
    stamped = Image.alpha_composite(frame.convert("RGBA"), layer)
    return stamped.convert(frame.mode)
