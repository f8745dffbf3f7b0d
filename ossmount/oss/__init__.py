"""The async OSS client: `Client.send` is the one way out, everything else here builds requests for it.

async with Client(Endpoint.parse("oss-cn-hangzhou.aliyuncs.com"), StaticCredentials(key_id, secret)) as client:
    head, body = await client.bucket("my-bucket").get_object("a/key")
"""

from ..wire.credentials import Credentials
from .bucket import Bucket
from .client import Client, ClientOptions, ClientStatistics
from .credentials import (
    Anonymous,
    Chain,
    CredentialsProvider,
    EnvironmentCredentials,
    OssutilConfig,
    PasswordFile,
    StaticCredentials,
    find_credentials,
)
from .endpoints import Addressing, Endpoint
from .retry import RetryPolicy
from .transport import Transport

__all__ = [
    "Addressing",
    "Anonymous",
    "Bucket",
    "Chain",
    "Client",
    "ClientOptions",
    "ClientStatistics",
    "Credentials",
    "CredentialsProvider",
    "Endpoint",
    "EnvironmentCredentials",
    "OssutilConfig",
    "PasswordFile",
    "RetryPolicy",
    "StaticCredentials",
    "Transport",
    "find_credentials",
]
