"""What may be done with an object, and its tags: Put/GetObjectACL, Put/Get/DeleteObjectTagging.

Source: API reference, the pages called like the operations.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import xml
from .limits import check_tags
from .message import Headers, Request, Response
from .models import AccessControl, Owner

if TYPE_CHECKING:
    from collections.abc import Mapping


def _query(name: str, version_id: str | None) -> dict[str, str | None]:
    return {name: None, "versionId": version_id} if version_id else {name: None}


def put_object_acl(bucket: str, key: str, acl: str, *, version_id: str | None = None) -> Request:
    """Set the ACL of *key*: ``default``, ``private``, ``public-read`` or ``public-read-write``."""
    headers = Headers({"x-oss-object-acl": acl})
    return Request("PUT", bucket, key, _query("acl", version_id), headers, operation="PutObjectACL")


def get_object_acl(bucket: str, key: str, *, version_id: str | None = None) -> Request:
    """Ask for the ACL of *key*."""
    return Request("GET", bucket, key, _query("acl", version_id), operation="GetObjectACL")


def parse_get_acl(response: Response) -> AccessControl:
    """Read the answer to GetObjectACL and GetBucketAcl."""
    root = xml.parse(response.body, "AccessControlPolicy")
    grant = root.findtext("AccessControlList/Grant")
    if not grant:
        raise ValueError("an ACL without a grant")
    return AccessControl(grant, Owner(root.findtext("Owner/ID") or "", root.findtext("Owner/DisplayName") or ""))


def put_object_tagging(bucket: str, key: str, tags: Mapping[str, str], *, version_id: str | None = None) -> Request:
    """Replace the tags of *key*.

    Raises:
        OutOfLimits: they are too many, or one is too long.
    """
    check_tags(tags)
    elements = [xml.wrap("Tag", [xml.tag("Key", name), xml.tag("Value", value)]) for name, value in tags.items()]
    body = xml.document("Tagging", [xml.wrap("TagSet", elements)])
    headers = Headers({"content-type": "application/xml"})
    return Request("PUT", bucket, key, _query("tagging", version_id), headers, body, operation="PutObjectTagging")


def get_object_tagging(bucket: str, key: str, *, version_id: str | None = None) -> Request:
    """Ask for the tags of *key*."""
    return Request("GET", bucket, key, _query("tagging", version_id), operation="GetObjectTagging")


def parse_get_object_tagging(response: Response) -> dict[str, str]:
    """Read the tags by name."""
    root = xml.parse(response.body, "Tagging")
    return {xml.text_of(tag, "Key"): xml.text_of(tag, "Value") for tag in root.iterfind("TagSet/Tag")}


def delete_object_tagging(bucket: str, key: str, *, version_id: str | None = None) -> Request:
    """Remove all tags of *key*."""
    return Request("DELETE", bucket, key, _query("tagging", version_id), operation="DeleteObjectTagging")
