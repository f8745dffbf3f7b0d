"""Pictures: processed as asked, in both grammars, or refused."""

from __future__ import annotations

import contextlib
import struct
import subprocess
import sys
from base64 import urlsafe_b64encode
from io import BytesIO
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import example, given, settings, strategies as st
from PIL import Image

from ossmount.server.pictures import render
from ossmount.wire.errors import ServiceError
from ossmount.wire.images import parse_process

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from ossmount.server.threaded import ThreadedServer

    Refused = Callable[[httpx.Response], tuple[int, str]]

WIDTH, HEIGHT = 80, 40


def picture(kind: str = "PNG", mode: str = "RGB", **options: Any) -> bytes:
    """Make a picture that is red on the left and blue on the right."""
    image = Image.new(mode, (WIDTH, HEIGHT), "red")
    image.paste("blue", (WIDTH // 2, 0, WIDTH, HEIGHT))
    target = BytesIO()
    image.save(target, kind, **options)
    return target.getvalue()


@pytest.fixture
def show(turned: httpx.Client) -> Callable[..., Image.Image]:
    """Store a picture and return it processed."""

    def processed(process: str, data: bytes = b"", key: str = "p.png") -> Image.Image:
        turned.put(f"/bucket/{key}", content=data or picture())
        answer = turned.get(f"/bucket/{key}", params={"x-oss-process": process})
        assert answer.status_code == 200, answer.text
        image = Image.open(BytesIO(answer.content))
        image.load()
        return image

    return processed


@pytest.mark.parametrize(
    ("process", "size"),
    [
        ("resize,w_40", (40, 20)),
        ("resize,h_10", (20, 10)),
        ("resize,w_40,h_40", (40, 20)),
        ("resize,m_mfit,w_20,h_20", (40, 20)),
        ("resize,m_fill,w_20,h_20", (20, 20)),
        ("resize,m_fill,w_20", (20, 20)),
        ("resize,m_pad,w_30,h_40,limit_0", (30, 40)),
        ("resize,m_fixed,w_10,h_30", (10, 30)),
        ("resize,m_fixed,w_10", (10, 5)),
        ("resize,l_40", (40, 20)),
        ("resize,s_20", (40, 20)),
        ("resize,p_50", (40, 20)),
        ("resize,p_200", (80, 40)),
        ("resize,p_200,limit_0", (160, 80)),
        ("resize,w_160", (80, 40)),
        ("resize,w_160,limit_0", (160, 80)),
        ("resize,w_7,h_7", (7, 4)),
        ("crop,w_10,h_10", (10, 10)),
        ("crop,x_70,y_30,w_50,h_50", (10, 10)),
        ("crop,g_se,w_10,h_10", (10, 10)),
        ("crop,w_0,h_5", (80, 5)),
        ("indexcrop,x_30,i_2", (20, 40)),
        ("indexcrop,y_30,i_1", (80, 10)),
        ("indexcrop,x_30,i_9", (80, 40)),
        ("rotate,90", (40, 80)),
        ("rotate,180", (80, 40)),
        ("crop,w_10,h_10,p_200", (20, 20)),
        ("circle,r_10", (21, 21)),
        ("circle,r_4000", (39, 39)),
        ("rounded-corners,r_10", (80, 40)),
        ("resize,w_40/rotate,90/crop,h_10", (20, 10)),
        ("blur,r_3,s_2", (80, 40)),
        ("bright,50", (80, 40)),
        ("contrast,-50", (80, 40)),
        ("sharpen,100", (80, 40)),
        ("auto-orient,1", (80, 40)),
    ],
)
def test_an_action_gives_a_picture_of_this_size(
    show: Callable[..., Image.Image], process: str, size: tuple[int, int]
) -> None:
    assert show(f"image/{process}").size == size


def test_actions_do_what_they_say(show: Callable[..., Image.Image]) -> None:
    red, blue = (255, 0, 0), (0, 0, 255)
    assert show("image/crop,g_nw,w_10,h_10").getpixel((0, 0)) == red
    assert show("image/crop,g_east,w_10,h_10").getpixel((0, 0)) == blue
    assert show("image/rotate,90").getpixel((20, 0)) == red
    assert show("image/rotate,180").getpixel((0, 0)) == blue
    assert show("image/resize,m_pad,w_40,h_40,color_00FF00").getpixel((20, 0)) == (0, 255, 0)
    assert show("image/bright,-100").getpixel((0, 0)) == (0, 0, 0)
    assert show("image/circle,r_20").getchannel("A").getpixel((0, 0)) == 0
    assert show("image/rounded-corners,r_10").getpixel((40, 20)) == (*blue, 255)
    corner = show("image/rounded-corners,r_10/format,jpg").getpixel((0, 0))
    assert isinstance(corner, tuple)
    assert min(corner) > 240
    assert show("image/blur,r_9,s_9").getpixel((40, 20)) not in (red, blue)


@pytest.mark.parametrize(
    ("name", "kind", "content_type"),
    [
        ("jpg", "JPEG", "image/jpg"),
        ("png", "PNG", "image/png"),
        ("webp", "WEBP", "image/webp"),
        ("bmp", "BMP", "image/bmp"),
        ("gif", "GIF", "image/gif"),
        ("tiff", "TIFF", "image/tiff"),
    ],
)
def test_a_picture_becomes_one_of_another_format(turned: httpx.Client, name: str, kind: str, content_type: str) -> None:
    turned.put("/bucket/p", content=picture(mode="RGBA"))

    answer = turned.get(f"/bucket/p?x-oss-process=image/format,{name}")

    assert Image.open(BytesIO(answer.content)).format == kind
    assert answer.headers["content-type"] == content_type
    assert answer.headers["content-length"] == str(len(answer.content))
    again = turned.get(
        f"/bucket/p?x-oss-process=image/format,{name}", headers={"if-none-match": answer.headers["etag"]}
    )
    assert again.status_code == 304


def test_quality_makes_jpegs_smaller_and_interlace_progressive(turned: httpx.Client) -> None:
    noise = Image.effect_noise((100, 100), 80)
    target = BytesIO()
    noise.save(target, "JPEG", quality=90)
    turned.put("/bucket/p", content=target.getvalue())

    sizes = [
        len(turned.get(f"/bucket/p?x-oss-process=image/quality,{how}").content)
        for how in ("Q_90", "q_80", "Q_30", "q_10")
    ]
    assert sizes == sorted(sizes, reverse=True)
    progressive = turned.get("/bucket/p?x-oss-process=image/interlace,1").content
    assert Image.open(BytesIO(progressive)).info["progressive"]


def test_a_moving_picture_keeps_moving(show: Callable[..., Image.Image]) -> None:
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "green", "blue")]
    target = BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:], duration=50)

    assert getattr(show("image/resize,w_20", target.getvalue()), "n_frames", 1) == 3
    assert getattr(show("image/resize,p_50", target.getvalue()), "n_frames", 1) == 1
    assert show("image/resize,w_80,limit_0", target.getvalue()).size == (40, 40)
    assert getattr(show("image/resize,w_20/format,png", target.getvalue()), "n_frames", 1) == 1


