"""Every error there is: the tree of `wire.failures`, and one class for each code OSS answers with.

The classes are named after the codes, so that a grep for a documented code finds it, and give the status, message and
EC that usually go with them.  `NotImplementedByOSS` alone has another name, because its code is a constant of Python.
The codes of the withdrawn object groups and links are kept for old programs.

Source: API reference, "Error responses", and the pages of the operations.
"""

from __future__ import annotations

from .failures import (
    BrokenResponse as BrokenResponse,
    ConnectFailed as ConnectFailed,
    CredentialsError as CredentialsError,
    IntegrityError as IntegrityError,
    OSSError as OSSError,
    OutOfLimits as OutOfLimits,
    PartialWriteFailed as PartialWriteFailed,
    Redirected as Redirected,
    ServiceError as ServiceError,
    TimedOut as TimedOut,
    TransportError as TransportError,
)

# 203


class CallbackFailed(ServiceError, status=203, ec="0007-00000203"):
    """The object is stored, but the application's server did not take the callback."""

    message = "Error status : 502."


# 304


class NotModified(ServiceError, status=304):
    """There is nothing newer; no body comes with it."""


# 400


class BadRequest(ServiceError, status=400):
    """The message says what is wrong."""


class EntityTooLarge(ServiceError, status=400):
    message = "Your proposed upload exceeds the maximum allowed size"


class EntityTooSmall(ServiceError, status=400):
    message = "Your proposed upload smaller than the minimum allowed size"


class FieldItemTooLong(ServiceError, status=400):
    message = "Your post field items exceeded the maximum allowed size."


class FileGroupTooLarge(ServiceError, status=400):
    message = "The size of the object group is too large."


class FilePartInterity(ServiceError, status=400):
    message = "A part of the object group has changed."


class FilePartNotExist(ServiceError, status=400):
    message = "A part of the object group does not exist."


class FilePartStale(ServiceError, status=400):
    message = "A part of the object group is out of date."


class ImageTooLarge(ServiceError, status=400):
    message = "The image is too large."


class IncompleteBody(ServiceError, status=400):
    message = "You did not provide the number of bytes specified by the Content-Length HTTP header."


class IncorrectNumberOfFilesInPOSTRequest(ServiceError, status=400):
    message = "POST requires exactly one file upload per request."


class InvalidArgument(ServiceError, status=400):
    """The message says what is wrong."""


class InvalidBucketName(ServiceError, status=400):
    message = "The specified bucket is not valid."


class InvalidCRC64(ServiceError, status=400):
    message = "The x-oss-hash-crc64ecma you specified does not match what we calculated."


class InvalidDigest(ServiceError, status=400):
    message = "The Content-MD5 you specified was invalid."


class InvalidEncryptionAlgorithmError(ServiceError, status=400):
    message = "The encryption algorithm you specified is not valid."


class InvalidLinkName(ServiceError, status=400):
    message = "The name of the object link is that of the object."


class InvalidLocationConstraint(ServiceError, status=400):
    message = "The specified location constraint is not valid."


class InvalidObjectName(ServiceError, status=400):
    message = "The specified object is not valid."


class InvalidPart(ServiceError, status=400):
    message = (
        "One or more of the specified parts could not be found or the specified entity tag might "
        "not have matched the part's entity tag."
    )


class InvalidPartOrder(ServiceError, status=400):
    message = "The list of parts was not in ascending order."


class InvalidPolicyDocument(ServiceError, status=400):
    message = "The content of the form does not meet the conditions specified in the policy document."


class InvalidRequest(ServiceError, status=400):
    """The message says what is wrong."""


class InvalidTag(ServiceError, status=400):
    message = "The tag is not valid."


class InvalidTargetBucketForLogging(ServiceError, status=400):
    message = "The target bucket for logging is not valid."


class InvalidTargetType(ServiceError, status=400):
    message = "The symbolic's target file type is invalid."


class LinkPartNotExist(ServiceError, status=400):
    message = "The object a link points at does not exist."


class MalformedPOSTRequest(ServiceError, status=400):
    message = "The body of your POST request is not well-formed multipart/form-data."


class MalformedXML(ServiceError, status=400, ec="0042-00000205"):
    message = "The XML you provided was not well-formed or did not validate against our published schema."


class MaxPOSTPreDataLengthExceeded(ServiceError, status=400, code="MaxPOSTPreDataLengthExceededError"):
    message = "Your POST request fields preceding the upload file were too large."


class MissingArgument(ServiceError, status=400):
    message = "Missing Some Required Arguments."


class NotImplementedByOSS(ServiceError, status=400, code="NotImplemented"):
    message = "A header you provided implies functionality that is not implemented."


class NotSymlink(ServiceError, status=400):
    message = "The object is not symlink."


class ObjectLinkTooLarge(ServiceError, status=400):
    message = "Too many links to this object."


class OperationNotSupported(ServiceError, status=400):
    message = "The operation is not supported for this resource"


class PartNotSequential(ServiceError, status=400):
    message = "The parts are not sequential."


class RequestIsNotMultiPartContent(ServiceError, status=400):
    message = "Bucket POST must be of the enclosure-type multipart/form-data."


class RequestTimeout(ServiceError, status=400):
    message = "Your socket connection to the server was not read from or written to within the timeout period."


class TooManyBuckets(ServiceError, status=400):
    message = "You have attempted to create more buckets than allowed."


class WatermarkError(ServiceError, status=400):
    message = "The watermark is not valid."


# 403


