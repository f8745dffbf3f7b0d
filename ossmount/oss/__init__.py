"""The async OSS client: `Client.send` is the one way out, everything else here builds requests for it.

async with Client(Endpoint.parse("oss-cn-hangzhou.aliyuncs.com"), StaticCredentials(key_id, secret)) as client:
    head, body = await client.bucket("my-bucket").get_object("a/key")

`ossmount.oss.blocking` is the same for plain scripts.
"""

from ..wire.access import Logging, Referer
from ..wire.callback import Callback
from ..wire.cors import CORS, CORSRule
from ..wire.credentials import Credentials
from ..wire.lifecycle import (
    AbortMultipartUpload,
    Expiration,
    Lifecycle,
    LifecycleRule,
    NoncurrentTransition,
    Transition,
)
from ..wire.website import Website
from .bucket import Bucket
from .checkpoints import CheckpointError
from .client import Client, ClientOptions
from .cluster import Cluster, PartialWriteFailed, open_cluster
from .credentials import (
    Anonymous,
    CredentialsProvider,
    EnvironmentCredentials,
    OssutilConfig,
    PasswordFile,
    StaticCredentials,
)
from .endpoints import Addressing, Endpoint
from .finding import Chain, find_credentials
from .image import ImageClient
from .profiles import Profile
from .regions import REGIONS, Region, find_region
from .retry import RetryPolicy
from .statistics import ClientStatistics
from .sts import STS, sts_endpoint
from .temporary import (
    AssumeRole,
    AssumeRoleWithOIDC,
    CredentialProcess,
    CredentialsURI,
    EcsRamRole,
    Temporary,
)
from .transport import Transport

__all__ = [
    "CORS",
    "REGIONS",
    "STS",
    "AbortMultipartUpload",
    "Addressing",
    "Anonymous",
    "AssumeRole",
    "AssumeRoleWithOIDC",
    "Bucket",
    "CORSRule",
    "Callback",
    "Chain",
    "CheckpointError",
    "Client",
    "ClientOptions",
    "ClientStatistics",
    "Cluster",
    "CredentialProcess",
    "Credentials",
    "CredentialsProvider",
    "CredentialsURI",
    "EcsRamRole",
    "Endpoint",
    "EnvironmentCredentials",
    "Expiration",
    "ImageClient",
    "Lifecycle",
    "LifecycleRule",
    "Logging",
    "NoncurrentTransition",
    "OssutilConfig",
    "PartialWriteFailed",
    "PasswordFile",
    "Profile",
    "Referer",
    "Region",
    "RetryPolicy",
    "StaticCredentials",
    "Temporary",
    "Transition",
    "Transport",
    "Website",
    "find_credentials",
    "find_region",
    "open_cluster",
    "sts_endpoint",
]
