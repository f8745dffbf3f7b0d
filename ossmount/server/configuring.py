"""Operations on what is set for a bucket: its configurations, versioning, and image styles.

What is put is got back; who carries it out lies elsewhere: `app` the white list, CORS and the website, `upkeep` the
lifecycle and the log.
"""

from __future__ import annotations

import secrets
from dataclasses import replace
from hashlib import md5
from typing import TYPE_CHECKING, Any

from ..wire import cors, styles, versions as calls
from ..wire.access import LOGGING, REFERER, Logging, Referer
from ..wire.configurations import CONFIGURATIONS
from ..wire.errors import AccessDenied, InvalidDigest, InvalidTargetBucketForLogging, NoSuchStyle
from ..wire.lifecycle import LIFECYCLE
from ..wire.object_calls import empty_response
from ..wire.properties import ARCHIVED, read_digests
from ..wire.versions import ListVersionsResult, ObjectVersion
from .expiry import check_overlap
from .records import ObjectRecord
from .versions import VersionRow, version_id

if TYPE_CHECKING:
    from ..wire.configuration import Configuration
    from ..wire.message import Request, Response
    from .records import BucketRecord
    from .service import Service

# What a bucket answers that has no such configuration, where that is no error.
_DEFAULTS: dict[str, Any] = {LOGGING.parameter: Logging(), REFERER.parameter: Referer()}


def _configuration(request: Request) -> Configuration[Any]:
    return next(each for each in CONFIGURATIONS.values() if each.parameter in request.query)


def _check_digest(request: Request) -> None:
    digest = read_digests(request).md5
    if digest is not None and digest != md5(request.body or b"", usedforsecurity=False).digest():
        raise InvalidDigest


def put_configuration(service: Service, request: Request) -> Response:
    """PutBucketLogging, PutBucketWebsite and so on."""
    bucket = service.bucket(request)
    _check_digest(request)
    configuration = _configuration(request)
    value = configuration.read(request)
    if configuration is LOGGING and value.enabled and service.store.bucket(value.target_bucket) is None:
        raise InvalidTargetBucketForLogging(details={"TargetBucket": value.target_bucket})
    if configuration is LIFECYCLE:
        check_overlap(value.rules)
        # Every rule has a name; one that came without gets one.
        value = replace(
            value, rules=tuple(rule if rule.id else replace(rule, id=secrets.token_hex(16)) for rule in value.rules)
        )
    service.store.settings.put(bucket, configuration, value)
    return empty_response()


def get_configuration(service: Service, request: Request) -> Response:
    """GetBucketLogging, GetBucketWebsite and so on."""
    bucket = service.bucket(request)
    configuration = _configuration(request)
    value = service.store.settings.get(bucket, configuration)
    if value is None:
        if configuration.missing is not None:
            raise configuration.missing(details={"BucketName": bucket.name})
        value = _DEFAULTS[configuration.parameter]
    return configuration.write(value)


def delete_configuration(service: Service, request: Request) -> Response:
    """DeleteBucketLogging, DeleteBucketWebsite and so on; it does not mind if there is none."""
    service.store.settings.delete(service.bucket(request), _configuration(request))
    return empty_response(204)


def option_object(service: Service, request: Request) -> Response:
    """OptionObject: what a browser asks before a page may do something."""
    bucket = service.bucket(request)
    asked = cors.read_option_object(request)
    return cors.write_option_object(service.store.settings.get(bucket, cors.CONFIGURATION), asked)


# Styles


def put_style(service: Service, request: Request) -> Response:
    """PutStyle; one that is there already is replaced."""
    bucket = service.bucket(request)
    style = styles.read_put_style(request)
    settings = service.store.settings
    old = settings.style(bucket, style.name)
    if old is None and len(settings.styles(bucket)) >= styles.MAX_STYLES:
        raise AccessDenied(f"Your style count is exceeded {styles.MAX_STYLES}.")
    now = float(int(service.store.clock()))
    settings.put_style(bucket, replace(style, create_time=old.create_time if old else now, last_modify_time=now))
    return styles.write_put_style()


def get_style(service: Service, request: Request) -> Response:
    """GetStyle."""
    bucket = service.bucket(request)
    style = service.store.settings.style(bucket, styles.read_style_name(request))
    if style is None:
        raise NoSuchStyle
    return styles.write_get_style(style)


def list_style(service: Service, request: Request) -> Response:
    """ListStyle."""
    return styles.write_list_style(service.store.settings.styles(service.bucket(request)))


def delete_style(service: Service, request: Request) -> Response:
    """DeleteStyle; it does not mind if there is none."""
    service.store.settings.delete_style(service.bucket(request), styles.read_style_name(request))
    return styles.write_delete_style()


# Versions


def put_bucket_versioning(service: Service, request: Request) -> Response:
    """PutBucketVersioning."""
    bucket = service.bucket(request)
    service.store.set_versioning(bucket, calls.read_put_bucket_versioning(request))
    return empty_response()


def get_bucket_versioning(service: Service, request: Request) -> Response:
    """GetBucketVersioning."""
    return calls.write_get_bucket_versioning(service.bucket(request).versioning)


def list_object_versions(service: Service, request: Request) -> Response:
    """ListObjectVersions."""
    bucket = service.bucket(request)
    call = calls.read_list_object_versions(request)
    page = service.store.versions.list_versions(
        bucket,
        prefix=call.prefix,
        key_marker=call.key_marker,
        id_marker=call.version_id_marker,
        delimiter=call.delimiter,
        limit=call.max_keys,
    )
    last = page.rows[-1] if page.rows and page.rows[-1].key == page.last else None
    result = ListVersionsResult(
        versions=tuple(_told(service, bucket, row) for row in page.rows),
        prefixes=tuple(prefix.decode() for prefix in page.prefixes),
        is_truncated=page.last is not None,
        next_key_marker=(page.last or b"").decode(),
        next_version_id_marker=version_id(last.serial) if last is not None else "",
        name=bucket.name,
    )
    return calls.write_list_object_versions(result, call)


def _told(service: Service, bucket: BucketRecord, row: VersionRow) -> ObjectVersion:
    restore = None
    if row.storage_class in ARCHIVED:
        record = service.store.versions.find(bucket, row.key.decode(), max(row.serial, 0))
        restore = service.restores.info(bucket, record) if isinstance(record, ObjectRecord) else None
    return ObjectVersion(
        key=row.key.decode(),
        version_id=version_id(row.serial),
        is_latest=row.latest,
        last_modified=row.modified,
        is_delete_marker=bool(row.marker),
        size=row.size,
        etag=row.etag,
        type=row.type,
        storage_class=row.storage_class,
        owner=service.options.owner,
        restore=restore,
    )
