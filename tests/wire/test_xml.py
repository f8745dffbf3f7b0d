"""XML: what is written is read back, and what attacks is refused."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from ossmount.wire import xml

# Without surrogates and the control characters, which XML cannot hold.
CHARACTERS = st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff") | st.sampled_from(
    "\t\n\r"
)


@given(st.text(CHARACTERS, max_size=50))
def test_text_comes_back(text: str) -> None:
    root = xml.parse(xml.document("R", [xml.tag("A", text), xml.tag("B", 5)]), "R")
    assert xml.fields(root) == {"A": text, "B": "5"}
    assert xml.text_of(root, "A") == text
    assert xml.text_of(root, "C", "none") == "none"


@pytest.mark.parametrize("text", ["\x00", "\x01", "\x0b", "\x1f", "\ufffe", "\ud800"])
def test_text_that_xml_cannot_hold_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="cannot hold"):
        xml.tag("A", text)


@pytest.mark.parametrize(
    "document",
    [
        b'<!DOCTYPE R [<!ENTITY a "b">]><R>&a;</R>',
        b'<?xml version="1.0"?><!DOCTYPE R SYSTEM "file:///etc/passwd"><R/>',
        b"<R><!ENTITY a 'b'></R>",
    ],
)
def test_document_types_and_entities_are_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match="document type"):
        xml.parse(document)


@pytest.mark.parametrize(
    "document",
    [b"", b"no", b"<R>", b"<R></S>", b"<R>&a;</R>", b"\xff\xfe<\x00R\x00/\x00>\x00", b"<R>\xff</R>", b"{}", b"<R/>x"],
)
def test_what_is_no_xml_is_refused(document: bytes) -> None:
    with pytest.raises(ValueError, match=r".+"):
        xml.parse(document)


def test_other_encodings_are_refused() -> None:
    with pytest.raises(ValueError, match="UTF-8"):
        xml.parse(b'<?xml version="1.0" encoding="UTF-16"?><R/>')
    with pytest.raises(ValueError, match="UTF-8"):
        xml.parse(b"<?xml version='1.0' encoding='ISO-8859-1'?><R/>")


def test_a_long_document_is_refused_before_it_is_parsed() -> None:
    with pytest.raises(ValueError, match="more than 10"):
        xml.parse(b"<R>12345678</R>", limit=10)


def test_another_root_is_refused() -> None:
    with pytest.raises(ValueError, match="expected <S>"):
        xml.parse(b"<R/>", "S")


def test_the_name_space_of_old_examples_does_not_matter() -> None:
    document = b'\xef\xbb\xbf<?xml version="1.0" ?>\n<R xmlns="http://doc.oss-cn-hangzhou.aliyuncs.com"><A>1</A></R>'
    assert xml.fields(xml.parse(memoryview(document), "R")) == {"A": "1"}


def test_comments_and_character_data_are_read() -> None:
    root = xml.parse(b"<R><!-- no --><A><![CDATA[<b>]]></A></R>")
    assert xml.text_of(root, "A") == "<b>"
