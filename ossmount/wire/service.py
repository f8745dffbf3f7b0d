"""The service as a whole: ListBuckets (GetService).

Source: API reference, "ListBuckets (GetService)".
"""

from __future__ import annotations

from . import xml
from .dates import parse_xml_date
from .fields import given
from .message import Request, Response
from .models import BucketSummary, ListBucketsResult, Owner


def list_buckets(*, prefix: str = "", marker: str = "", max_keys: int = 1000) -> Request:
    """Ask for one's buckets after *marker*, by name."""
    query = given(prefix=prefix, marker=marker, max_keys=str(max_keys))
    return Request("GET", query=query, operation="ListBuckets")


def parse_list_buckets(response: Response) -> ListBucketsResult:
    """Read a page of buckets."""
    root = xml.parse(response.body, "ListAllMyBucketsResult")
    buckets = []
    for element in root.iterfind("Buckets/Bucket"):
        said = xml.fields(element)
        buckets.append(
            BucketSummary(
                name=said["Name"],
                creation_date=parse_xml_date(said["CreationDate"]),
                location=said.get("Location", ""),
                storage_class=said.get("StorageClass", "Standard"),
                extranet_endpoint=said.get("ExtranetEndpoint", ""),
                intranet_endpoint=said.get("IntranetEndpoint", ""),
                region=said.get("Region", ""),
            )
        )
    return ListBucketsResult(
        buckets=tuple(buckets),
        owner=Owner(root.findtext("Owner/ID") or "", root.findtext("Owner/DisplayName") or ""),
        is_truncated=xml.text_of(root, "IsTruncated") == "true",
        next_marker=xml.text_of(root, "NextMarker"),
        prefix=xml.text_of(root, "Prefix"),
        marker=xml.text_of(root, "Marker"),
        max_keys=int(xml.text_of(root, "MaxKeys") or "100"),
    )
