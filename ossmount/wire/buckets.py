"""A bucket as such: Put/DeleteBucket, GetBucketInfo, GetBucketLocation, GetBucketStat, Put/GetBucketAcl.

Source: API reference, the pages called like the operations.
"""

from __future__ import annotations

from . import xml
from .dates import parse_xml_date
from .limits import REDUNDANCY_TYPES, STORAGE_CLASSES, check_choice
from .message import Headers, Request, Response
from .models import BucketInfo, BucketStat, Owner


def put_bucket(bucket: str, *, acl: str = "", storage_class: str = "", data_redundancy_type: str = "") -> Request:
    """Make a bucket; one's own bucket made again stays as it is.

    Raises:
        OutOfLimits: there is no such class or type.
    """
    if storage_class:
        check_choice("storage class", storage_class, STORAGE_CLASSES)
    if data_redundancy_type:
        check_choice("data redundancy type", data_redundancy_type, REDUNDANCY_TYPES)
    headers = Headers({"x-oss-acl": acl} if acl else {})
    elements = [
        xml.tag(name, value)
        for name, value in (("StorageClass", storage_class), ("DataRedundancyType", data_redundancy_type))
        if value
    ]
    body = None
    if elements:
        body = xml.document("CreateBucketConfiguration", elements)
        headers["content-type"] = "application/xml"
    return Request("PUT", bucket, headers=headers, body=body, operation="PutBucket")


def delete_bucket(bucket: str) -> Request:
    """Delete an empty bucket."""
    return Request("DELETE", bucket, operation="DeleteBucket")


def put_bucket_acl(bucket: str, acl: str) -> Request:
    """Set the ACL of a bucket: ``private``, ``public-read`` or ``public-read-write``."""
    return Request("PUT", bucket, "", {"acl": None}, Headers({"x-oss-acl": acl}), operation="PutBucketAcl")


def get_bucket_acl(bucket: str) -> Request:
    """Ask for the ACL of a bucket; `wire.tagging.parse_get_acl` reads the answer."""
    return Request("GET", bucket, "", {"acl": None}, operation="GetBucketAcl")


def get_bucket_info(bucket: str) -> Request:
    """Ask what kind of bucket it is."""
    return Request("GET", bucket, "", {"bucketInfo": None}, operation="GetBucketInfo")


def parse_get_bucket_info(response: Response) -> BucketInfo:
    """Read the answer to GetBucketInfo."""
    element = xml.parse(response.body, "BucketInfo").find("Bucket")
    if element is None:
        raise ValueError("no bucket in BucketInfo")
    said = xml.fields(element)
    return BucketInfo(
        name=said["Name"],
        creation_date=parse_xml_date(said["CreationDate"]),
        location=said.get("Location", ""),
        storage_class=said.get("StorageClass", "Standard"),
        extranet_endpoint=said.get("ExtranetEndpoint", ""),
        intranet_endpoint=said.get("IntranetEndpoint", ""),
        data_redundancy_type=said.get("DataRedundancyType", "LRS"),
        owner=Owner(element.findtext("Owner/ID") or "", element.findtext("Owner/DisplayName") or ""),
        acl=element.findtext("AccessControlList/Grant") or "private",
        versioning=said.get("Versioning", ""),
        hierarchical_namespace=said.get("HierarchicalNamespace", ""),
    )


def get_bucket_location(bucket: str) -> Request:
    """Ask where a bucket is."""
    return Request("GET", bucket, "", {"location": None}, operation="GetBucketLocation")


def parse_get_bucket_location(response: Response) -> str:
    """Read the location, such as ``oss-cn-hangzhou``."""
    return xml.parse(response.body, "LocationConstraint").text or ""


def get_bucket_stat(bucket: str) -> Request:
    """Ask how much is in a bucket."""
    return Request("GET", bucket, "", {"stat": None}, operation="GetBucketStat")


def parse_get_bucket_stat(response: Response) -> BucketStat:
    """Read the answer to GetBucketStat; every number is in *details* too."""
    said = xml.fields(xml.parse(response.body, "BucketStat"))
    numbers = {name: int(value) for name, value in said.items() if value.strip().isdigit()}
    return BucketStat(
        storage=numbers.get("Storage", 0),
        object_count=numbers.get("ObjectCount", 0),
        multipart_upload_count=numbers.get("MultipartUploadCount", 0),
        last_modified_time=float(numbers.get("LastModifiedTime", 0)),
        details=numbers,
    )