def test_a_text_is_written_onto_the_picture(show: Callable[..., Image.Image]) -> None:
    text = urlsafe_b64encode(b"oss").decode()
    data = picture()
    plain = show("image/resize,p_100", data).tobytes()
    seen = {
        show(f"image/watermark,text_{text},size_12,color_FFFFFF{more}", data).tobytes()
        for more in ("", ",g_nw", ",g_center,voffset_5", ",t_50", ",rotate_45", ",shadow_50", ",fill_1,padx_3")
    }

    assert len(seen) == 7
    assert plain not in seen


def test_a_picture_is_turned_as_its_camera_was_held(show: Callable[..., Image.Image], turned: httpx.Client) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    exif[0x010F] = "Maker"
    data = picture("JPEG", exif=exif)

    assert show("image/auto-orient,1", data).size == (40, 80)
    assert show("image/auto-orient,0", data).size == (80, 40)
    assert show("image/resize,w_40", data).getexif()[0x0112] == 6
    info = turned.get("/bucket/p.png?x-oss-process=image/info").json()
    assert (info["Orientation"], info["Make"]) == ({"value": "6"}, {"value": "Maker"})


def test_a_picture_tells_about_itself(turned: httpx.Client) -> None:
    turned.put("/bucket/p", content=picture())

    answer = turned.get("/bucket/p?x-oss-process=image/info")
    assert answer.headers["content-type"] == "application/json"
    told = {name: entry["value"] for name, entry in answer.json().items()}
    assert told == {
        "FileSize": str(len(picture())),
        "Format": "png",
        "FrameCount": "1",
        "ImageHeight": "40",
        "ImageWidth": "80",
    }
    smaller = turned.get("/bucket/p?x-oss-process=image/resize,w_40/info").json()
    assert smaller["ImageWidth"] == {"value": "40"}
    assert turned.get("/bucket/p?x-oss-process=image/average-hue").json() == {"RGB": "0x800080"}


