"""From nodes to the structures of pyfuse3, and back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pyfuse3

from ..fs.handles import AttributeChange

if TYPE_CHECKING:
    from ..tree.inodes import Node

_BLOCK = 512  # the unit of st_blocks, stat(2)
_IO_SIZE = 1 << 20  # what programs should read and write at once: stdio and cp go by it


def entry_of(node: Node, *, timeout: float, known_timeout: float | None = None) -> pyfuse3.EntryAttributes:
    """Return the attributes of *node*, to be believed by the kernel for *timeout* seconds; inexact ones not at
    all.
    """
    entry = pyfuse3.EntryAttributes()
    attributes = node.attributes
    entry.st_ino = pyfuse3.InodeT(node.ino)
    entry.generation = 0
    entry.entry_timeout = timeout
    entry.attr_timeout = timeout if node.known else (known_timeout or 0.0)
    entry.st_mode = pyfuse3.ModeT(attributes.st_mode)
    entry.st_nlink = 0 if node.is_unlinked else 2 if node.is_directory else 1
    entry.st_uid = attributes.uid
    entry.st_gid = attributes.gid
    entry.st_rdev = attributes.rdev
    entry.st_size = node.size
    entry.st_blksize = _IO_SIZE
    entry.st_blocks = -(-node.size // _BLOCK)
    entry.st_atime_ns = attributes.atime_ns
    entry.st_mtime_ns = attributes.mtime_ns
    entry.st_ctime_ns = attributes.ctime_ns
    return entry


def change_of(attributes: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> AttributeChange:
    """Return what a setattr request wants changed."""
    return AttributeChange(
        size=attributes.st_size if fields.update_size else None,
        mode=attributes.st_mode if fields.update_mode else None,
        uid=attributes.st_uid if fields.update_uid else None,
        gid=attributes.st_gid if fields.update_gid else None,
        mtime_ns=attributes.st_mtime_ns if fields.update_mtime else None,
        atime_ns=attributes.st_atime_ns if fields.update_atime else None,
    )
