"""What an object is told about the file that it is made of, besides its bytes: metadata and headers."""

from __future__ import annotations

import mimetypes
from typing import TYPE_CHECKING, Any

from ..tree import attributes as attrs

if TYPE_CHECKING:
    from ..tree.attributes import Defaults
    from ..tree.inodes import Node


def meta_of(node: Node, defaults: Defaults) -> dict[str, str]:
    """Return the user metadata of the object of *node*: its attributes as they are, and what else it had."""
    return attrs.merge_meta(node.meta or {}, node.attributes, defaults)


def headers_of(node: Node) -> dict[str, str]:
    """Return the headers of the object of *node*: those it had, or a content type by its name."""
    headers = dict(node.headers or {})
    if "content-type" not in headers:
        guessed, encoding = mimetypes.guess_type(node.name.decode())
        headers["content-type"] = guessed if guessed and not encoding else "application/octet-stream"
    return headers


def staged_data(node: Node, defaults: Defaults) -> dict[str, Any]:
    """Return what is to be known of the staged file of *node* should the daemon die before it is committed."""
    if node.is_unlinked:
        return {"orphan": True}
    return {"meta": meta_of(node, defaults), "headers": headers_of(node), "replaces": node.remote}
