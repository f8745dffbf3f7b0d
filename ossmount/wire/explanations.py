"""What each error code means in a few words, and what a person can do about it, in English and in Chinese.

The message of the service says what happened this time; these texts are for those who have not read the reference.

Source: API reference, "Error responses".
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from .failures import (
    BrokenResponse,
    ConnectFailed,
    CredentialsError,
    IntegrityError,
    PartialWriteFailed,
    Redirected,
    ServiceError,
    TimedOut,
)

if TYPE_CHECKING:
    from collections.abc import Mapping

    from .failures import OSSError

Language = Literal["en", "zh"]


@dataclass(frozen=True, slots=True)
class Explanation:
    """A code in words; the remedies are what to do, empty where there is nothing to say."""

    english: str
    chinese: str
    remedy: str = ""
    chinese_remedy: str = ""


EXPLANATIONS: dict[str, Explanation] = {
    "AccessDenied": Explanation(
        "Access denied",
        "拒绝访问",
        "look at the bucket's ACL and the user's policies",
        "检查 Bucket 的 ACL 和用户的授权策略",
    ),
    "AccessForbidden": Explanation(
        "The CORS rules do not allow it",
        "跨域规则不允许该请求",
        "see: ossmount bucket cors",
        "查看跨域规则：ossmount bucket cors",
    ),
    "AccessKeyIdAndSecurityTokenNotMatch": Explanation(
        "Key and security token do not belong together",
        "Access Key ID 与安全令牌不匹配",
        "see which credentials are used: ossmount whoami",
        "查看正在使用的凭证：ossmount whoami",
    ),
    "ActiveRequestLimitExceeded": Explanation(
        "Too many requests at once", "并发请求数超过限制", "send fewer requests", "降低请求频率"
    ),
    "BadRequest": Explanation("The request is not possible", "请求无效"),
    "BucketAlreadyExists": Explanation(
        "The bucket already exists", "Bucket 已经存在", "choose another name", "换一个名字"
    ),
    "BucketNotEmpty": Explanation(
        "The bucket is not empty",
        "Bucket 不为空",
        "delete its objects, with all versions, and abort its unfinished uploads first: "
        "ossmount object rm -r --all-versions, ossmount object abort --all",
        "先删除其中的文件及其所有版本，并取消未完成的分片上传："
        "ossmount object rm -r --all-versions，ossmount object abort --all",
    ),
    "CallbackFailed": Explanation(
        "The callback failed, the object is stored",
        "回调失败，文件已上传成功",
        "the object is stored all the same; see why the application did not answer 200 with JSON",
        "文件已上传成功；请检查应用服务器为何没有返回 200 和 JSON",
    ),
    "CpuLimitExceeded": Explanation(
        "Too much to compute at once", "CPU 使用超过限制", "send fewer requests", "降低请求频率"
    ),
    "DownloadTrafficRateLimitExceeded": Explanation(
        "Downloads are too fast", "下载流量超过限制", "send fewer requests", "降低请求频率"
    ),
    "EntityTooLarge": Explanation("The entity is too large", "实体过大", "upload it in parts", "使用分片上传"),
    "EntityTooSmall": Explanation(
        "The entity is too small",
        "实体过小",
        "all parts but the last have 100 KiB or more",
        "除最后一个外，每个分片不小于 100 KiB",
    ),
    "FieldItemTooLong": Explanation("The fields of the form are too large", "Post 请求中表单域过大"),
    "FileAlreadyExists": Explanation(
        "The object already exists",
        "文件已经存在",
        "choose another name, or allow to overwrite it",
        "换一个名字，或允许覆盖",
    ),
    "FileGroupTooLarge": Explanation("The object group is too large", "文件组过大"),
    "FileImmutable": Explanation("The object is protected from changes", "文件受保护，不可修改"),
    "FilePartInterity": Explanation("A part of the object group has changed", "文件 Part 已改变"),
    "FilePartNotExist": Explanation("A part of the object group does not exist", "文件 Part 不存在"),
    "FilePartStale": Explanation("A part of the object group is out of date", "文件 Part 过时"),
    "ImageDamage": Explanation("The picture may be damaged", "图片可能已损坏"),
    "ImageTooLarge": Explanation("The picture is too large to be processed", "图片过大，无法处理"),
    "IncompleteBody": Explanation("The body ended early", "请求体不完整", "try again", "请重试"),
    "IncorrectNumberOfFilesInPOSTRequest": Explanation("A form must have exactly one file", "Post 请求中文件个数非法"),
    "InternalError": Explanation("Internal error of the service", "OSS 内部发生错误", "try again", "请重试"),
    "InvalidAccessKeyId": Explanation(
        "The access key does not exist",
        "Access Key ID 不存在",
        "see which credentials are used: ossmount whoami",
        "查看正在使用的凭证：ossmount whoami",
    ),
    "InvalidArgument": Explanation("Invalid argument", "参数格式错误"),
    "InvalidBucketName": Explanation(
        "Invalid bucket name",
        "无效的 Bucket 名字",
        "3 to 63 of a-z, 0-9 and -, no - at the ends",
        "3 到 63 个字符，只能用 a-z、0-9 和 -，首尾不能是 -",
    ),
    "InvalidCRC64": Explanation("The bytes were damaged on their way", "数据校验错误", "try again", "请重试"),
    "InvalidDigest": Explanation(
        "Invalid digest", "无效的摘要", "the bytes were damaged on their way: try again", "数据在传输中损坏，请重试"
    ),
    "InvalidEncryptionAlgorithmError": Explanation("Invalid encryption algorithm", "指定的熵编码加密算法错误"),
    "InvalidLinkName": Explanation(
        "The link has the name of the object it points at", "Object Link 与指向的 Object 同名"
    ),
    "InvalidLocationConstraint": Explanation(
        "There is no such region", "无效的数据中心", "see: ossmount regions", "查看地域列表：ossmount regions"
    ),
    "InvalidObjectName": Explanation(
        "Invalid object name",
        "无效的 Object 名字",
        "1 to 1023 bytes, not beginning with /",
        "1 到 1023 字节，不能以 / 开头",
    ),
    "InvalidObjectState": Explanation(
        "The object is archived",
        "Object 处于归档状态",
        "restore it first: ossmount object restore",
        "请先解冻：ossmount object restore",
    ),
    "InvalidPart": Explanation("Invalid part", "无效的 Part"),
    "InvalidPartOrder": Explanation("Invalid order of parts", "无效的 part 顺序"),
    "InvalidPolicyDocument": Explanation("Invalid policy", "无效的 Policy 文档"),
    "InvalidRange": Explanation(
        "There is no such range",
        "无效的范围",
        "see how long it is: ossmount object head",
        "查看文件长度：ossmount object head",
    ),
    "InvalidRequest": Explanation("Invalid request", "请求无效"),
    "InvalidSecurityToken": Explanation(
        "Invalid security token", "无效的安全令牌", "get new credentials", "获取新的凭证"
    ),
    "InvalidTag": Explanation(
        "Invalid tag",
        "无效的标签",
        "up to 10 tags, with keys of 1 to 128 and values of up to 256 bytes",
        "最多 10 个标签，键 1 到 128 字节，值不超过 256 字节",
    ),
    "InvalidTargetBucketForLogging": Explanation(
        "Invalid target bucket for logging",
        "Logging 操作中有无效的目标 bucket",
        "it must be one's own, in the same region",
        "目标 Bucket 必须属于同一用户并在同一地域",
    ),
    "InvalidTargetType": Explanation(
        "The symlink points at a symlink",
        "软链接指向的文件类型无效",
        "point it at the object itself",
        "请直接指向该文件",
    ),
    "KmsServiceNotEnabled": Explanation(
        "The key management service is not enabled", "未开通 KMS 服务", "enable it in the console", "在控制台开通"
    ),
    "LinkPartNotExist": Explanation("The link points at no object", "Object Link 中指向的 Object 不存在"),
    "MalformedPOSTRequest": Explanation("The form is not well-formed", "Post 请求的 body 格式非法"),
    "MalformedXML": Explanation("The XML is not well-formed", "XML 格式非法"),
    "MaxPOSTPreDataLengthExceededError": Explanation(
        "There is too much before the file of the form", "Post 请求上传文件内容之外的 body 过大"
    ),
    "MetaOperationQpsLimitExceeded": Explanation(
        "Too many operations on metadata", "元数据操作频率超过限制", "send fewer requests", "降低请求频率"
    ),
    "MethodNotAllowed": Explanation("The method is not allowed", "不支持的方法"),
    "MirrorFailed": Explanation(
        "The origin that is mirrored failed",
        "镜像回源失败",
        "see: ossmount bucket website",
        "查看回源规则：ossmount bucket website",
    ),
    "MissingArgument": Explanation("An argument is missing", "缺少参数"),
    "MissingContentLength": Explanation("The length of the body is missing", "缺少内容长度"),
    "NoSuchBucket": Explanation(
        "The bucket does not exist", "Bucket 不存在", "see: ossmount bucket ls", "查看 Bucket 列表：ossmount bucket ls"
    ),
    "NoSuchCORSConfiguration": Explanation(
        "There are no CORS rules", "未设置跨域规则", "set some: ossmount bucket cors", "设置：ossmount bucket cors"
    ),
    "NoSuchKey": Explanation(
        "The object does not exist", "文件不存在", "see: ossmount object ls", "查看文件列表：ossmount object ls"
    ),
    "NoSuchLifecycle": Explanation(
        "There are no lifecycle rules",
        "未设置生命周期规则",
        "set some: ossmount bucket lifecycle",
        "设置：ossmount bucket lifecycle",
    ),
    "NoSuchStyle": Explanation(
        "The style does not exist",
        "图片样式不存在",
        "see: ossmount image style ls",
        "查看图片样式：ossmount image style ls",
    ),
    "NoSuchUpload": Explanation(
        "The upload does not exist",
        "Multipart Upload ID 不存在",
        "it was completed or aborted; see: ossmount object uploads",
        "该上传已经完成或已被取消，查看：ossmount object uploads",
    ),
    "NoSuchVersion": Explanation(
        "The version does not exist",
        "版本不存在",
        "see: ossmount object ls --versions",
        "查看版本列表：ossmount object ls --versions",
    ),
    "NoSuchWebsiteConfiguration": Explanation(
        "The bucket is no website",
        "未设置静态网站托管",
        "make it one: ossmount bucket website",
        "设置：ossmount bucket website",
    ),
    "NotImplemented": Explanation("Not implemented", "无法处理的方法"),
    "NotModified": Explanation("Not modified", "文件未修改"),
    "NotSymlink": Explanation("The object is no symlink", "文件不是软链接"),
    "ObjectLinkTooLarge": Explanation("Too many links to this object", "Object Link 中 Object 个数过多"),
    "ObjectNotAppendable": Explanation(
        "The object is not appendable",
        "文件不支持追加写",
        "only what was made by appending can be appended to",
        "只有通过追加方式创建的文件才能追加",
    ),
    "OperationNotSupported": Explanation("Not possible with this object", "该文件不支持此操作"),
    "PartNotSequential": Explanation("The parts are not sequential", "分片不连续"),
    "PositionNotEqualToLength": Explanation(
        "The object has another length",
        "追加位置和文件长度不等",
        "see how long it is: ossmount object head",
        "查看文件长度：ossmount object head",
    ),
    "PreconditionFailed": Explanation("A precondition failed", "预处理错误"),
    "RequestIsNotMultiPartContent": Explanation("The request is no form", "Post 请求 content-type 非法"),
    "RequestTimeTooSkewed": Explanation(
        "The time of the request is more than 15 minutes off",
        "发起请求的时间和服务器时间超出 15 分钟",
        "set the clock of this machine",
        "校准本机时间",
    ),
    "RequestTimeout": Explanation("The request took too long", "请求超时", "try again", "请重试"),
    "RestoreAlreadyInProgress": Explanation(
        "The object is being restored already",
        "文件正在解冻",
        "wait, and see: ossmount object head",
        "请稍候，查看：ossmount object head",
    ),
    "SecondLevelDomainForbidden": Explanation(
        "The bucket must be part of the host name",
        "请使用三级域名访问",
        "make the bucket part of the host name: --addressing virtual",
        "使用三级域名：--addressing virtual",
    ),
    "SecurityTokenExpired": Explanation(
        "The security token has expired", "安全令牌已过期", "get new credentials", "获取新的凭证"
    ),
    "ServiceUnavailable": Explanation(
        "The service is too busy", "服务暂时不可用", "send fewer requests", "降低请求频率"
    ),
    "SignatureDoesNotMatch": Explanation(
        "Invalid signature", "签名错误", "look at the access key secret", "检查 Access Key Secret"
    ),
    "SymlinkTargetNotExist": Explanation(
        "The symlink points at no object",
        "软链接指向的文件不存在",
        "see where it points: ossmount object symlink",
        "查看软链接指向：ossmount object symlink",
    ),
    "TooManyBuckets": Explanation(
        "There are too many buckets",
        "用户的 Bucket 数目超过限制",
        "100 in a region are possible",
        "每个地域最多 100 个",
    ),
    "TotalQpsLimitExceeded": Explanation(
        "Too many requests", "请求频率超过限制", "send fewer requests", "降低请求频率"
    ),
    "UploadTrafficRateLimitExceeded": Explanation(
        "Uploads are too fast", "上传流量超过限制", "send fewer requests", "降低请求频率"
    ),
    "UserDisable": Explanation(
        "The account is disabled", "用户被禁用", "see whether there are bills to be paid", "检查账户是否欠费"
    ),
    "WatermarkError": Explanation("Invalid watermark", "无效的水印"),
}


# What is no answer of the service.
_OTHERS: tuple[tuple[type[OSSError], Explanation], ...] = (
    (
        CredentialsError,
        Explanation(
            "No credentials",
            "没有可用的凭证",
            "set OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET, or --passwd-file; see: ossmount whoami",
            "设置 OSS_ACCESS_KEY_ID 和 OSS_ACCESS_KEY_SECRET，或使用 --passwd-file；查看：ossmount whoami",
        ),
    ),
    (
        ConnectFailed,
        Explanation(
            "No connection",
            "无法连接",
            "see that the endpoint and the region are right",
            "检查 endpoint 和 region 是否正确",
        ),
    ),
    (
        Redirected,
        Explanation(
            "Redirected",
            "请求被重定向",
            "see that the endpoint and the region are right",
            "检查 endpoint 和 region 是否正确",
        ),
    ),
    (TimedOut, Explanation("It took too long", "请求超时", "try again", "请重试")),
    (BrokenResponse, Explanation("The answer broke off", "响应不完整", "try again", "请重试")),
    (
        PartialWriteFailed,
        Explanation(
            "Not all endpoints have it",
            "部分 endpoint 写入失败",
            "mend that and try again, which brings all to the same",
            "解决后请重试，重试会使各 endpoint 一致",
        ),
    ),
    (IntegrityError, Explanation("The bytes were damaged on their way", "数据在传输中损坏", "try again", "请重试")),
)


def language_of(environ: Mapping[str, str]) -> Language:
    """Return the language of messages that *environ* asks for (``LC_ALL``, ``LC_MESSAGES``, ``LANG``: locale(7))."""
    said = next((environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if environ.get(name)), "")
    return "zh" if said.lower().startswith("zh") else "en"


def explain(error: OSSError, language: Language = "en") -> str:
    """Return what *error* means; what it says itself where we know no better."""
    known = _known(error)
    if known is None:
        return error.message if isinstance(error, ServiceError) else str(error)
    return known.chinese if language == "zh" else known.english


def remedy(error: OSSError, language: Language = "en") -> str:
    """Return what a person can do about *error*, or the empty string."""
    known = _known(error)
    if known is None:
        return ""
    return known.chinese_remedy if language == "zh" else known.remedy


def _known(error: OSSError) -> Explanation | None:
    if isinstance(error, ServiceError):
        return EXPLANATIONS.get(error.code)
    return next((known for kind, known in _OTHERS if isinstance(error, kind)), None)
