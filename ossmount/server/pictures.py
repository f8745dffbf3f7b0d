"""Pictures, processed with Pillow: bytes and actions in, bytes out.  It runs in threads and knows nothing of buckets.

Whoever imports this module imports Pillow, which takes a while: only who needs a picture should.

Source: developer guide, "Image processing parameters", a page for each action.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from io import BytesIO
from typing import TYPE_CHECKING

from PIL import Image, ImageChops, ImageColor, ImageDraw, ImageEnhance, ImageFilter, ImageSequence

from ..wire.errors import BadRequest, ImageDamage, ImageTooLarge
from ..wire.properties import argument
from .exif import BROKEN, describe_exif
from .watermarks import draw_mark, place, stamp

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ..wire.images import Action, Process

# Of a source: each side and all pixels, those of all its frames; of a result likewise.
MAX_SIDE, MAX_PIXELS = 30_000, 250_000_000
MAX_TIFF_SIDE = 16_384
MAX_RESULT_SIDE, MAX_RESULT_PIXELS = 16_384, 16_777_216
# The limits above are checked instead, by an error and not a warning.
Image.MAX_IMAGE_PIXELS = None

_READABLE = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF", "AVIF")
_NAMES = {"JPEG": "jpg", "MPO": "jpg"}
_FORMATS = {"jpg": "JPEG", "jpeg": "JPEG", "png": "PNG", "webp": "WEBP", "bmp": "BMP", "gif": "GIF", "tiff": "TIFF"}
_TYPES = {"JPEG": "image/jpg"}
_MOVING = ("GIF", "WEBP")
_DEFAULT_QUALITY = 75
# Of a file of WebP.
_MAX_WEBP_SIDE = 16_383
# These make a picture smaller; whatever else is done is done with one that could be a result.
_SHRINKING = frozenset({"resize", "crop", "indexcrop"})


@dataclass(frozen=True, slots=True)
class Picture:
    """A result: a picture, or JSON about one."""

    body: bytes
    content_type: str


@dataclass(slots=True)
class _Work:
    """A picture under way: its frames, in RGB or RGBA, and how it is going to be written."""

    frames: list[Image.Image]
    format: str
    durations: list[int] = field(default_factory=list)
    exif: bytes = b""
    source_quality: int = _DEFAULT_QUALITY
    quality: int | None = None
    progressive: bool = False

    @property
    def size(self) -> tuple[int, int]:
        return self.frames[0].size


def render(data: bytes, steps: Sequence[Process]) -> Picture:
    """Carry *steps* out on the picture *data*, each on the result of the one before.

    Raises:
        BadRequest: it is no picture, or an action cannot be done with it.
        ImageDamage: it is broken.
        ImageTooLarge: it, or the result, has too many pixels.
        InvalidArgument, WatermarkError: an action will not do.
    """
    picture = Picture(data, "")
    for step in steps:
        picture = _render(picture.body, step)
    return picture


def _render(data: bytes, process: Process) -> Picture:
    if process.exif:
        said = describe_exif(_open(data), data)
        if len(said) <= 3:
            raise BadRequest("Image has no exif info.")
        return _told({name: {"value": value} for name, value in said.items()})
    work: _Work | None = None
    for action in process.actions:
        if action.name in ("info", "average-hue"):
            data = data if work is None else _write(work).body
            return _told(_info(data) if action.name == "info" else {"RGB": _average(data)})
        if work is None:
            work = _load(data)
        if action.name not in _SHRINKING:
            _check_result(*work.size)
        _ACTIONS[action.name](work, action)
        _check_result(*work.size)
    return _write(work or _load(data))


def _told(said: object) -> Picture:
    return Picture(json.dumps(said).encode(), "application/json")


def describe(data: bytes) -> dict[str, str]:
    """Return what there is to say about the picture *data*: size, format, frames and EXIF.

    Raises:
        BadRequest, ImageDamage, ImageTooLarge: as `render`.
    """
    image = _open(data)
    said = describe_exif(image, data)
    said["Format"] = _NAMES.get(image.format or "", (image.format or "").lower())
    try:
        said["FrameCount"] = str(getattr(image, "n_frames", 1))
    except BROKEN:
        raise ImageDamage from None
    return dict(sorted(said.items()))


def _info(data: bytes) -> dict[str, dict[str, str]]:
    return {name: {"value": value} for name, value in describe(data).items()}


def _average(data: bytes) -> str:
    work = _load(data)
    red, green, blue = _channels(_flat(work.frames[0]).resize((1, 1), Image.Resampling.BOX))
    return f"0x{red:02x}{green:02x}{blue:02x}"


def _channels(image: Image.Image) -> tuple[int, int, int]:
    pixel = image.getpixel((0, 0))
    assert isinstance(pixel, tuple)
    return int(pixel[0]), int(pixel[1]), int(pixel[2])


# Reading


def _open(data: bytes) -> Image.Image:
    try:
        image = Image.open(BytesIO(data), formats=_READABLE)
    except BROKEN:
        raise BadRequest("This image format is not supported.") from None
    _check_source(image, 1)
    return image


def _check_source(image: Image.Image, frames: int) -> None:
    largest = MAX_TIFF_SIDE if image.format == "TIFF" else MAX_SIDE
    if max(image.size) > largest or image.width * image.height * frames > MAX_PIXELS:
        times = f" in {frames} frames" if frames > 1 else ""
        raise ImageTooLarge(
            f"The image of {image.width} x {image.height} pixels{times} is too large.", ec="0040-00000009"
        )


def _load(data: bytes) -> _Work:
    image = _open(data)
    frames, durations = [], []
    try:
        if image.format in _MOVING:
            _check_source(image, getattr(image, "n_frames", 1))
        for frame in ImageSequence.Iterator(image):
            frames.append(_plain(frame))
            durations.append(int(frame.info.get("duration", 100)))
            if image.format not in _MOVING:
                break
        exif = image.getexif().tobytes() if image.getexif() else b""
    except BROKEN:
        raise ImageDamage from None
    tables: dict[int, list[int]] = getattr(image, "quantization", None) or {}
    return _Work(
        frames=frames,
        format=_NAMES.get(image.format or "", (image.format or "").lower()),
        durations=durations,
        exif=exif,
        source_quality=_quality_of(tables),
    )


def _plain(image: Image.Image) -> Image.Image:
    clear = image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info
    return image.convert("RGBA" if clear else "RGB")


def _quality_of(tables: dict[int, list[int]]) -> int:
    """Guess how well a JPEG was kept, from its coarsest step: the standard table has 16 there at 50."""
    if not tables or not tables.get(0):
        return _DEFAULT_QUALITY
    scale = tables[0][0] * 100 / 16
    return round(min(max(5000 / scale if scale > 100 else (200 - scale) / 2, 1), 100))


# Writing


def _write(work: _Work) -> Picture:
    kind = _FORMATS.get(work.format)
    if kind is None:
        raise BadRequest(f"The format {work.format} is not supported here.")
    frames = work.frames
    options: dict[str, object] = {}
    quality = work.quality
    # There are files of BMP with transparency, but few read it.
    if kind in ("JPEG", "BMP"):
        frames = [_flat(frames[0])]
    if kind == "WEBP" and max(work.size) > _MAX_WEBP_SIDE:
        raise BadRequest(f"Maximum width and height allowed is {_MAX_WEBP_SIDE} pixels for converting webp")
    if kind in ("JPEG", "WEBP"):
        options["quality"] = quality or (work.source_quality if kind == "JPEG" else 80)
        if work.exif:
            options["exif"] = work.exif
    if kind == "JPEG":
        options["progressive"] = work.progressive
    if kind in _MOVING and len(frames) > 1:
        options |= {"save_all": True, "append_images": frames[1:], "duration": work.durations, "loop": 0}
    target = BytesIO()
    frames[0].save(target, kind, **options)
    return Picture(target.getvalue(), _TYPES.get(kind, f"image/{kind.lower()}"))


def _flat(image: Image.Image) -> Image.Image:
    """Put a picture with transparency onto white."""
    if image.mode == "RGB":
        return image
    ground = Image.new("RGB", image.size, "white")
    ground.paste(image, mask=image.getchannel("A"))
    return ground


def _check_result(width: int, height: int) -> None:
    if max(width, height) > MAX_RESULT_SIDE or width * height > MAX_RESULT_PIXELS:
        raise ImageTooLarge(f"The result of {width} x {height} pixels is too large.", ec="0040-00000007")


def _each(work: _Work, change: Callable[[Image.Image], Image.Image]) -> None:
    work.frames = [change(frame) for frame in work.frames]


# Sizes


def _resize(work: _Work, action: Action) -> None:
    width, height = work.size
    mode = action.get("m", "lfit")
    wide, high = action.number("w"), action.number("h")
    percent = action.number("p")
    if percent is not None and not (wide or high):
        scale = percent / 100
        target = _scaled(width, height, scale)
        # By percentage a moving GIF stands still.
        if work.format == "gif":
            work.frames = work.frames[:1]
    elif wide or high:
        if mode in ("fill", "pad"):
            wide, high = wide or high, high or wide
        ratios = [side / own for side, own in ((wide, width), (high, height)) if side]
        scale = max(ratios) if mode in ("mfit", "fill") or (mode == "fixed" and wide and high) else min(ratios)
        exact = mode == "fixed" and wide and high
        target = (wide or 1, high or 1) if exact else _fitted(width, height, scale, wide, high)
    else:
        longer, shorter = action.number("l"), action.number("s")
        ratios = [side / own for side, own in ((longer, max(width, height)), (shorter, min(width, height))) if side]
        if not ratios:
            raise argument("resize needs one of w, h, l, s and p.", "resize", str(action))
        scale = max(ratios) if mode in ("mfit", "fill") else min(ratios)
        target = _scaled(width, height, scale)
    # A GIF is never enlarged.
    if scale > 1 and (action.get("limit", "1") == "1" or work.format == "gif"):
        return
    _check_result(*target)
    _each(work, lambda frame: frame.resize(target, Image.Resampling.LANCZOS))
    if mode == "fill" and wide and high:
        left, top = (target[0] - wide) // 2, (target[1] - high) // 2
        _each(work, lambda frame: frame.crop((left, top, left + wide, top + high)))
    elif mode == "pad" and wide and high:
        _check_result(wide, high)
        color = ImageColor.getrgb(f"#{action.get('color', 'FFFFFF')}")
        _each(work, lambda frame: _padded(frame, wide, high, color))


def _scaled(width: int, height: int, scale: float) -> tuple[int, int]:
    return max(round(width * scale), 1), max(round(height * scale), 1)


def _fitted(width: int, height: int, scale: float, wide: int | None, high: int | None) -> tuple[int, int]:
    """Scale, but let the side that decides be exactly what was asked for."""
    new_width, new_height = _scaled(width, height, scale)
    if wide and scale == wide / width:
        new_width = wide
    if high and scale == high / height:
        new_height = high
    return new_width, new_height


def _padded(frame: Image.Image, wide: int, high: int, color: tuple[int, ...]) -> Image.Image:
    ground = Image.new("RGB", (wide, high), color[:3])
    place = (wide - frame.width) // 2, (high - frame.height) // 2
    ground.paste(frame, place, frame if frame.mode == "RGBA" else None)
    return ground


def _crop(work: _Work, action: Action) -> None:
    width, height = work.size
    x, y = action.number("x") or 0, action.number("y") or 0
    wide, high = action.number("w") or width, action.number("h") or height
    left, top = place(action.get("g", "nw"), (width, height), (min(wide, width), min(high, height)))
    left, top = left + x, top + y
    if left >= width or top >= height:
        raise BadRequest("Advance cut's position is out of image.")
    box = (left, top, min(left + wide, width), min(top + high, height))
    _each(work, lambda frame: frame.crop(box))
    if percent := action.number("p"):
        target = _scaled(*work.size, percent / 100)
        _check_result(*target)
        _each(work, lambda frame: frame.resize(target, Image.Resampling.LANCZOS))


def _index_crop(work: _Work, action: Action) -> None:
    width, height = work.size
    index = action.number("i") or 0
    if wide := action.number("x"):
        box = (wide * index, 0, min(wide * (index + 1), width), height)
    elif high := action.number("y"):
        box = (0, high * index, width, min(high * (index + 1), height))
    else:
        raise argument("indexcrop needs x or y.", "indexcrop", str(action))
    # A strip that is not there is the picture itself.
    if box[0] < width and box[1] < height:
        _each(work, lambda frame: frame.crop(box))


# Shapes


def _rotate(work: _Work, action: Action) -> None:
    angle = action.number() or 0
    if angle % 90:
        _each(work, lambda frame: frame.convert("RGBA").rotate(-angle, Image.Resampling.BICUBIC, expand=True))
    else:
        _each(work, lambda frame: frame.rotate(-angle, expand=True))


def _auto_orient(work: _Work, action: Action) -> None:
    if action.get() != "1" or not work.exif:
        return
    exif = Image.Exif()
    exif.load(work.exif)
    turned = {2: 0, 3: 3, 4: 1, 5: 5, 6: 4, 7: 6, 8: 2}.get(exif.get(0x0112, 1))
    if turned is not None:
        _each(work, lambda frame: frame.transpose(Image.Transpose(turned)))
    if 0x0112 in exif:
        del exif[0x0112]
    work.exif = exif.tobytes()


def _circle(work: _Work, action: Action) -> None:
    width, height = work.size
    # The pixel in the middle belongs to no radius.
    radius = min(action.number("r") or 1, (min(width, height) - 1) // 2)
    side = 2 * radius + 1
    left, top = (width - side) // 2, (height - side) // 2
    box = (left, top, left + side, top + side)
    _each(work, lambda frame: _masked(frame.crop(box), side / 2))


def _rounded_corners(work: _Work, action: Action) -> None:
    radius = min(action.number("r") or 1, min(work.size) // 2)
    _each(work, lambda frame: _masked(frame, radius))


def _masked(frame: Image.Image, radius: float) -> Image.Image:
    """Make what lies outside of rounded corners transparent."""
    # Drawn larger and shrunk, the edge is smooth.
    size = frame.width * 2, frame.height * 2
    mask = Image.new("L", size)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, size[0] - 1, size[1] - 1), radius * 2, fill=255)
    mask = mask.resize(frame.size, Image.Resampling.BOX)
    shaped = frame.convert("RGBA")
    shaped.putalpha(ImageChops.multiply(shaped.getchannel("A"), mask))
    return shaped


# Looks


def _blur(work: _Work, action: Action) -> None:
    radius, sigma = action.number("r"), action.number("s")
    if radius is None or sigma is None:
        raise argument("blur needs r and s.", "blur", str(action))
    _each(work, lambda frame: frame.filter(ImageFilter.GaussianBlur(min(radius, sigma))))


def _sharpen(work: _Work, action: Action) -> None:
    _each(work, lambda frame: frame.filter(ImageFilter.UnsharpMask(2, action.number() or 50, 0)))


def _bright(work: _Work, action: Action) -> None:
    factor = 1 + (action.number() or 0) / 100
    _each(work, lambda frame: ImageEnhance.Brightness(frame).enhance(factor))


def _contrast(work: _Work, action: Action) -> None:
    factor = 1 + (action.number() or 0) / 100
    _each(work, lambda frame: ImageEnhance.Contrast(frame).enhance(factor))


# Files


def _quality(work: _Work, action: Action) -> None:
    absolute, relative = action.number("Q"), action.number("q")
    if absolute is not None:
        work.quality = absolute
    elif relative is not None:
        work.quality = max(work.source_quality * relative // 100, 1)
    else:
        raise argument("quality needs q or Q.", "quality", str(action))


def _format(work: _Work, action: Action) -> None:
    work.format = {"jpeg": "jpg"}.get(action.get(), action.get())


def _interlace(work: _Work, action: Action) -> None:
    work.progressive = action.get() == "1"


def _watermark(work: _Work, action: Action) -> None:
    mark = draw_mark(action)
    _each(work, lambda frame: stamp(frame, mark, action))


_ACTIONS: dict[str, Callable[[_Work, Action], None]] = {
    "resize": _resize,
    "crop": _crop,
    "indexcrop": _index_crop,
    "rotate": _rotate,
    "auto-orient": _auto_orient,
    "circle": _circle,
    "rounded-corners": _rounded_corners,
    "blur": _blur,
    "sharpen": _sharpen,
    "bright": _bright,
    "contrast": _contrast,
    "quality": _quality,
    "format": _format,
    "interlace": _interlace,
    "watermark": _watermark,
}