def test_styles_stand_for_processes_in_either_grammar(turned: httpx.Client, refused: Refused) -> None:
    turned.put("/bucket/p", content=picture())
    for name, content in (("new", "image/resize,p_50"), ("old", "20w.png"), ("nested", "!new"), ("bad", "nonsense")):
        turned.put(f"/bucket/?style&styleName={name}", content=f"<Style><Content>{content}</Content></Style>")

    def shown(name: str) -> httpx.Response:
        return turned.get(f"/bucket/p?x-oss-process=style/{name}")

    assert Image.open(BytesIO(shown("new").content)).size == (40, 20)
    assert Image.open(BytesIO(shown("old").content)).size == (20, 10)
    assert refused(shown("missing")) == (404, "NoSuchStyle")
    assert refused(shown("nested")) == (400, "InvalidArgument")


@pytest.mark.parametrize(
    ("process", "status", "code"),
    [
        ("image/nothing", 400, "InvalidArgument"),
        ("video/snapshot", 400, "InvalidArgument"),
        ("image/resize,w_0", 400, "InvalidArgument"),
        ("image/resize,m_lfit", 400, "InvalidArgument"),
        ("image/blur,r_3", 400, "InvalidArgument"),
        ("image/quality", 400, "InvalidArgument"),
        ("image/indexcrop,i_1", 400, "InvalidArgument"),
        ("image/crop,x_100,y_0", 400, "BadRequest"),
        ("image/format,heic", 400, "BadRequest"),
        ("image/resize,w_16384,limit_0", 400, "ImageTooLarge"),
        ("image/resize,m_fixed,w_16384,h_4,limit_0/format,webp", 400, "BadRequest"),
        ("image/watermark,text_-", 400, "WatermarkError"),
        ("image/watermark,type_eA", 400, "WatermarkError"),
        ("image/watermark,image_eA", 400, "NotImplemented"),
    ],
)
def test_processes_that_are_refused(
    turned: httpx.Client, refused: Refused, process: str, status: int, code: str
) -> None:
    turned.put("/bucket/p", content=picture())

    assert refused(turned.get("/bucket/p", params={"x-oss-process": process})) == (status, code)


def test_what_is_no_picture_is_refused(turned: httpx.Client, refused: Refused) -> None:
    noise = BytesIO()
    Image.effect_noise((200, 200), 80).save(noise, "JPEG")
    for data, status, code in (
        (b"text", 400, "BadRequest"),
        (b"", 400, "BadRequest"),
        (noise.getvalue()[:2000], 403, "ImageDamage"),
        (picture() + bytes(20 * 1024 * 1024), 400, "ImageTooLarge"),
    ):
        turned.put("/bucket/p", content=data)
        assert refused(turned.get("/bucket/p?x-oss-process=image/resize,p_50")) == (status, code)
    assert refused(turned.get("/bucket/missing?x-oss-process=image/info")) == (404, "NoSuchKey")


