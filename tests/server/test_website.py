"""A bucket as a website, for whoever comes without a signature."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from ossmount.wire.website import WEBSITE, Website

if TYPE_CHECKING:
    from collections.abc import Callable

    import httpx

    from ossmount.server.threaded import ThreadedServer

    Refused = Callable[[httpx.Response], tuple[int, str]]

RULES = (
    "<RoutingRules><RoutingRule><RuleNumber>1</RuleNumber><Condition><KeyPrefixEquals>old/</KeyPrefixEquals></Condition>"
    "<Redirect><RedirectType>External</RedirectType><Protocol>https</Protocol><HostName>new.example</HostName>"
    "<ReplaceKeyPrefixWith>new/</ReplaceKeyPrefixWith><HttpRedirectCode>301</HttpRedirectCode>"
    "<PassQueryString>true</PassQueryString></Redirect></RoutingRule>"
    "<RoutingRule><RuleNumber>2</RuleNumber><Condition><KeyPrefixEquals>moved/</KeyPrefixEquals>"
    "<HttpErrorCodeReturnedEquals>404</HttpErrorCodeReturnedEquals></Condition><Redirect>"
    "<RedirectType>External</RedirectType><HostName>else.example</HostName><ReplaceKeyWith>to/${key}</ReplaceKeyWith>"
    "</Redirect></RoutingRule></RoutingRules>"
)


@pytest.fixture
def site(turned: httpx.Client, anybody: httpx.Client) -> Callable[..., Callable[..., httpx.Response]]:
    """Make the bucket a website and return a visitor."""

    def make(kind: str = "0", status: int = 404, rules: str = "", deep: str = "true") -> Callable[..., httpx.Response]:
        turned.put("/bucket/?acl", headers={"x-oss-acl": "public-read"})
        for key in ("index.html", "dir/index.html", "dir/page"):
            turned.put(f"/bucket/{key}", content=key.encode(), headers={"content-type": "text/html"})
        turned.put("/bucket/error.html", content=b"nothing here", headers={"content-type": "text/html"})
        answer = turned.put(
            "/bucket/?website",
            content="<WebsiteConfiguration><IndexDocument><Suffix>index.html</Suffix>"
            f"<SupportSubDir>{deep}</SupportSubDir><Type>{kind}</Type></IndexDocument><ErrorDocument><Key>error.html</Key><HttpStatus>{status}</HttpStatus>"
            f"</ErrorDocument>{rules}</WebsiteConfiguration>",
        )
        assert answer.status_code == 200, answer.text

        def visit(path: str, method: str = "GET") -> httpx.Response:
            return anybody.request(method, f"/{path}", headers={"host": "bucket.oss-cn-hangzhou.aliyuncs.com"})

        return visit

    return make


def test_directories_show_their_index_page(site: Callable[..., Callable[..., httpx.Response]]) -> None:
    visit = site()

    assert visit("").text == "index.html"
    assert visit("", "HEAD").headers["content-type"] == "text/html"
    assert visit("dir/").text == "dir/index.html"
    assert visit("dir/page").text == "dir/page"
    moved = visit("dir")
    assert (moved.status_code, moved.headers["location"]) == (302, "/dir/")


def test_without_pages_of_their_own_all_directories_show_the_first(
    site: Callable[..., Callable[..., httpx.Response]], turned: httpx.Client
) -> None:
    visit = site(deep="false")
    turned.put("/bucket/made/", content=b"itself")

    assert [visit(path).text for path in ("", "dir/", "none/", "made/")] == [*["index.html"] * 3, "itself"]
    assert visit("dir").status_code == 404


@pytest.mark.parametrize(("kind", "status"), [("0", 302), ("1", 404), ("2", 200)])
def test_a_directory_without_its_slash(
    site: Callable[..., Callable[..., httpx.Response]], kind: str, status: int
) -> None:
    assert site(kind)("dir").status_code == status


def test_the_error_page_is_shown_for_what_is_missing(
    site: Callable[..., Callable[..., httpx.Response]], turned: httpx.Client, refused: Callable[..., tuple[int, str]]
) -> None:
    missing = site()("missing")
    assert (missing.status_code, missing.text) == (404, "nothing here")
    assert missing.headers["content-type"] == "text/html"
    assert site(status=200)("missing").status_code == 200
    # Whoever signs wants the truth.
    assert refused(turned.get("/bucket/missing")) == (404, "NoSuchKey")
    assert b"ListBucketResult" in turned.get("/bucket/").content
    turned.delete("/bucket/error.html")
    assert refused(site(status=404)("missing"))[0] == 404


def test_visitors_of_a_private_bucket_see_nothing(
    site: Callable[..., Callable[..., httpx.Response]], turned: httpx.Client
) -> None:
    visit = site()
    turned.put("/bucket/?acl", headers={"x-oss-acl": "private"})
    assert visit("").status_code == 403
    assert visit("missing").status_code == 403


def test_a_rule_that_an_older_server_took_is_answered_as_an_error(
    turned_server: ThreadedServer, anybody: httpx.Client, refused: Refused
) -> None:
    bucket = turned_server.store.bucket("bucket")
    assert bucket is not None
    rule = {"Condition": {"HttpErrorCodeReturnedEquals": "x"}, "Redirect": {"RedirectType": "External"}}
    turned_server.store.settings.put(bucket, WEBSITE, Website("index.html", routing_rules=(rule,)))

    assert refused(anybody.get("/bucket/a")) == (500, "InternalError")


def test_routing_rules_send_visitors_elsewhere(site: Callable[..., Callable[..., httpx.Response]]) -> None:
    visit = site(rules=RULES)

    old = visit("old/a b?x=1")
    assert (old.status_code, old.headers["location"]) == (301, "https://new.example/new/a%20b?x=1")
    moved = visit("moved/a")
    assert (moved.status_code, moved.headers["location"]) == (302, "http://else.example/to/moved/a")
    assert visit("missing").status_code == 404
