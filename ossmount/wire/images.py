"""What is done to a picture on its way out: both grammars of the image service, read and written.

    new   ``image/resize,w_200,h_100/rotate,90/format,png``, ``style/NAME``, as the parameter ``x-oss-process``
    old   ``photo.jpg@200w_100h_90r.png``, ``@!NAME``, ``@exif``, ``@infoexif``, ``@watermark=2&text=...``, with ``|``
          between steps

Both give a `Process`, a list of actions in the terms of the new grammar, so that whoever carries them out needs to know
but one.  Values are checked against the service's ranges.

Source: developer guide, "Image processing parameters"; of the old grammar, "Image service, operators".
"""

from __future__ import annotations

import json
import re
from base64 import urlsafe_b64decode
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

# At most so many steps between pipes in the old grammar.
MAX_PIPES = 4
MAX_SIDE = 16_384
# Of a picture that is to be processed, in bytes.
MAX_SOURCE = 20 * 1024 * 1024

FORMATS = ("jpg", "jpeg", "png", "webp", "bmp", "gif", "tiff", "heic", "avif")
MODES = ("lfit", "mfit", "fill", "pad", "fixed")
POSITIONS = ("nw", "north", "ne", "west", "center", "east", "sw", "south", "se")

_FLAG = (0, 1)
_COLOR = re.compile(r"[0-9A-Fa-f]{6}")
_BASE64 = re.compile(r"[A-Za-z0-9_-]+={0,2}")
_KEYED = re.compile(r"([A-Za-z]+)_(.*)", re.DOTALL)
_INTEGER = re.compile(r"-?\d{1,9}", re.ASCII)

# For each action its parameters ("" is the one without a name): a range, choices or a pattern.
_Rule = tuple[int, int] | tuple[str, ...] | re.Pattern[str]
_SIDE: _Rule = (1, MAX_SIDE)
_ACTIONS: dict[str, dict[str, _Rule]] = {
    "resize": {
        **dict.fromkeys(("w", "h", "l", "s"), _SIDE),
        "m": MODES,
        "limit": _FLAG,
        "color": _COLOR,
        "p": (1, 1000),
    },
    "crop": {"w": (0, MAX_SIDE), "h": (0, MAX_SIDE), "x": (0, 30_000), "y": (0, 30_000), "g": POSITIONS, "p": (1, 200)},
    "indexcrop": {"x": _SIDE, "y": _SIDE, "i": (0, MAX_SIDE)},
    "rotate": {"": (0, 360)},
    "circle": {"r": (1, 4096)},
    "rounded-corners": {"r": (1, 4096)},
    "auto-orient": {"": _FLAG},
    "blur": {"r": (1, 50), "s": (1, 50)},
    "bright": {"": (-100, 100)},
    "contrast": {"": (-100, 100)},
    "sharpen": {"": (50, 399)},
    "interlace": {"": _FLAG},
    "quality": {"q": (1, 100), "Q": (1, 100)},
    "format": {"": FORMATS},
    "watermark": {
        **dict.fromkeys(("text", "image", "type"), _BASE64),
        **dict.fromkeys(("x", "y"), (0, 4096)),
        "t": (0, 100),
        "g": POSITIONS,
        "voffset": (-1000, 1000),
        "color": _COLOR,
        "size": (1, 1000),
        "shadow": (0, 100),
        "rotate": (0, 360),
        "fill": _FLAG,
        "order": _FLAG,
        "align": (0, 2),
        "interval": (0, 1000),
        "padx": (0, 4096),
        "pady": (0, 4096),
        "P": (1, 100),
    },
    "average-hue": {},
    "info": {},
}


@dataclass(frozen=True, slots=True)
class Action:
    """One step, such as ``resize,w_200``: parameters by name, the nameless one by ``""``."""

    name: str
    parameters: tuple[tuple[str, str], ...] = ()

    def get(self, name: str = "", default: str = "") -> str:
        """Return a parameter; of one that is given twice, the last."""
        return dict(self.parameters).get(name, default)

    def number(self, name: str = "", default: int | None = None) -> int | None:
        """Return a parameter that is a number, or *default*."""
        text = self.get(name)
        return int(text) if text else default

    def __str__(self) -> str:
        """Write it in the new grammar."""
        return ",".join([self.name, *(f"{name}_{value}" if name else value for name, value in self.parameters)])