@settings(max_examples=300, deadline=None, derandomize=True, database=None)
@given(
    st.sampled_from([picture(kind) for kind in ("PNG", "JPEG", "GIF", "WEBP", "TIFF", "BMP")]),
    st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), max_size=8),
    st.sampled_from(["info", "resize,w_20", "average-hue", "format,png"]),
)
# A second frame begins, and nothing follows.
@example(picture("GIF")[:-1] + b",", [], "resize,w_20")
def test_a_broken_picture_is_the_fault_of_the_picture(data: bytes, damage: list[tuple[int, int]], process: str) -> None:
    broken = bytearray(data)
    for place, value in damage:
        broken[place % len(broken)] = value
    with contextlib.suppress(ServiceError):
        render(bytes(broken), [parse_process(f"image/{process}")])


def test_limits_count_the_pixels_of_all_frames(turned: httpx.Client, refused: Refused) -> None:
    frames = [Image.new("RGB", (10, 10), color) for color in ("red", "lime", "blue", "white") * 2]
    target = BytesIO()
    frames[0].save(target, "GIF", save_all=True, append_images=frames[1:])
    # The screen that the frames are drawn on is that large.
    turned.put("/bucket/p", content=b"GIF89a" + struct.pack("<HH", 6000, 6000) + target.getvalue()[10:])

    assert refused(turned.get("/bucket/p?x-oss-process=image/resize,w_20")) == (400, "ImageTooLarge")
    assert turned.get("/bucket/p?x-oss-process=image/info").json()["FrameCount"] == {"value": "8"}


def test_what_lies_outside_of_a_circle_is_clear_where_the_format_can_say_so(show: Callable[..., Image.Image]) -> None:
    for kind in ("png", "webp"):
        assert show(f"image/circle,r_20/format,{kind}").getchannel("A").getpixel((0, 0)) == 0
    for kind in ("jpg", "bmp"):
        assert show(f"image/circle,r_20/format,{kind}").convert("L").getpixel((0, 0)) > 240  # type: ignore[operator]


def test_an_image_host_takes_the_old_grammar(turned: httpx.Client, anybody: httpx.Client, refused: Refused) -> None:
    turned.put("/bucket/?acl", headers={"x-oss-acl": "public-read"})
    turned.put("/bucket/dir/p.png", content=picture())
    turned.put("/bucket/a@b", content=b"plain")
    turned.put("/bucket/?style&styleName=s", content="<Style><Content>image/resize,p_50</Content></Style>")

    def get(name: str, host: str = "bucket.img-cn-hangzhou.aliyuncs.com") -> httpx.Response:
        return anybody.get(f"/{name}", headers={"host": host})

    shown = get("dir/p.png@40w_40h")
    assert shown.headers["content-type"] == "image/jpg"
    assert Image.open(BytesIO(shown.content)).size == (40, 20)
    assert Image.open(BytesIO(get("dir/p.png@160w.png").content)).size == (160, 80)
    assert Image.open(BytesIO(get("dir/p.png@160w_1l.png").content)).size == (80, 40)
    assert Image.open(BytesIO(get("dir/p.png@40w|10x10-5rc.png").content)).size == (10, 10)
    for name in ("dir/p.png@!s", "dir/p.png@s"):
        assert Image.open(BytesIO(get(name).content)).size == (40, 20)
    text = urlsafe_b64encode(b"oss").decode()
    marked = Image.open(BytesIO(get(f"dir/p.png@watermark=2&text={text}&color=I0ZGRkZGRg&size=20&p=5").content))
    assert marked.size == (80, 40)
    assert marked.convert("L").getextrema()[1] == 255
    assert get("dir/p.png@infoexif").json()["Format"] == {"value": "png"}
    assert get("dir/p.png@imageAve").json()["RGB"].startswith("0x")
    exif = get("dir/p.png@exif")
    assert refused(exif) == (400, "BadRequest")
    assert "Image has no exif info." in exif.text
    assert get("a@b").content == b"plain"
    assert get("dir/p.png").content == picture()
    assert refused(get("missing@40w")) == (404, "NoSuchKey")
    assert refused(get("dir/p.png@99999w")) == (400, "InvalidArgument")
    for host in ("img.localhost", "img-cn-hangzhou.aliyuncs.com:80", "pictures.test"):
        assert get("bucket/dir/p.png@40w", host).headers["content-type"] == "image/jpg"
    assert get("bucket.img.localhost/x", "bucket.img.localhost").status_code == 404
    assert get("dir/p.png@40w", "bound.test:80").headers["content-type"] == "image/jpg"
    # Elsewhere it is a key like any other.
    assert refused(anybody.get("/bucket/dir/p.png@40w")) == (404, "NoSuchKey")


