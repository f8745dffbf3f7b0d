"""Styles of the image service."""

from __future__ import annotations

import pytest

from ossmount.wire import styles
from ossmount.wire.errors import InvalidArgument, MalformedXML, OutOfLimits
from ossmount.wire.message import Headers, Request, Response, target
from ossmount.wire.styles import Style

STYLE = Style(name="400_a.b-c", content="image/resize,p_50", create_time=1426754061.0, last_modify_time=1426754062.0)


def test_a_style_goes_the_whole_way() -> None:
    request = styles.put_style("b", STYLE.name, STYLE.content)
    assert target(request, path_style=True) == "/b/?style&styleName=400_a.b-c"
    assert styles.read_put_style(request) == Style(name=STYLE.name, content=STYLE.content)
    assert styles.parse_get_style(styles.write_get_style(STYLE)) == STYLE
    assert styles.parse_list_style(styles.write_list_style([STYLE, STYLE])) == (STYLE, STYLE)
    assert styles.read_style_name(styles.get_style("b", "x")) == styles.read_style_name(styles.delete_style("b", "x"))
    assert (styles.write_put_style().status, styles.write_delete_style().status) == (200, 204)
    assert styles.list_style("b").query == {"style": None}


def test_the_answer_of_the_old_service_is_read() -> None:
    body = (
        b"<Style><Name>400</Name><Content>400w_90Q_1x.jpg</Content>"
        b"<CreateTime>Thu, 19 Mar 2015 08:34:21 GMT</CreateTime>"
        b"<LastModifyTime>2015-03-19T08:34:21Z</LastModifyTime></Style>"
    )
    style = styles.parse_get_style(Response(200, Headers(), body))
    assert style.create_time == style.last_modify_time == 1426754061.0


def test_names_and_contents_have_limits() -> None:
    for name in ("", "x" * 64, "a b", "ü", "a\n"):
        with pytest.raises(OutOfLimits, match="1 to 63"):
            styles.get_style("b", name)
        with pytest.raises(InvalidArgument):
            styles.read_style_name(Request("GET", "b", "", {"style": None, "styleName": name}))
    with pytest.raises(OutOfLimits, match="at least 1"):
        styles.put_style("b", "x", "")
    with pytest.raises(MalformedXML):
        styles.read_put_style(Request("PUT", "b", "", {"styleName": "x"}, body=b"<x/>"))
    with pytest.raises(InvalidArgument):
        styles.read_put_style(Request("PUT", "b", "", {"styleName": "x"}, body=b"<Style/>"))
