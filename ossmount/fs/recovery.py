"""After a crash: the view as it was, from the log and the staged files that an earlier daemon left behind.

Intents are taken up in their order, each making the same change of the view that it made when it was logged.  A
staged file without an intent was open when the daemon died: what had been written of it is committed, as a disk would
have kept it.  A staged file that the log does not know (its database was moved away) is committed under another name,
since nobody knows any more what became of its own.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from ..tree import attributes as attrs
from ..tree.attributes import Kind
from ..tree.inodes import Directory
from ..tree.keys import Refusal, parent_of
from ..tree.lookup import KindChanged
from ..wire.errors import NoSuchKey
from ..writing.intents import Intent, StagedRow, Verb

if TYPE_CHECKING:
    from ..tree.inodes import Node
    from ..writing.staging import Staged
    from .filesystem import FileSystem

log = logging.getLogger(__name__)


class Recovery:
    """Rebuilds the view of one filesystem."""

    def __init__(self, filesystem: FileSystem) -> None:
        """Rebuild the view of *filesystem*, which serves nobody yet."""
        self._fs = filesystem
        self._rooms = filesystem.rooms
        self._staged: dict[str, Staged] = {}
        self._rows: dict[str, StagedRow] = {}

    async def run(self) -> int:
        """Take up everything; return how many changes are to be carried out.  Call it before the executor runs."""
        rooms = self._rooms
        self._staged = {staged.id: staged for staged in rooms.staging.recover()}
        self._rows = rooms.log.load_staged()
        for intent in rooms.executor.restore():
            rooms.changes.take_up(intent, rooms.inodes.root, [])
            try:
                await self._take_up(intent)
            except NoSuchKey as exc:
                log.warning("%r: %s", intent, exc)
        for staged in list(self._staged.values()):
            self._commit_rest(staged)
        for staged_id in self._rows:
            rooms.log.unstage(staged_id)
        pending = rooms.executor.live
        if pending:
            log.warning("%d changes of an earlier mount are still to be carried out", len(pending))
        return len(pending)

    async def _take_up(self, intent: Intent) -> None:
        match intent.verb:
            case Verb.PUT:
                self._take_up_put(intent)
            case Verb.DELETE:
                node = self._find(intent.key)
                parent, name = self._place(intent.key)
                if node is not None:
                    self._rooms.inodes.detach(node)
                self._rooms.changes.take_up(intent, node or parent, [(parent, name)])
            case Verb.RENAME:
                await self._take_up_rename(intent)
            case Verb.MKDIR:
                node = self._make(intent.key, intent.data["meta"])
                if node.directory is not None and any(
                    each.is_tree and each.key == intent.key for each in intent.blockers
                ):
                    node.directory.prefix = None  # what is in the bucket there is still to be moved away
                self._take_up_node(intent, node)
            case Verb.SYMLINK:
                node = self._make(intent.key, intent.data["meta"], kind=Kind.SYMLINK)
                node.link = intent.data["text"].encode("utf-8", "surrogateescape")
                node.size = len(node.link)
                self._take_up_node(intent, node)
            case Verb.UPDATE:
                await self._take_up_update(intent)
            case Verb.ACL | Verb.TAGS:
                parent, name = self._place(intent.key)
                self._rooms.changes.take_up(intent, self._find(intent.key) or parent, [(parent, name)])

    def _take_up_node(self, intent: Intent, node: Node) -> None:
        assert node.parent is not None
        self._rooms.changes.take_up(intent, node, [(node.parent, node.name)])

    def _take_up_put(self, intent: Intent) -> None:
        staged = self._staged.pop(intent.data["staged"], None)
        row = self._rows.pop(intent.data["staged"], None)
        if staged is None:
            # It had been carried out, and the crash came between discarding the bytes and forgetting the intent.
            self._rooms.executor.drop(intent)
            return
        node = self._make(intent.key, intent.data["meta"])
        node.headers = intent.data["headers"]
        node.size, node.remote = staged.size, intent.data["replaces"]
        file = self._fs.file(node)
        file.recover(staged, row.upload if row is not None else None)
        file.put = intent
        intent.upload = file.upload_for(intent.key)
        self._take_up_node(intent, node)

    async def _take_up_rename(self, intent: Intent) -> None:
        rooms = self._rooms
        parent, name = self._place(intent.key)
        new_parent, new_name = self._place(intent.target)
        node = self._find(intent.key)
        if node is None and intent.is_tree:
            node = self._make(intent.key, {})
            node.known = False
            assert node.directory is not None
            # What it is in may have been renamed as well, and not be copied yet.
            node.directory.prefix = intent.target if intent.data.get("copied") else _below(parent, name) or intent.key
        elif node is None:
            node = await rooms.lookup.child(parent, name) or await rooms.lookup.child(new_parent, new_name)
            if node is None:  # copied and deleted already, and what came of it too
                rooms.changes.take_up(intent, new_parent, [(parent, name), (new_parent, new_name)])
                return
        if not node.known and not intent.data.get("copied"):
            with suppress(OSError, KindChanged):  # told to whoever looks at it
                await rooms.lookup.attributes(node)
        node.remote = True
        rooms.inodes.move(node, new_parent, new_name)
        rooms.changes.take_up(intent, node, [(parent, name), (new_parent, new_name)])

    async def _take_up_update(self, intent: Intent) -> None:
        parent, name = self._place(intent.key)
        node = self._find(intent.key)
        if node is None:
            node = await self._rooms.lookup.child(parent, name)
        if node is None:  # whether it has gone is seen when it is carried out
            self._rooms.changes.take_up(intent, parent, [(parent, name)])
            return
        defaults = self._rooms.beliefs.defaults
        node.meta = intent.data["full"]
        node.attributes = attrs.from_meta(intent.data["full"], intent.created, defaults, kind=node.kind)
        node.known = True
        self._take_up_node(intent, node)

    def _commit_rest(self, staged: Staged) -> None:
        row = self._rows.pop(staged.id, None)
        base = staged.base
        is_clean = base is not None and not staged.dirty and staged.size == staged.base_size == base.size
        if is_clean or (row is not None and row.data.get("orphan")) or (row is None and not staged.dirty):
            staged.discard()
            self._rooms.log.unstage(staged.id)
            return
        key = row.key if row is not None else f"{staged.key}.recovered-{staged.id}"
        data: dict[str, Any] = row.data if row is not None else {"meta": {}, "headers": {}, "replaces": False}
        if isinstance(self._rooms.beliefs.keys.path_of(key), Refusal):
            log.error("the staged file %s is kept: its key %r can be no path here", staged.path, key)
            return
        log.warning("%r was being written when the mount ended; it is kept as it was then, %d bytes", key, staged.size)
        node = self._make(key, data["meta"])
        if staged.written_ns > node.attributes.ctime_ns:
            node.attributes.mtime_ns = node.attributes.ctime_ns = staged.written_ns
        node.headers = data["headers"]
        node.size, node.remote = staged.size, data["replaces"] or base is not None
        self._rooms.log.stage(staged.id, key, data)
        file = self._fs.file(node)
        file.recover(staged, row.upload if row is not None else None)
        file.is_dirty = True
        file.commit()

    # The tree

    def _place(self, key: str) -> tuple[Node, bytes]:
        """Return the directory in which *key* appears, and its name there."""
        keys = self._rooms.beliefs.keys
        name = keys.name_of(key, parent_of(key))
        assert isinstance(name, bytes)
        return self._directory(parent_of(key)), name

    def _directory(self, key: str) -> Node:
        """Return the node of the directory *key*, made if need be."""
        path = self._rooms.beliefs.keys.path_of(key)
        assert not isinstance(path, Refusal)
        node = self._rooms.inodes.root
        for name in path:
            assert node.directory is not None
            child = node.directory.children.get(name)
            if child is None or child.directory is None:
                child = self._new(node, name, Kind.DIRECTORY, Directory(_below(node, name)))
            node = child
        return node

    def _find(self, key: str) -> Node | None:
        parent, name = self._place(key)
        assert parent.directory is not None
        return parent.directory.children.get(name)

    def _make(self, key: str, meta: dict[str, str], *, kind: Kind | None = None) -> Node:
        parent, name = self._place(key)
        is_directory = key.endswith("/")
        assert parent.directory is not None
        kind = kind or attrs.kind_of(meta, directory=is_directory)
        node = parent.directory.children.get(name)
        if node is None or node.kind is not kind:
            node = self._new(parent, name, kind, Directory(key) if is_directory else None)
        node.known, node.meta = True, meta
        node.attributes = attrs.from_meta(meta, 0.0, self._rooms.beliefs.defaults, kind=kind)
        return node

    def _new(self, parent: Node, name: bytes, kind: Kind, directory: Directory | None) -> Node:
        rooms = self._rooms
        made = attrs.from_meta({}, 0.0, rooms.beliefs.defaults, kind=kind)
        node = rooms.inodes.make(parent, name, made, directory=directory)
        node.meta, node.headers = {}, {}
        return node


def _below(parent: Node, name: bytes) -> str | None:
    """Return where in the bucket the directory *name* of *parent* is, if it is there."""
    above = parent.directory.prefix if parent.directory is not None else None
    return None if above is None else f"{above}{name.decode()}/"