def test_what_becomes_of_a_picture_is_kept(
    turned: httpx.Client, anybody: httpx.Client, refused: Refused, turned_server: ThreadedServer
) -> None:
    turned_server.store.put_bucket("other")
    turned.put("/bucket/p.png", content=picture())
    turned.put("/bucket/?style&styleName=s", content="<Style><Content>image/resize,p_25</Content></Style>")

    def save(body: str, client: httpx.Client = turned) -> httpx.Response:
        return client.post("/bucket/p.png?x-oss-process", content=body)

    def named(key: str) -> str:
        return urlsafe_b64encode(key.encode()).decode()

    half = "x-oss-process=image/resize,p_50/format,jpg|sys/saveas"
    answer = save(f"{half},o_{named('ü/half.jpg')}")
    kept = turned.get("/bucket/ü/half.jpg")
    assert answer.json() == {"bucket": "", "object": "ü/half.jpg", "fileSize": len(kept.content), "status": "OK"}
    assert kept.headers["content-type"] == "image/jpg"
    assert Image.open(BytesIO(kept.content)).size == (40, 20)
    save(f"x-oss-process=style/s|sys/saveas,b_{named('other')},o_{named('x').rstrip('=')}")
    assert Image.open(BytesIO(turned.get("/other/x").content)).size == (20, 10)
    for body, error in (
        ("", (400, "MissingArgument")),
        ("x-oss-process=image/resize,p_50", (400, "InvalidArgument")),
        (half, (400, "InvalidArgument")),
        (f"{half},o_é", (400, "InvalidArgument")),
        (f"{half},o_{named('/x')}", (400, "InvalidObjectName")),
        (f"{half},o_{named('x')},b_{named('nowhere')}", (404, "NoSuchBucket")),
        (f"x-oss-process=image/nothing|sys/saveas,o_{named('x')}", (400, "InvalidArgument")),
    ):
        assert refused(save(body)) == error
    assert refused(save(f"{half},o_{named('x')}", anybody)) == (403, "AccessDenied")
    selected = turned.post("/bucket/p.png?x-oss-process=csv/select", content="<SelectRequest/>")
    assert refused(selected) == (400, "NotImplemented")
    assert turned.head("/bucket/x").status_code == 404


def test_a_private_picture_stays_private_under_another_name(
    turned: httpx.Client, anybody: httpx.Client, refused: Refused
) -> None:
    turned.put("/bucket/?acl", headers={"x-oss-acl": "public-read"})
    turned.put("/bucket/p.png", content=picture(), headers={"x-oss-object-acl": "private"})

    assert refused(anybody.get("/p.png@40w", headers={"host": "bucket.img.localhost"})) == (403, "AccessDenied")
    assert turned.get("/bucket/p.png@40w", headers={"host": "pictures.test"}).status_code == 200


def test_nobody_loads_pillow_before_there_is_a_picture() -> None:
    code = "import sys, ossmount.server.asgi; print(any(name.partition('.')[0] == 'PIL' for name in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, check=True).stdout == b"False\n"
