"""Buckets as host names, as the service itself wants them: the SDKs believe that they talk to it."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit, urlunsplit

import alibabacloud_oss_v2 as sdk
import oss2
import pytest
import requests.adapters

from tests.judges.v2 import Judge

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ossmount.oss import blocking
    from tests.judges.conftest import Court

SERVICE = "http://oss-cn-hangzhou.aliyuncs.com"
KEY = "dir/ü + b%2F&?.txt"


class Diverted(requests.adapters.HTTPAdapter):
    """Goes to one server, whatever the host is called."""

    def __init__(self, url: str) -> None:
        super().__init__()
        self._server = urlsplit(url).netloc

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = urlsplit(request.url or "")
        request.headers["Host"] = str(url.netloc)
        request.url = str(urlunsplit(url._replace(netloc=self._server)))
        return super().send(request, *args, **kwargs)


@pytest.fixture
def diverted(court: Court, tidy_session: requests.Session) -> requests.Session:
    """A session in which the service is the server here."""
    tidy_session.mount("http://", Diverted(court.url))
    return tidy_session


@pytest.fixture
def judge(name: str, signature: str, diverted: requests.Session) -> Iterator[Judge]:
    """alibabacloud-oss-v2, which believes that it talks to the service."""
    with ExitStack() as stack:
        yield stack.enter_context(Judge(SERVICE, name, signature, diverted))


def test_oss2_finds_a_bucket_by_its_host(
    ours: blocking.Blocking,
    name: str,
    oss2_auth: oss2.AuthBase,
    oss2_session: oss2.Session,
    diverted: requests.Session,
) -> None:
    bucket = oss2.Bucket(oss2_auth, SERVICE, name, region="cn-hangzhou", session=oss2_session)
    service = oss2.Service(oss2_auth, SERVICE, region="cn-hangzhou", session=oss2_session)

    assert name in [each.name for each in oss2.BucketIterator(service)]
    bucket.put_object(KEY, b"bytes", headers={"x-oss-meta-a": "1"})
    bucket.copy_object(name, KEY, "copy")
    assert bytes(ours.get_object("copy")[1]) == b"bytes"
    assert [entry.key for entry in bucket.list_objects_v2(prefix="dir/").object_list] == [KEY]
    assert bucket.get_bucket_info().name == name
    bucket.put_symlink(KEY, "link")
    assert bucket.get_object("link").read() == b"bytes"
    signed = bucket.sign_url("GET", KEY, 60, slash_safe=True)
    assert signed.startswith(f"http://{name}.oss-cn-hangzhou.aliyuncs.com/dir/")
    assert diverted.get(signed).content == b"bytes"


def test_v2_finds_a_bucket_by_its_host(judge: Judge, ours: blocking.Blocking, diverted: requests.Session) -> None:
    assert judge.name in [each.name for page in judge.pages("ListBuckets") for each in page.buckets]
    judge.ask("PutObject", key=KEY, body=b"bytes", metadata={"a": "1"})
    judge.ask("CopyObject", key="copy", source_key=KEY)
    assert bytes(ours.get_object("copy")[1]) == b"bytes"
    assert [entry.key for entry in judge.ask("ListObjectsV2", prefix="dir/").contents] == [KEY]
    assert judge.ask("GetBucketInfo").bucket_info.name == judge.name
    signed = judge.client.presign(sdk.GetObjectRequest(bucket=judge.name, key=KEY)).url
    assert signed.startswith(f"http://{judge.name}.oss-cn-hangzhou.aliyuncs.com/dir/")
    assert diverted.get(signed).content == b"bytes"
    assert judge.refused("GetObject", key="missing").code == "NoSuchKey"
