"""What each error code means in a few words, in English and in Chinese, and what a person can do about it.

The message of the service says what happened this time; these texts are for those who have not read the reference.

Source: API reference, "Error responses".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from .failures import ServiceError

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code in words; *remedy* is what to do, empty where there is nothing to say."""

    english: str
    chinese: str
    remedy: str = ""


EXPLANATIONS: dict[str, Explanation] = {
    "AccessDenied": Explanation("Access denied", "拒绝访问", "look at the bucket's ACL and the user's policies"),
    "BucketAlreadyExists": Explanation("The bucket already exists", "Bucket 已经存在", "choose another name"),
    "BucketNotEmpty": Explanation(
        "The bucket is not empty", "Bucket 不为空", "delete its objects and abort its unfinished uploads first"
    ),
    "CallbackFailed": Explanation("The callback failed, the object is stored", "回调失败，文件已上传成功"),
    "EntityTooLarge": Explanation("The entity is too large", "实体过大", "upload it in parts"),
    "EntityTooSmall": Explanation("The entity is too small", "实体过小", "all parts but the last have 100 KiB or more"),
    "FieldItemTooLong": Explanation("The fields of the form are too large", "Post 请求中表单域过大"),
    "FileAlreadyExists": Explanation("The object already exists", "文件已经存在"),
    "FileGroupTooLarge": Explanation("The object group is too large", "文件组过大"),
    "FileImmutable": Explanation("The object is protected from changes", "文件受保护，不可修改"),
    "FilePartInterity": Explanation("A part of the object group has changed", "文件 Part 已改变"),
    "FilePartNotExist": Explanation("A part of the object group does not exist", "文件 Part 不存在"),
    "FilePartStale": Explanation("A part of the object group is out of date", "文件 Part 过时"),
    "IncompleteBody": Explanation("The body ended early", "请求体不完整"),
    "IncorrectNumberOfFilesInPOSTRequest": Explanation("A form must have exactly one file", "Post 请求中文件个数非法"),
    "InternalError": Explanation("Internal error of the service", "OSS 内部发生错误", "try again"),
    "InvalidAccessKeyId": Explanation(
        "The access key does not exist", "Access Key ID 不存在", "see which credentials are used: ossmount whoami"
    ),
    "InvalidArgument": Explanation("Invalid argument", "参数格式错误"),
    "InvalidBucketName": Explanation(
        "Invalid bucket name", "无效的 Bucket 名字", "3 to 63 of a-z, 0-9 and -, no - at the ends"
    ),
    "InvalidDigest": Explanation("Invalid digest", "无效的摘要", "the bytes were damaged on their way: try again"),
    "InvalidEncryptionAlgorithmError": Explanation("Invalid encryption algorithm", "指定的熵编码加密算法错误"),
    "InvalidLinkName": Explanation(
        "The link has the name of the object it points at", "Object Link 与指向的 Object 同名"
    ),
    "InvalidLocationConstraint": Explanation("There is no such region", "无效的数据中心", "see: ossmount regions"),
    "InvalidObjectName": Explanation(
        "Invalid object name", "无效的 Object 名字", "1 to 1023 bytes, not beginning with /"
    ),
    "InvalidObjectState": Explanation(
        "The object is archived", "Object 处于归档状态", "restore it first: ossmount object restore"
    ),
    "InvalidPart": Explanation("Invalid part", "无效的 Part"),
    "InvalidPartOrder": Explanation("Invalid order of parts", "无效的 part 顺序"),
    "InvalidPolicyDocument": Explanation("Invalid policy", "无效的 Policy 文档"),
    "InvalidRange": Explanation("There is no such range", "无效的范围"),
    "InvalidTargetBucketForLogging": Explanation(
        "Invalid target bucket for logging",
        "Logging 操作中有无效的目标 bucket",
        "it must be one's own, in the same region",
    ),
    "LinkPartNotExist": Explanation("The link points at no object", "Object Link 中指向的 Object 不存在"),
    "MalformedPOSTRequest": Explanation("The form is not well-formed", "Post 请求的 body 格式非法"),
    "MalformedXML": Explanation("The XML is not well-formed", "XML 格式非法"),
    "MaxPOSTPreDataLengthExceededError": Explanation(
        "There is too much before the file of the form", "Post 请求上传文件内容之外的 body 过大"
    ),
    "MethodNotAllowed": Explanation("The method is not allowed", "不支持的方法"),
    "MissingArgument": Explanation("An argument is missing", "缺少参数"),
    "MissingContentLength": Explanation("The length of the body is missing", "缺少内容长度"),
    "NoSuchBucket": Explanation("The bucket does not exist", "Bucket 不存在", "see: ossmount bucket ls"),
    "NoSuchKey": Explanation("The object does not exist", "文件不存在"),
    "NoSuchUpload": Explanation(
        "The upload does not exist", "Multipart Upload ID 不存在", "it was completed or aborted"
    ),
    "NoSuchVersion": Explanation("The version does not exist", "版本不存在"),
    "NotImplemented": Explanation("Not implemented", "无法处理的方法"),
    "NotModified": Explanation("Not modified", "文件未修改"),
    "ObjectLinkTooLarge": Explanation("Too many links to this object", "Object Link 中 Object 个数过多"),
    "ObjectNotAppendable": Explanation("The object is not appendable", "文件不支持追加写"),
    "PositionNotEqualToLength": Explanation("The object has another length", "追加位置和文件长度不等"),
    "PreconditionFailed": Explanation("A precondition failed", "预处理错误"),
    "RequestIsNotMultiPartContent": Explanation("The request is no form", "Post 请求 content-type 非法"),
    "RequestTimeTooSkewed": Explanation(
        "The time of the request is more than 15 minutes off",
        "发起请求的时间和服务器时间超出 15 分钟",
        "set the clock of this machine",
    ),
    "RequestTimeout": Explanation("The request took too long", "请求超时", "try again"),
    "SecondLevelDomainForbidden": Explanation(
        "The bucket must be part of the host name", "请使用三级域名访问", "use virtual-host addressing"
    ),
    "SecurityTokenExpired": Explanation("The security token has expired", "安全令牌已过期", "get new credentials"),
    "ServiceUnavailable": Explanation("The service is too busy", "服务暂时不可用", "send fewer requests"),
    "SignatureDoesNotMatch": Explanation("Invalid signature", "签名错误", "look at the access key secret"),
    "SymlinkTargetNotExist": Explanation("The symlink points at no object", "软链接指向的文件不存在"),
    "TooManyBuckets": Explanation(
        "There are too many buckets", "用户的 Bucket 数目超过限制", "100 in a region are possible"
    ),
    "UserDisable": Explanation("The account is disabled", "用户被禁用", "see whether there are bills to be paid"),
}


def explain(error: ServiceError, language: Language = "en") -> str:
    """Return what *error* means; the service's message where we know no better."""
    known = EXPLANATIONS.get(error.code)
    if known is None:
        return error.message
    return known.chinese if language == "zh" else known.english


def remedy(error: ServiceError) -> str:
    """Return what a person can do about *error*, or the empty string."""
    known = EXPLANATIONS.get(error.code)
    return known.remedy if known is not None else ""
