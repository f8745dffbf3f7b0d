"""Both grammars of the image service."""

from __future__ import annotations

import pytest
from hypothesis import given, settings, strategies as st

from ossmount.wire import images
from ossmount.wire.images import Action, Process, action, parse_process, parse_suffix


@pytest.mark.parametrize(
    "text",
    [
        "image/resize,w_200",
        "image/resize,m_fill,w_200,h_100,limit_0/rotate,90/format,png",
        "image/crop,x_10,y_20,w_30,h_40,g_nw",
        "image/circle,r_100/rounded-corners,r_30/indexcrop,x_100,i_0",
        "image/auto-orient,1/blur,r_3,s_2/bright,-50/sharpen,100/contrast,-10/interlace,1",
        "image/quality,q_80/quality,Q_90",
        "image/watermark,text_SGVsbG8,color_FFFFFF,size_30,t_90,g_se,x_10,y_10,voffset_-10",
        "image/average-hue",
        "image/info",
        "style/my style/with,all_kinds",
    ],
)
def test_the_new_grammar_is_read_and_written(text: str) -> None:
    assert str(parse_process(text)) == text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "not an image process"),
        ("image", "not an image process"),
        ("image/", "not an image process"),
        ("style/", "not an image process"),
        ("video/info", "not an image process"),
        ("image/dance", "no such image action: 'dance'"),
        ("image/resize,w_0", "resize w must be a number from 1 to 16384"),
        ("image/resize,w_x", "from 1 to 16384"),
        ("image/resize,w_99999999999999", "from 1 to 16384"),
        ("image/resize,m_big", "resize m must be one of lfit"),
        ("image/resize,color_red", "resize color: not possible"),
        ("image/resize,z_1", "resize has no parameter 'z'"),
        ("image/rotate", "rotate needs a value"),
        ("image/rotate,361", "rotate must be a number from 0 to 360"),
        ("image/format,exe", "format must be one of jpg"),
        ("image/quality,90", "quality has no parameter '90'"),
    ],
)
def test_what_is_no_process_says_why(text: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        parse_process(text)


def test_actions_are_made_by_name() -> None:
    assert str(Process((action("resize", w=200, m="fill"), action("rotate", 90), action("info")))) == (
        "image/resize,w_200,m_fill/rotate,90/info"
    )
    assert action("resize", w=200).number("w") == 200
    assert action("resize", w=200).number("h", 7) == 7
    assert Action("resize", (("w", "1"), ("w", "2"))).get("w") == "2"
    with pytest.raises(ValueError, match="no such image action"):
        action("dance")


@pytest.mark.parametrize(
    ("suffix", "process"),
    [
        ("200w_200h", "image/resize,m_lfit,w_200,h_200,limit_0/format,jpg"),
        ("200w.png", "image/resize,m_lfit,w_200,limit_0/format,png"),
        (".webp", "image/format,webp"),
        ("100h_200w_1e", "image/resize,m_mfit,w_200,h_100,limit_0/format,jpg"),
        ("100h_200w_1e_1c", "image/resize,m_fill,w_200,h_100,limit_0/format,jpg"),
        ("100w_100h_2e_1l", "image/resize,m_fixed,w_100,h_100,limit_1/format,jpg"),
        ("100w_100h_4e_255-0-10bgc", "image/resize,m_pad,w_100,h_100,limit_0,color_FF000A/format,jpg"),
        ("50p", "image/resize,m_lfit,p_50,limit_0/format,jpg"),
        ("100w_2x", "image/resize,m_lfit,w_200,limit_0/format,jpg"),
        ("100w_200w", "image/resize,m_lfit,w_200,limit_0/format,jpg"),
        ("10-20-30-40a", "image/crop,x_10,y_20,w_30,h_40/format,jpg"),
        ("10-20-0-0a", "image/crop,x_10,y_20/format,jpg"),
        ("100x50-5rc", "image/crop,w_100,h_50,g_center/format,jpg"),
        ("100-1ci.png", "image/circle,r_100/format,png"),
        ("30-2ci", "image/rounded-corners,r_30/format,jpg"),
        ("3-2bl_90r_100sh_-50b_10d", "image/rotate,90/sharpen,100/bright,-50/contrast,10/blur,r_3,s_2/format,jpg"),
        ("90Q_1o_100w", "image/auto-orient,1/resize,m_lfit,w_100,limit_0/quality,Q_90/format,jpg"),
        ("2o_100w_80q", "image/resize,m_lfit,w_100,limit_0/auto-orient,1/quality,q_80/format,jpg"),
        (
            "0e_200w_200h_0c_0i_0o_90Q_1x.jpg",
            "image/resize,m_lfit,w_200,h_200,limit_0/interlace,0/quality,Q_90/format,jpg",
        ),
        ("!my-style", "style/my-style"),
        ("info", "image/info"),
        ("infoexif", "image/info"),
        ("imageAve", "image/average-hue"),
    ],
)
def test_the_old_grammar_means_the_same_in_the_new(suffix: str, process: str) -> None:
    assert [str(each) for each in parse_suffix(suffix)] == [process]


def test_steps_are_carried_out_one_after_the_other() -> None:
    first, second = parse_suffix("100w|90r")
    assert str(first) == "image/resize,m_lfit,w_100,limit_0/format,jpg"
    assert str(second) == "image/rotate,90/format,jpg"
    assert parse_suffix("exif") == [Process(exif=True)]
    with pytest.raises(ValueError, match="at most 4"):
        parse_suffix("1w|1w|1w|1w|1w")


@pytest.mark.parametrize(
    "suffix",
    [
        "",
        "!",
        "w",
        "200",
        "200w_",
        "200z",
        "0w",
        "3e_1w",
        "200w.exe",
        "300-0-0bgc_1w",
        "1-2a",
        "1rc",
        "5x5-0rc",
        "1ci",
        "example.com",
    ],
)
def test_what_is_no_operator_is_refused(suffix: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_suffix(suffix)


def test_a_bare_name_can_be_a_style_where_that_is_meant() -> None:
    assert parse_suffix("thumbnail", bare_style=True) == [Process(style="thumbnail")]
    for suffix in ("99999w", "200w.exe"):
        with pytest.raises(ValueError, match=r"."):
            parse_suffix(suffix, bare_style=True)


@pytest.mark.parametrize(
    ("name", "split"),
    [
        ("a/photo.jpg@200w", ("a/photo.jpg", "200w")),
        ("me@home.jpg@200w", ("me@home.jpg", "200w")),
        ("photo.jpg", None),
        ("photo.jpg@", None),
        ("@200w", None),
    ],
)
def test_a_name_is_split_at_its_last_at(name: str, split: tuple[str, str] | None) -> None:
    assert images.split_name(name) == split


def test_watermarks_of_old_become_those_of_today() -> None:
    (process,) = parse_suffix("watermark=2&text=b3Nz&color=I0ZGMDAwMA&size=20&t=90&p=1&x=5&y=6&voffset=-3&s=50")
    assert str(process) == ("image/watermark,text_b3Nz,color_FF0000,size_20,t_90,g_nw,x_5,y_6,voffset_-3,shadow_50")
    scaled, marked = parse_suffix("400w|watermark=1&object=cGFuZGEucG5n")
    assert (scaled.actions[0].name, str(marked)) == ("resize", "image/watermark,image_cGFuZGEucG5n")
    for wrong, why in (
        ("watermark=4&text=b3Nz", "1, 2, 3"),
        ("watermark=2&size=20", "needs text"),
        ("watermark=3&text=b3Nz", "needs object"),
        ("watermark=2&text=b3Nz&p=10", "from 1 to 9"),
        ("watermark=2&text=b3Nz&color=FF0000", "color"),
        ("watermark=2&text=b3Nz&size=0", "from 1 to 1000"),
        ("watermark=2&text=b3Nz&what=0", "no parameter"),
    ):
        with pytest.raises(ValueError, match=why):
            parse_suffix(wrong)


def test_suffixes_are_written() -> None:
    assert images.write_suffix({"w": 200, "h": 100}, extension="png") == "200w_100h.png"
    assert images.write_suffix(style="x") == "!x"
    assert images.write_suffix(question="exif") == "exif"
    with pytest.raises(ValueError, match="16384"):
        images.write_suffix({"w": 0})


def test_questions_are_told_from_pictures() -> None:
    assert parse_process("image/info").is_question
    assert parse_process("image/average-hue").is_question
    assert Process(exif=True).is_question
    assert not parse_process("image/resize,w_1").is_question


def test_what_is_told_of_a_picture_is_read_with_its_types() -> None:
    body = (
        b'{"FileSize": {"value": "343683"}, "Format": {"value": "jpg"}, "Orientation": {"value": "1"}, '
        b'"XResolution": {"value": "72/1"}, "Zip": {"value": "007"}, "Ratio": {"value": "1.5"}}'
    )
    said = images.parse_info(body)
    assert said == {
        "FileSize": 343683,
        "Format": "jpg",
        "Orientation": 1,
        "XResolution": "72/1",
        "Zip": "007",
        "Ratio": 1.5,
    }
    assert images.parse_info(images.write_info(said)) == said
    assert images.parse_info(b'{"RGB": "0x5c783b"}') == {"RGB": "0x5c783b"}
    with pytest.raises(ValueError, match=r"."):
        images.parse_info(b"[]")


@given(st.text(max_size=30))
@settings(max_examples=200, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for parse in (parse_process, parse_suffix):
        try:
            parse(text)
        except ValueError:
            continue
