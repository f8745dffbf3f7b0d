"""The signature of Alibaba Cloud's RPC services, of which the Security Token Service is one.

Source: "Request syntax and signature method of RPC-style API operations".
"""

from __future__ import annotations

import hmac
from base64 import b64encode
from hashlib import sha1
from typing import TYPE_CHECKING

from .message import encode_value

if TYPE_CHECKING:
    from collections.abc import Mapping


def string_to_sign(method: str, parameters: Mapping[str, str]) -> str:
    """Return what is signed: method, path and the sorted *parameters* (without ``Signature``), encoded twice."""
    query = "&".join(f"{encode_value(name)}={encode_value(parameters[name])}" for name in sorted(parameters))
    return f"{method}&{encode_value('/')}&{encode_value(query)}"


def signature(access_key_secret: str, text: str) -> str:
    """Sign *text*: HMAC-SHA1 in base64."""
    return b64encode(hmac.digest(f"{access_key_secret}&".encode(), text.encode(), sha1)).decode()