def action(name: str, value: object = "", **parameters: object) -> Action:
    """Make an action: ``action("resize", w=200)``, ``action("rotate", 90)``.

    Raises:
        ValueError: the service does not know it, or not with these values.
    """
    pairs = [("", str(value))] if value != "" else []
    made = Action(name, (*pairs, *((key, str(each)) for key, each in parameters.items())))
    check_action(made)
    return made


@dataclass(frozen=True, slots=True)
class Process:
    """What is done to a picture: a *style*, or actions one after the other.

    *exif* is the old service's question for EXIF data alone, which the new one has no word for.
    """

    actions: tuple[Action, ...] = ()
    style: str = ""
    exif: bool = False

    @property
    def is_question(self) -> bool:
        """Whether the answer is JSON about the picture, and not a picture."""
        return self.exif or any(each.name in ("info", "average-hue") for each in self.actions)

    def __str__(self) -> str:
        """Write it in the new grammar."""
        if self.style:
            return f"style/{self.style}"
        return "/".join(["image", *map(str, self.actions)])


def check_action(action: Action) -> None:
    """Return if the service would take *action*.

    Raises:
        ValueError: it would not; the message tells the limits.
    """
    rules = _ACTIONS.get(action.name)
    if rules is None:
        raise ValueError(f"no such image action: {action.name!r}")
    for name, value in action.parameters:
        if name not in rules:
            raise ValueError(f"{action.name} has no parameter {name or value!r}")
        rule = rules[name]
        what = f"{action.name} {name}".strip()
        if isinstance(rule, re.Pattern):
            if not rule.fullmatch(value):
                raise ValueError(f"{what}: not possible: {value!r}")
        elif isinstance(rule[0], str):
            if value not in rule:
                raise ValueError(f"{what} must be one of {', '.join(map(str, rule))}, not {value!r}")
        elif not _INTEGER.fullmatch(value) or not int(rule[0]) <= int(value) <= int(rule[1]):
            raise ValueError(f"{what} must be a number from {rule[0]} to {rule[1]}, not {value!r}")
    if "" in rules and not action.get():
        raise ValueError(f"{action.name} needs a value")


# The new grammar


def parse_process(text: str) -> Process:
    """Read the value of ``x-oss-process``.

    Raises:
        ValueError: it is none; the message says why.
    """
    kind, _, rest = text.partition("/")
    if kind == "style" and rest:
        return Process(style=rest)
    if kind != "image" or not rest:
        raise ValueError(f"not an image process: {text!r} (image/... or style/...)")
    actions = []
    for step in rest.rstrip("/").split("/"):
        name, *parameters = step.split(",")
        pairs = []
        for parameter in parameters:
            match = _KEYED.fullmatch(parameter)
            pairs.append((match[1], match[2]) if match else ("", parameter))
        made = Action(name, tuple(pairs))
        check_action(made)
        actions.append(made)
    return Process(tuple(actions))


# The old grammar

_TOKEN = re.compile(r"(-?\d+(?:x\d+)?(?:-\d+)*)([A-Za-z]+)", re.ASCII)
_QUESTIONS = {
    "exif": Process(exif=True),
    "info": Process((Action("info"),)),
    "infoexif": Process((Action("info"),)),
    "imageAve": Process((Action("average-hue"),)),
}
_EDGES = {0: "lfit", 1: "mfit", 2: "fixed", 4: "pad"}
_SIMPLE = {"r": "rotate", "sh": "sharpen", "b": "bright", "d": "contrast", "i": "interlace", "pr": "interlace"}
_OLD = frozenset({"w", "h", "e", "c", "l", "p", "x", "q", "Q", "o", "a", "rc", "ci", "bgc", "bl", *_SIMPLE})


def split_name(name: str) -> tuple[str, str] | None:
    """Split ``KEY@OPERATORS`` at its last ``@``; None when nothing before or behind it can be meant."""
    key, at, suffix = name.rpartition("@")
    return (key, suffix) if at and key and suffix else None