class AccessDenied(ServiceError, status=403):
    message = "AccessDenied"


class AccessForbidden(ServiceError, status=403):
    message = "CORSResponse: This CORS request is not allowed."


class AccessKeyIdAndSecurityTokenNotMatch(ServiceError, status=403):
    message = "The access key id and the security token do not belong together."


class ImageDamage(ServiceError, status=403):
    message = "The image file may be damaged."


class InvalidAccessKeyId(ServiceError, status=403, ec="0002-00000902"):
    message = "The OSS Access Key Id you provided does not exist in our records."


class InvalidObjectState(ServiceError, status=403):
    message = "The operation is not valid for the object's state"


class InvalidSecurityToken(ServiceError, status=403):
    message = "The security token you provided is invalid."


class KmsServiceNotEnabled(ServiceError, status=403):
    message = "The KMS service is not enabled."


class RequestTimeTooSkewed(ServiceError, status=403, ec="0002-00000504"):
    message = "The difference between the request time and the current time is too large."


class SecondLevelDomainForbidden(ServiceError, status=403):
    message = "Please use virtual hosted style to access."


class SecurityTokenExpired(ServiceError, status=403):
    message = "The security token you provided has expired."


class SignatureDoesNotMatch(ServiceError, status=403, ec="0002-00000040"):
    message = (
        "The request signature we calculated does not match the signature you provided. Check your "
        "key and signing method."
    )


class UserDisable(ServiceError, status=403, ec="0003-00000801"):
    message = "The account is disabled."


# 404


class NoSuchBucket(ServiceError, status=404, ec="0015-00000101"):
    message = "The specified bucket does not exist."


class NoSuchCORSConfiguration(ServiceError, status=404):
    message = "The CORS Configuration does not exist."


class NoSuchKey(ServiceError, status=404, ec="0026-00000001"):
    message = "The specified key does not exist."


class NoSuchLifecycle(ServiceError, status=404, ec="0014-00000080"):
    message = "No Row found in Lifecycle Table."


class NoSuchStyle(ServiceError, status=404):
    message = "No Such Image Style."


class NoSuchUpload(ServiceError, status=404):
    message = (
        "The specified upload does not exist. The upload ID may be invalid, or the upload may have "
        "been aborted or completed."
    )


class NoSuchVersion(ServiceError, status=404):
    message = "The specified version does not exist."


class NoSuchWebsiteConfiguration(ServiceError, status=404):
    message = "The specified bucket does not have a website configuration."


class SymlinkTargetNotExist(ServiceError, status=404):
    message = "The symlink target object does not exist."


# 405


class MethodNotAllowed(ServiceError, status=405, ec="0003-00000016"):
    message = "The specified method is not allowed against this resource."


# 409


class BucketAlreadyExists(ServiceError, status=409, ec="0015-00000104"):
    message = "The requested bucket name is not available. Please select a different name and try again."


class BucketNotEmpty(ServiceError, status=409, ec="0015-00000301"):
    message = "The bucket you tried to delete is not empty."


class FileAlreadyExists(ServiceError, status=409):
    message = "The object you specified already exists and can not be overwritten."


class FileImmutable(ServiceError, status=409):
    message = "The object you specified is immutable."


class ObjectNotAppendable(ServiceError, status=409):
    message = "The object is not appendable"


class PositionNotEqualToLength(ServiceError, status=409, ec="0026-00000016"):
    message = "Position is not equal to file length"


class RestoreAlreadyInProgress(ServiceError, status=409, ec="0016-00000719"):
    message = "The restore operation is in progress."


# 411


class MissingContentLength(ServiceError, status=411):
    message = "You must provide the Content-Length HTTP header."


# 412


class PreconditionFailed(ServiceError, status=412):
    message = "At least one of the pre-conditions you specified did not hold."


# 416


class InvalidRange(ServiceError, status=416):
    message = "The requested range cannot be satisfied"


# 424


class MirrorFailed(ServiceError, status=424):
    message = "The origin that is mirrored failed."


# 500


class InternalError(ServiceError, status=500):
    message = "Please contact the server administrator, oss@service.aliyun.com."


# 503


class ActiveRequestLimitExceeded(ServiceError, status=503):
    message = "Your active request limit is exceeded."


class CpuLimitExceeded(ServiceError, status=503):
    message = "Your CPU limit is exceeded."


class DownloadTrafficRateLimitExceeded(ServiceError, status=503):
    message = "Your download traffic limit is exceeded."


class MetaOperationQpsLimitExceeded(ServiceError, status=503):
    message = "Your metadata operation limit is exceeded."


class ServiceUnavailable(ServiceError, status=503):
    message = "Please reduce your request rate."


class TotalQpsLimitExceeded(ServiceError, status=503):
    message = "Your request rate limit is exceeded."


class UploadTrafficRateLimitExceeded(ServiceError, status=503):
    message = "Your upload traffic limit is exceeded."


_BY_STATUS: dict[int, type[ServiceError]] = {
    304: NotModified,
    403: AccessDenied,
    404: NoSuchKey,
    405: MethodNotAllowed,
    409: FileAlreadyExists,
    411: MissingContentLength,
    412: PreconditionFailed,
    416: InvalidRange,
    500: InternalError,
    503: ServiceUnavailable,
}


def error_class(status: int, code: str = "") -> type[ServiceError]:
    """Return the class for *code*; without a code, the one that *status* alone tells (HEAD has no body)."""
    return ServiceError.by_code.get(code, ServiceError) if code else _BY_STATUS.get(status, ServiceError)
