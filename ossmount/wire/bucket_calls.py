"""The server's half of `wire.buckets`: buckets and what is known of them.

Source: API reference, PutBucket, GetBucketInfo, GetBucketLocation, GetBucketStat, ListLiveChannel, DescribeRegions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from . import xml
from .dates import xml_date
from .errors import MalformedXML
from .object_calls import xml_response
from .properties import STORAGE_CLASSES, argument, read_acl

if TYPE_CHECKING:
    from .message import Request, Response
    from .models import BucketInfo, BucketStat

BUCKET_ACLS = ("private", "public-read", "public-read-write")


@dataclass(frozen=True, slots=True, kw_only=True)
class PutBucketCall:
    """PutBucket; what is empty was not said."""

    acl: str = ""
    storage_class: str = ""
    redundancy: str = ""
    location: str = ""


def read_put_bucket(request: Request) -> PutBucketCall:
    """Read PutBucket.

    Raises:
        InvalidArgument: access control, storage class or redundancy will not do.
        MalformedXML: the body is something else.
    """
    acl = read_acl(request, "x-oss-acl", BUCKET_ACLS) if "x-oss-acl" in request.headers else ""
    fields: dict[str, str] = {}
    if request.body:
        try:
            fields = xml.fields(xml.parse(request.body, "CreateBucketConfiguration", limit=64 * 1024))
        except ValueError as exc:
            raise MalformedXML(details={"ErrorDetail": str(exc)}) from None
    storage_class, redundancy = fields.get("StorageClass", ""), fields.get("DataRedundancyType", "")
    if storage_class not in ("", *STORAGE_CLASSES):
        raise argument("no such storage class exists", "StorageClass", storage_class)
    if redundancy not in ("", "LRS", "ZRS"):
        raise argument("no such data redundancy type exists", "DataRedundancyType", redundancy)
    return PutBucketCall(
        acl=acl, storage_class=storage_class, redundancy=redundancy, location=fields.get("LocationConstraint", "")
    )


# Answers


def write_put_bucket(name: str) -> Response:
    """Answer PutBucket or PutBucketAcl."""
    response = xml_response(b"")
    del response.headers["content-type"]
    response.headers["location"] = f"/{name}"
    return response


def write_get_bucket_info(info: BucketInfo) -> Response:
    """Answer GetBucketInfo."""
    elements = [
        xml.tag("AccessMonitor", "Disabled"),
        xml.tag("CreationDate", xml_date(info.creation_date)),
        xml.tag("ExtranetEndpoint", info.extranet_endpoint),
        xml.tag("IntranetEndpoint", info.intranet_endpoint),
        xml.tag("Location", info.location),
        xml.tag("StorageClass", info.storage_class),
        xml.tag("TransferAcceleration", "Disabled"),
        xml.tag("CrossRegionReplication", "Disabled"),
        xml.tag("DataRedundancyType", info.data_redundancy_type),
        xml.tag("Name", info.name),
        xml.wrap("Owner", [xml.tag("DisplayName", info.owner.display_name), xml.tag("ID", info.owner.id)]),
        xml.wrap("AccessControlList", [xml.tag("Grant", info.acl)]),
        xml.wrap("ServerSideEncryptionRule", [xml.tag("SSEAlgorithm", "None")]),
        xml.wrap("BucketPolicy", [xml.tag("LogBucket", ""), xml.tag("LogPrefix", "")]),
        xml.tag("Comment", ""),
    ]
    if info.versioning:
        elements.append(xml.tag("Versioning", info.versioning))
    return xml_response(xml.document("BucketInfo", [xml.wrap("Bucket", elements)]))


def write_get_bucket_location(location: str) -> Response:
    """Answer GetBucketLocation."""
    return xml_response(xml.document("LocationConstraint", [location]))


def write_get_bucket_stat(stat: BucketStat) -> Response:
    """Answer GetBucketStat; *details* of the statistics go out under their names."""
    elements = [
        xml.tag("Storage", stat.storage),
        xml.tag("ObjectCount", stat.object_count),
        xml.tag("MultipartUploadCount", stat.multipart_upload_count),
        xml.tag("LiveChannelCount", 0),
        xml.tag("LastModifiedTime", int(stat.last_modified_time)),
        *(xml.tag(name, number) for name, number in stat.details.items()),
    ]
    return xml_response(xml.document("BucketStat", elements))


def write_list_live_channel() -> Response:
    """Answer ListLiveChannel of a bucket that has none; one SDK asks before it removes a bucket."""
    elements = [
        xml.tag("Prefix", ""),
        xml.tag("Marker", ""),
        xml.tag("MaxKeys", 100),
        xml.tag("IsTruncated", "false"),
    ]
    return xml_response(xml.document("ListLiveChannelResult", elements))


def write_describe_regions(region: str, endpoint: str) -> Response:
    """Answer DescribeRegions with the one region there is."""
    elements = [
        xml.tag("Region", f"oss-{region}"),
        xml.tag("InternetEndpoint", endpoint),
        xml.tag("InternalEndpoint", endpoint),
        xml.tag("AccelerateEndpoint", endpoint),
    ]
    return xml_response(xml.document("RegionInfoList", [xml.wrap("RegionInfo", elements)]))