def parse_suffix(text: str, *, bare_style: bool = False) -> list[Process]:
    """Read what is behind the ``@``: the steps one after the other; each gives the picture for the next.

    With *bare_style*, what is no operator is the name of a style, as old programs write it without ``!``.

    Raises:
        ValueError: it is none; the message says why.
    """
    steps = text.split("|")
    if len(steps) > MAX_PIPES:
        raise ValueError(f"{len(steps)} image operations, at most {MAX_PIPES} are possible")
    processes = []
    for step in steps:
        if step.startswith("!") and len(step) > 1:
            processes.append(Process(style=step[1:]))
        elif step in _QUESTIONS:
            processes.append(_QUESTIONS[step])
        elif step.startswith("watermark="):
            processes.append(_parse_watermark(step))
        else:
            try:
                processes.append(_parse_operators(step))
            except ValueError:
                if not bare_style or not step or _TOKEN.match(step):
                    raise
                processes.append(Process(style=step))
    return processes


def _parse_operators(step: str) -> Process:
    """Read ``200w_100h_90Q.png``; the order does not matter, and of two with one name the later counts."""
    text, dot, extension = step.rpartition(".")
    if not dot:
        text, extension = step, ""
    elif extension not in FORMATS:
        raise ValueError(f"not a picture's format: {extension!r}")
    values: dict[str, str] = {}
    for token in text.split("_") if text else ():
        match = _TOKEN.fullmatch(token)
        if match is None or match[2] not in _OLD:
            raise ValueError(f"not an image operator: {token!r}")
        values[match[2]] = match[1]
    if not values and not extension:
        raise ValueError("no image operator")
    actions = _translate(values)
    # What is not said to be anything else becomes a JPEG.
    actions.append(Action("format", (("", extension or "jpg"),)))
    for made in actions:
        check_action(made)
    return Process(tuple(actions))


# What the old grammar calls otherwise.
_WATERMARK = {"object": "image", "s": "shadow"}


def _parse_watermark(step: str) -> Process:
    """Read ``watermark=2&text=TEXT&size=20&p=9``: 1 is a picture (``object``), 2 a text, 3 both."""
    values = dict(pair.partition("=")[::2] for pair in step.split("&"))
    kind = values.pop("watermark")
    wanted = {"1": {"object"}, "2": {"text"}, "3": {"object", "text"}}.get(kind)
    if wanted is None:
        raise ValueError(f"watermark must be one of 1, 2, 3, not {kind!r}")
    if missing := sorted(wanted - {name for name, value in values.items() if value}):
        raise ValueError(f"watermark={kind} needs {' and '.join(missing)}")
    parameters = []
    for name, value in values.items():
        if name == "color":
            parameters.append((name, _decoded_color(value)))
        elif name == "p":
            if value not in ("1", "2", "3", "4", "5", "6", "7", "8", "9"):
                raise ValueError(f"watermark p must be a place from 1 to 9, not {value!r}")
            parameters.append(("g", POSITIONS[int(value) - 1]))
        else:
            parameters.append((_WATERMARK.get(name, name), value))
    made = Action("watermark", tuple(parameters))
    check_action(made)
    return Process((made,))


def _decoded_color(text: str) -> str:
    try:
        return urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode("ascii").removeprefix("#")
    except ValueError:
        raise ValueError(f"watermark color must be #RRGGBB in URL-safe base64, not {text!r}") from None


def _translate(values: Mapping[str, str]) -> list[Action]:
    actions: list[Action] = []
    orient = values.get("o", "0")
    if orient == "1":
        actions.append(Action("auto-orient", (("", "1"),)))
    if values.keys() & {"w", "h", "p"}:
        actions.append(_resize(values))
    if orient == "2":
        actions.append(Action("auto-orient", (("", "1"),)))
    if "a" in values:
        x, y, width, height = _numbers(values["a"], 4, "a")
        box = {"x": x, "y": y, "w": width, "h": height}
        # Zero means up to the edge.
        actions.append(Action("crop", tuple((name, str(each)) for name, each in box.items() if each or name in "xy")))
    if "rc" in values:
        actions.append(_region(values["rc"]))
    for name, each in _SIMPLE.items():
        if name in values:
            actions.append(Action(each, (("", values[name]),)))
    if "bl" in values:
        radius, sigma = _numbers(values["bl"], 2, "bl")
        actions.append(Action("blur", (("r", str(radius)), ("s", str(sigma)))))
    if "ci" in values:
        radius, kind = _numbers(values["ci"], 2, "ci")
        actions.append(Action("rounded-corners" if kind == 2 else "circle", (("r", str(radius)),)))
    actions += [Action("quality", ((name, values[name]),)) for name in ("q", "Q") if name in values]
    return actions


