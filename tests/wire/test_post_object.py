"""Forms with a policy: signed, posted, read, verified and judged."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from ossmount.wire import errors, post_object
from ossmount.wire.credentials import Credentials
from ossmount.wire.form import Form, FormReader
from ossmount.wire.models import PutObjectResult
from ossmount.wire.post_object import check_policy, sign_policy, verify_post_object
from ossmount.wire.signing import Version

NOW = 1700000000.0
KEYS = Credentials("ak", "sk")
TEMPORARY = Credentials("STS.x", "sk", "token", NOW + 60)
CONDITIONS: list[Any] = [
    {"bucket": "b"},
    ["starts-with", "$key", "user/"],
    ["content-length-range", 1, 10],
    ["in", "$content-type", ["a/b", "c/d"]],
    ["not-in", "$cache-control", ["no-cache"]],
    ["eq", "$x-oss-meta-a", "ü"],
]
FIELDS = {"key": "user/${filename}", "Content-Type": "a/b", "x-oss-meta-a": "ü", "success_action_status": "201"}


def lookup(access_key_id: str) -> Credentials | None:
    return {"ak": KEYS, "STS.x": TEMPORARY}.get(access_key_id)


def posted(fields: dict[str, str], body: bytes = b"12345", filename: str = "f.txt") -> Form:
    request = post_object.post_object("b", fields, body, filename=filename)
    return read(request.headers["content-type"], bytes(request.body or b""))[0]


def read(kind: str, data: bytes, step: int = 1 << 20) -> tuple[Form, bytes]:
    """Read a form that comes in pieces of *step* bytes, and the file in it."""
    file = bytearray()
    reader = FormReader(kind, file.extend)
    for start in range(0, len(data), step):
        reader.feed(data[start : start + step])
    return reader.finish(), bytes(file)


@pytest.mark.parametrize("version", ["v1", "v4"])
@pytest.mark.parametrize("credentials", [KEYS, TEMPORARY], ids=["fixed", "temporary"])
def test_a_signed_form_is_let_through(version: Version, credentials: Credentials) -> None:
    signed = sign_policy(CONDITIONS, credentials, now=NOW, expires=60, region="cn-hangzhou", version=version)
    form = posted({**FIELDS, **signed}, filename="C:\\dir\\ü.txt")

    assert (form.key, form.size, form.filename) == ("user/ü.txt", 5, "ü.txt")
    signer = verify_post_object(form, lookup, now=NOW, region="cn-hangzhou")
    assert signer is not None
    assert signer.access_key_id == credentials.access_key_id
    check_policy(form, "b", now=NOW)
    assert form.headers["content-type"] == "a/b"
    assert form.headers["x-oss-meta-a"].encode("latin-1").decode() == "ü"
    assert not any(name in form.headers for name in ("policy", "signature", "x-oss-signature", "key"))


@pytest.mark.parametrize(
    ("fields", "body", "error"),
    [
        ({"key": "other/x"}, b"1", errors.AccessDenied),
        ({"Content-Type": "x/y"}, b"1", errors.AccessDenied),
        ({"cache-control": "no-cache"}, b"1", errors.AccessDenied),
        ({"x-oss-meta-a": "b"}, b"1", errors.AccessDenied),
        ({}, b"", errors.EntityTooSmall),
        ({}, b"x" * 11, errors.EntityTooLarge),
    ],
)
def test_what_the_policy_does_not_allow_is_refused(
    fields: dict[str, str], body: bytes, error: type[errors.ServiceError]
) -> None:
    form = posted({**FIELDS, **sign_policy(CONDITIONS, KEYS, now=NOW, region="r"), **fields}, body)
    with pytest.raises(error):
        check_policy(form, "b", now=NOW)


def test_a_policy_expires_and_is_for_one_bucket() -> None:
    form = posted({**FIELDS, **sign_policy(CONDITIONS, KEYS, now=NOW, expires=60, region="r")})
    with pytest.raises(errors.AccessDenied, match="expired"):
        check_policy(form, "b", now=NOW + 61)
    with pytest.raises(errors.AccessDenied, match="failed"):
        check_policy(form, "c", now=NOW)
    with pytest.raises(errors.OutOfLimits, match="at least 1 s"):
        sign_policy([], KEYS, now=NOW, expires=0)


@pytest.mark.parametrize("version", ["v1", "v4"])
def test_a_policy_that_was_changed_is_refused(version: Version) -> None:
    signed = sign_policy(CONDITIONS, KEYS, now=NOW, region="r", version=version)
    signed["policy"] = sign_policy([], KEYS, now=NOW, region="r", version=version)["policy"]
    with pytest.raises(errors.AccessDenied, match="signature"):
        verify_post_object(posted({**FIELDS, **signed}), lookup, now=NOW)


def test_nobody_knows_this_key() -> None:
    signed = sign_policy([], Credentials("who", "sk"), now=NOW, version="v1")
    with pytest.raises(errors.InvalidAccessKeyId):
        verify_post_object(posted({**FIELDS, **signed}), lookup, now=NOW)
    assert verify_post_object(posted(FIELDS), lookup, now=NOW) is None
    check_policy(posted(FIELDS), "b", now=NOW)
    with pytest.raises(errors.InvalidArgument, match="version"):
        verify_post_object(posted({**FIELDS, "x-oss-signature": "x"}), lookup, now=NOW)


@pytest.mark.parametrize(
    "conditions",
    ["x", [["eq", "key", "x"]], [["eq", "$key", 1]], [["near", "$key", "x"]], [[1, 2, 3]], [{"a": "b", "c": "d"}]],
)
def test_a_policy_that_is_none_is_refused(conditions: Any) -> None:
    form = posted({**FIELDS, **sign_policy(conditions, KEYS, now=NOW, region="r")})
    with pytest.raises(errors.InvalidPolicyDocument):
        check_policy(form, "b", now=NOW)


def test_a_policy_must_be_json_in_base64() -> None:
    for policy in ("%", "e30=", "W10="):
        with pytest.raises(errors.InvalidPolicyDocument):
            check_policy(posted({**FIELDS, "policy": policy}), "b", now=NOW)


KIND = "multipart/form-data; boundary=b"


@pytest.mark.parametrize(
    ("kind", "body", "error"),
    [
        ("text/plain", b"", errors.RequestIsNotMultiPartContent),
        ("multipart/form-data", b"", errors.RequestIsNotMultiPartContent),
        (KIND, b"", errors.MalformedPOSTRequest),
        (KIND, b"--b--\r\n", errors.IncorrectNumberOfFilesInPOSTRequest),
        (KIND, b"--b\r\nx", errors.MalformedPOSTRequest),
        (KIND, b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\nk', errors.MalformedPOSTRequest),
        (
            KIND,
            b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n' + b"k" * 9000 + b"\r\n--b--",
            errors.FieldItemTooLong,
        ),
        (
            KIND,
            b'--b\r\nContent-Disposition: form-data; name="key"\r\n\r\n\xff\r\n--b--',
            errors.MalformedPOSTRequest,
        ),
        (
            KIND,
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n1\r\n' * 2 + b"--b--",
            errors.IncorrectNumberOfFilesInPOSTRequest,
        ),
        (
            KIND,
            b'--b\r\nContent-Disposition: form-data; name="file"\r\n\r\n1\r\n--b--',
            errors.InvalidArgument,
        ),
    ],
)
def test_a_form_that_is_none_is_refused(kind: str, body: bytes, error: type[errors.ServiceError]) -> None:
    with pytest.raises(error):
        read(kind, body)
    with pytest.raises(error):
        read(kind, body, 1)


# With beginnings of a boundary in it.
contents = (
    st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([b"\r\n--ossmount-for", b"\r\n", b"--"])))
    .map(b"".join)
    .filter(lambda body: b"ossmount-form" not in body)
)


@given(
    contents,
    st.dictionaries(st.sampled_from(["key", "a", "b"]), st.text(max_size=10), max_size=3),
    st.integers(1, 60),
)
@settings(max_examples=100, deadline=None)
def test_any_bytes_survive_the_form_however_it_is_cut(body: bytes, fields: dict[str, str], step: int) -> None:
    request = post_object.post_object("b", {**fields, "key": "k"}, body)
    form, file = read(request.headers["content-type"], bytes(request.body or b""), step)
    assert (file, form.size, form.key) == (body, len(body), "k")
    assert {name: form.fields[name] for name in fields if name != "key"} == {
        name: text for name, text in fields.items() if name != "key"
    }


def test_the_boundary_must_not_be_in_the_form() -> None:
    with pytest.raises(ValueError, match="boundary"):
        post_object.post_object("b", {}, b"-- ossmount-form --")


def test_the_answer_is_as_the_form_wants() -> None:
    result = PutObjectResult("E", crc64=7, version_id="v")
    for status, expected in (("200", 200), ("201", 201), ("204", 204), ("", 204), ("500", 204)):
        form = posted({"key": "k", "success_action_status": status})
        response = post_object.write_post_object(result, form, "b", "http://127.0.0.1/b/k")
        assert response.status == expected
        assert response.headers["etag"] == '"E"'
        assert response.headers["x-oss-version-id"] == "v"
        assert (b"<Location>http://127.0.0.1/b/k</Location>" in response.body) == (expected == 201)
    form = posted({"key": "k", "success_action_redirect": "http://example.com/done"})
    response = post_object.write_post_object(result, form, "b", "x")
    assert (response.status, response.headers["location"]) == (303, "http://example.com/done")
    form = posted({"key": "k", "success_action_redirect": "javascript:alert(1)"})
    assert post_object.write_post_object(result, form, "b", "x").status == 204
