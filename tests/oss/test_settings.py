"""What is set for a bucket, on a service that keeps it as the server's half of the protocol says."""

from __future__ import annotations

from typing import Any

import pytest

from ossmount.oss import CORS, Client, CORSRule, Expiration, Lifecycle, LifecycleRule, Logging, Referer, Website
from ossmount.wire import cors, restore, styles, versions
from ossmount.wire.configurations import CONFIGURATIONS
from ossmount.wire.errors import (
    NoSuchCORSConfiguration,
    NoSuchLifecycle,
    NoSuchStyle,
    NoSuchWebsiteConfiguration,
    OutOfLimits,
)
from ossmount.wire.message import Request, Response
from ossmount.wire.object_calls import empty_response
from ossmount.wire.refusals import write_error
from ossmount.wire.styles import Style


class Kept:
    """Keeps whatever is put."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.styles: dict[str, Style] = {}

    def __call__(self, request: Request) -> Response:
        parameter = next(iter(request.query), "")
        if request.method == "OPTIONS":
            return cors.write_option_object(self.values["cors"], cors.read_option_object(request))
        if parameter == "versioning":
            if request.method == "PUT":
                self.values[parameter] = versions.read_put_bucket_versioning(request)
                return empty_response()
            return versions.write_get_bucket_versioning(self.values.get(parameter, ""))
        if parameter == "style":
            return self._style(request)
        if parameter == "restore":
            return restore.write_restore_object(readable=restore.read_restore_object(request).days == 2)
        kind = CONFIGURATIONS[parameter]
        match request.method:
            case "PUT":
                self.values[parameter] = kind.read(request)
                return empty_response()
            case "DELETE":
                self.values.pop(parameter, None)
                return empty_response(204)
        if parameter not in self.values and kind.missing is not None:
            return write_error(kind.missing())
        return kind.write(self.values[parameter] if parameter in self.values else kind.kind())

    def _style(self, request: Request) -> Response:
        if request.method == "PUT":
            style = styles.read_put_style(request)
            self.styles[style.name] = style
            return styles.write_put_style()
        if request.method == "DELETE":
            self.styles.pop(styles.read_style_name(request), None)
            return styles.write_delete_style()
        if "styleName" not in request.query:
            return styles.write_list_style(self.styles.values())
        found = self.styles.get(styles.read_style_name(request))
        return styles.write_get_style(found) if found else write_error(NoSuchStyle())


@pytest.fixture
def kept(scripted: Any, client_of: Any) -> Client:
    client = client_of(scripted(Kept()))
    assert isinstance(client, Client)
    return client


async def test_every_configuration_is_put_got_and_deleted(kept: Client) -> None:
    bucket = kept.bucket("bucket")
    website, logging = Website("index.html", "error.html"), Logging("other", "logs/")
    rules = Lifecycle((LifecycleRule(id="1", prefix="logs/", expiration=Expiration(days=1)),))
    sharing = CORS((CORSRule(allowed_origins=("*",), allowed_methods=("GET",)),))
    referer = Referer(False, ("http://a.example",))

    await bucket.put_bucket_website(website)
    await bucket.put_bucket_logging(logging)
    await bucket.put_bucket_lifecycle(rules)
    await bucket.put_bucket_cors(sharing)
    await bucket.put_bucket_referer(referer)

    assert await bucket.get_bucket_website() == website
    assert await bucket.get_bucket_logging() == logging
    assert await bucket.get_bucket_lifecycle() == rules
    assert await bucket.get_bucket_cors() == sharing
    assert await bucket.get_bucket_referer() == referer
    assert (await bucket.option_object("k", "http://x", "GET")).allowed_origins == ("*",)

    await bucket.delete_bucket_website()
    await bucket.delete_bucket_logging()
    await bucket.delete_bucket_lifecycle()
    await bucket.delete_bucket_cors()
    await bucket.delete_bucket_referer()

    assert await bucket.get_bucket_logging() == Logging()
    assert await bucket.get_bucket_referer() == Referer()
    for get, error in (
        (bucket.get_bucket_website, NoSuchWebsiteConfiguration),
        (bucket.get_bucket_lifecycle, NoSuchLifecycle),
        (bucket.get_bucket_cors, NoSuchCORSConfiguration),
    ):
        with pytest.raises(error):
            await get()


async def test_what_oss_would_refuse_is_not_sent(scripted: Any, client_of: Any) -> None:
    service = scripted(Kept())
    bucket = client_of(service).bucket("bucket")
    with pytest.raises(OutOfLimits):
        await bucket.put_bucket_lifecycle(Lifecycle())
    with pytest.raises(OutOfLimits):
        await bucket.put_bucket_acl("open")
    with pytest.raises(OutOfLimits):
        await bucket.list_objects(max_keys=1001)
    assert not service.requests


async def test_versioning_styles_and_restoring(kept: Client) -> None:
    bucket = kept.bucket("bucket")
    assert await bucket.get_bucket_versioning() == ""
    await bucket.put_bucket_versioning("Enabled")
    assert await bucket.get_bucket_versioning() == "Enabled"

    await bucket.put_style("small", "image/resize,p_50")
    assert (await bucket.get_style("small")).content == "image/resize,p_50"
    assert [style.name for style in await bucket.list_style()] == ["small"]
    await bucket.delete_style("small")
    with pytest.raises(NoSuchStyle):
        await bucket.get_style("small")

    assert not await bucket.restore_object("k")
    assert await bucket.restore_object("k", days=2)