def _resize(values: Mapping[str, str]) -> Action:
    edge = int(values.get("e", "0"))
    if edge not in _EDGES:
        raise ValueError(f"e must be one of 0, 1, 2, 4, not {edge}")
    mode = "fill" if edge == 1 and values.get("c") == "1" else _EDGES[edge]
    factor = int(values.get("x", "1"))
    parameters = [("m", mode)]
    parameters += [(name, str(int(values[name]) * factor)) for name in ("w", "h") if name in values]
    if "p" in values:
        parameters.append(("p", str(int(values["p"]) * factor)))
    # Unlike the new grammar, the old one enlarges unless it is told not to.
    parameters.append(("limit", "1" if values.get("l") == "1" else "0"))
    if "bgc" in values:
        color = _numbers(values["bgc"], 3, "bgc")
        if max(color) > 255:
            raise ValueError(f"bgc: each of the 3 colours must be a number from 0 to 255, not {values['bgc']}")
        parameters.append(("color", "".join(f"{part:02X}" for part in color)))
    return Action("resize", tuple(parameters))


def _region(text: str) -> Action:
    size, _, place = text.partition("-")
    width, _, height = size.partition("x")
    if not place.isdigit() or not 1 <= int(place) <= len(POSITIONS) or not height:
        raise ValueError(f"rc: expected WIDTHxHEIGHT-PLACE with a place from 1 to 9, not {text!r}")
    return Action("crop", (("w", width), ("h", height), ("g", POSITIONS[int(place) - 1])))


def _numbers(text: str, count: int, name: str) -> list[int]:
    parts = text.split("-")
    if len(parts) != count or not all(part.isdigit() for part in parts):
        raise ValueError(f"{name}: expected {count} numbers with - between them, not {text!r}")
    return [int(part) for part in parts]


def write_suffix(
    operators: Mapping[str, object] | None = None, *, style: str = "", question: str = "", extension: str = ""
) -> str:
    """Write what goes behind the ``@``: ``write_suffix({"w": 200, "h": 100}, extension="png")``.

    *operators* are values by operator, *question* is ``exif``, ``info``, ``infoexif`` or ``imageAve``.

    Raises:
        ValueError: the service does not know it, or not with these values.
    """
    if style:
        text = f"!{style}"
    elif question:
        text = question
    else:
        text = "_".join(f"{value}{name}" for name, value in (operators or {}).items())
        text += f".{extension}" if extension else ""
    parse_suffix(text)
    return text


# What is told of a picture


def parse_info(body: bytes) -> dict[str, int | float | str]:
    """Read what ``image/info``, ``@exif`` and ``@infoexif`` tell: values by name, numbers as numbers.

    Raises:
        ValueError: it is something else.
    """
    said = json.loads(body)
    if not isinstance(said, dict):
        raise ValueError("not an object in JSON")
    return {
        str(name): _plain(entry["value"] if isinstance(entry, dict) and "value" in entry else entry)
        for name, entry in said.items()
    }


def _plain(value: object) -> int | float | str:
    text = str(value)
    if re.fullmatch(r"-?(0|[1-9]\d{0,17})", text, re.ASCII):
        return int(text)
    if re.fullmatch(r"-?\d{1,15}\.\d{1,15}", text, re.ASCII):
        return float(text)
    return text


def write_info(said: Mapping[str, object]) -> bytes:
    """Write what is told of a picture, each value as text in an object, as the service does."""
    return json.dumps({name: {"value": str(value)} for name, value in said.items()}).encode()
