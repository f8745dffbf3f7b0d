"""Where the view and the log of intents are kept in step.

Each method makes one change: it appends the intent (or makes the change part of one that has not started), marks the
names as touched and returns, without an await.  What becomes of the intent comes back through `done`, `failed`,
`dropped` and `moved`, which `writing` calls between two awaits; there the success becomes a belief.

Coalescing, all for intents that have not started: a second write of a file and a change of its attributes are part of
its PUT; unlink of a file that only exists here is nothing at all; rename of such a file is a PUT under the new name;
two changes of attributes are one.
"""

from __future__ import annotations

import logging
import time
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import trio

from ..tree import attributes as attrs
from ..writing.intents import Intent, State, Verb

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ..tree.beliefs import Beliefs
    from ..tree.inodes import Node
    from ..tree.memory import Memory
    from ..wire.models import Source
    from ..writing.carrying import Carried, Moved
    from ..writing.executor import Executor
    from ..writing.intents import IntentLog
    from .files import OpenFile

log = logging.getLogger(__name__)


@dataclass(slots=True)
class Subject:
    """What an intent is about: its node, and the names that it touches."""

    node: Node
    names: list[tuple[Node, bytes]] = field(default_factory=list)


class Changes:
    """Makes changes of the view and of the log together."""

    def __init__(
        self, executor: Executor, intents: IntentLog, beliefs: Beliefs, memory: Memory, orphans: set[OpenFile]
    ) -> None:
        """Join *executor* and *beliefs*; the executor's observer is this object.  *orphans* are unlinked and still
        open.
        """
        self.executor = executor
        self.log = intents
        self._beliefs = beliefs
        self._inodes = beliefs.inodes
        self._memory = memory
        self.orphans = orphans
        self.unlogged: set[OpenFile] = set()  # closed, and their changes could not be logged then
        executor.observer = self

    # Changes

    def put(self, file: OpenFile, data: dict[str, Any]) -> Intent:
        """Log that the staged bytes of *file* are to become its object."""
        node = file.node
        intent = file.put
        if intent is not None and intent.live and not intent.started:
            intent.data = data
            intent.upload = file.upload_for(intent.key)
            self.executor.amend(intent)
            self.executor.release(intent)
            return intent
        key = self._inodes.key_of(node)
        intent = self._append(Verb.PUT, node, key, data=data, upload=file.upload_for(key))
        file.put = intent
        return intent

    def delete(self, node: Node) -> Intent | None:
        """Log that *node*, a file or link that has just lost its name, goes from the bucket too.

        Returns None if the bucket never heard of it.
        """
        key = self._inodes.key_of(node)
        void = self._void_before_delete(node, key)
        if not node.remote and self.executor.touching(key) <= set(void):
            self._drop(void)
            return None
        return self._append(Verb.DELETE, node, key, instead_of=void)

    def remove_directory(self, node: Node) -> Intent | None:
        """Log that the marker of the empty directory *node* goes; None if there is none to go."""
        key = self._inodes.key_of(node)
        void = [
            intent
            for intent in self.executor.touching(key)
            if self._is_last(intent, key) and intent.verb in {Verb.MKDIR, Verb.UPDATE}
        ]
        for intent in self.executor.inside(key):
            # Until it is carried out, a listing of the parent would bring the directory back.
            intent.subject.names.append(self._name(node))
            self._beliefs.touch(*self._name(node))
        directory = node.directory
        assert directory is not None
        made_here = any(intent.verb is Verb.MKDIR and intent.data.get("fresh") for intent in void)
        if made_here or directory.marker is False:
            others = self.executor.touching(key) - set(void)
            if not others and not any(intent.tried for intent in void):
                self._drop(void)
                return None
        return self._append(Verb.DELETE, node, key, instead_of=void)

    def make_directory(self, node: Node, meta: dict[str, str]) -> Intent:
        """Log that the directory *node* gets a marker with *meta*."""
        assert node.directory is not None
        data = {"meta": meta, "fresh": node.directory.marker is False}
        intent = self._append(Verb.MKDIR, node, self._inodes.key_of(node), data=data)
        node.directory.marker = True
        return intent

    def make_symlink(self, node: Node, data: dict[str, Any]) -> Intent:
        """Log that *node* becomes a symbolic link."""
        return self._append(Verb.SYMLINK, node, self._inodes.key_of(node), data=data)

    def update(self, node: Node, meta: dict[str, str], headers: dict[str, str | None] | None = None) -> Intent | None:
        """Log that the object of *node* gets the user metadata *meta* (all of it) and *headers* (those that change;
        None removes).

        Returns None when the change goes with bytes that are yet to be committed.
        """
        old = dict(node.meta or {})
        patch: dict[str, str | None] = {name: value for name, value in meta.items() if old.get(name) != value}
        patch.update({name: None for name in old if name not in meta})
        node.meta = meta
        if headers:
            merged = {**(node.headers or {}), **headers}
            node.headers = {name: value for name, value in merged.items() if value is not None}
        file: OpenFile | None = node.file
        if file is not None:
            file.note_attributes()
            if file.is_dirty:
                return None
        if file is not None and file.put is not None and file.put.live and not file.put.started:
            file.put.data = file.put_data()
            self.executor.amend(file.put)
            return file.put
        key = self._inodes.key_of(node)
        data: dict[str, Any] = {"meta": patch, "headers": dict(headers or {}), "full": meta}
        if node.kind is attrs.Kind.SYMLINK and self._is_native(node):
            data["symlink"] = True
        last = self._last(key)
        if last is not None and not last.started and last.state is not State.DONE:
            if last.verb is Verb.MKDIR:
                last.data["meta"] = meta
                self.executor.amend(last)
                return last
            if last.verb is Verb.SYMLINK:
                last.data["meta"] = {**last.data["meta"], **meta}
                self.executor.amend(last)
                return last
            if last.verb is Verb.UPDATE:
                last.data["meta"].update(patch)
                last.data["headers"].update(data["headers"])
                last.data["full"] = meta
                self.executor.amend(last)
                return last
        return self._append(Verb.UPDATE, node, key, data=data)

    def set_acl(self, node: Node, acl: str) -> Intent:
        """Log that the object of *node* gets *acl*."""
        node.acl = acl
        return self._append(Verb.ACL, node, self._inodes.key_of(node), data={"acl": acl})

    def set_tags(self, node: Node, tags: dict[str, str]) -> Intent:
        """Log that the object of *node* gets *tags* and no others."""
        node.is_tagged = bool(tags)
        return self._append(Verb.TAGS, node, self._inodes.key_of(node), data={"tags": tags})

    def rename(self, node: Node, old_parent: Node, old_name: bytes, key: str) -> list[Intent]:
        """Log that *node*, which has just got another name, had been called *key*."""
        target = self._inodes.key_of(node)
        file: OpenFile | None = node.file
        names = [(old_parent, old_name), self._name(node)]
        if file is not None:
            file.renamed(target)
            put = file.put
            if put is not None and not node.remote and self._is_all_there_is(put, key):
                replacement = self._append(
                    Verb.PUT,
                    node,
                    target,
                    data={**file.put_data(), "replaces": False},
                    upload=file.upload_for(target),
                    instead_of=[put],
                    names=[self._name(node)],
                )
                file.put = replacement
                if put.state is State.HELD or file.is_dirty:
                    self.executor.hold(replacement)
                if put.tried:
                    return [replacement, self._append(Verb.DELETE, node, key, names=[(old_parent, old_name)])]
                return [replacement]
            if not node.remote and (put is None or not put.live):
                return []  # open and never committed: its staged bytes know their new name
        moving: dict[str, Any] = {"size": node.size, "class": (node.headers or {}).get("x-oss-storage-class", "")}
        if node.kind is attrs.Kind.SYMLINK and self._is_native(node):
            moving["symlink"] = True
        return [self._append(Verb.RENAME, node, key, target, data=moving, names=names)]

    def overwritten(self, node: Node) -> None:
        """Make void what was logged about *node*: another takes its name and will take its key."""
        self._drop(self._void_before_delete(node, self._inodes.key_of(node)))

    def undo(self, intent: Intent) -> None:
        """Forget *intent*, which was refused, and what the view says because of it; the bucket is asked again."""
        self.executor.drop(intent)
        node, names = intent.subject.node, intent.subject.names
        self._settle(intent)
        if intent.verb in {Verb.MKDIR, Verb.SYMLINK, Verb.RENAME}:
            self._inodes.detach(node)
        if intent.verb is Verb.UPDATE:
            node.known = False
        node.acl = node.is_tagged = None
        for parent, _ in names:
            self._beliefs.expire(parent)
        self._beliefs.expire(node)

    # What became of them

    def done(self, intent: Intent, outcome: Carried | None) -> None:
        """Believe what has been carried out."""
        node: Node = intent.subject.node
        now = trio.current_time()
        if intent.verb is Verb.PUT:
            assert outcome is not None
            assert outcome.source is not None
            file: OpenFile | None = node.file
            node.remote = True
            if file is not None and file.put is intent:
                if not node.is_unlinked:
                    self._believe(node, outcome.source, outcome.modified, now)
                file.uploaded(outcome.source, outcome.version)
            if not node.is_unlinked:
                self._memory.remember(intent.key, node)
        elif intent.verb is Verb.MKDIR:
            directory = node.directory
            if directory is not None and not node.is_unlinked:
                node.remote = True
                if directory.prefix is None:
                    directory.prefix = intent.key
                    directory.listed_until = now + self._beliefs.ttl
                self._believe_marker(intent.key, node, outcome, now)
        elif outcome is not None and outcome.source is not None and intent.verb in {Verb.SYMLINK, Verb.UPDATE}:
            node.remote = True
            if node.directory is not None:
                self._believe_marker(intent.key, node, outcome, now)
            elif not node.is_unlinked:
                self._believe(node, outcome.source, outcome.modified, now)
                self._memory.remember(intent.key, node)
        elif outcome is not None and intent.verb in {Verb.UPDATE, Verb.RENAME} and not node.is_unlinked:
            self._beliefs.expire(node)  # the object has gone under our hands
        self._settle(intent)

    def failed(self, intent: Intent, exc: BaseException) -> None:
        """Remember that *intent* cannot be carried out as things are."""
        file: OpenFile | None = intent.subject.node.file
        if intent.verb is Verb.PUT and file is not None and file.put is intent:
            file.error = exc

    def dropped(self, intent: Intent) -> None:
        """Forget an intent that was abandoned after it had begun, and what it had sent."""
        file: OpenFile | None = intent.subject.node.file
        if file is not None and file.put is intent:
            file.abandoned()
        self._settle(intent)

    def wanted(self, intent: Intent) -> None:
        """Let *intent*, which a file holds back while it is written, bring what has been written so far."""
        file: OpenFile | None = intent.subject.node.file
        if file is not None and file.put is intent:
            file.commit()
        else:
            self.executor.release(intent)

    def moved(self, intent: Intent, moved: Moved) -> None:
        """Read from the copies from now on: what they were made of is about to be deleted."""
        old, new = intent.key, intent.target
        now = trio.current_time()
        nodes: set[Node] = {intent.subject.node, *(orphan.node for orphan in self.orphans)}
        if intent.is_tree:
            # What has been moved out since is below no more, but then an intent of that waits for this one.
            nodes.update(later.subject.node for later in self.executor.behind(intent))
            nodes |= {below for above in nodes for below in self._inodes.below(above)}
            for each in nodes:
                directory = each.directory
                if directory is not None and directory.prefix is not None and directory.prefix.startswith(old):
                    marker = moved.get(directory.prefix)
                    directory.prefix = new + directory.prefix[len(old) :]
                    self._believe_marker(directory.prefix, each, marker, now)
        for each in nodes:
            source = each.source
            carried = moved.get(source.key) if source is not None else None
            if source is not None and carried is not None and carried.source is not None:
                self._resource(each, source, carried, now)
            # The base of what was staged by an earlier daemon is not the source of its node.
            base = each.file.staged.base if each.file is not None and each.file.staged is not None else None
            carried = moved.get(base.key) if base is not None else None
            if base is not None and carried is not None and carried.source is not None:
                each.file.resourced(base, self._copied(base, carried))
        intent.data["copied"] = True
        self.log.update(intent)  # what is left to do is to delete

    # Parts

    def _resource(self, node: Node, old: Source, carried: Carried, now: float) -> None:
        source = self._copied(old, carried)
        node.modified, node.expires = carried.modified, now + self._beliefs.ttl
        node.source = source
        if node.file is not None:
            node.file.resourced(old, source)
        if node.known and not node.is_unlinked:
            self._memory.remember(source.key, node)

    @staticmethod
    def _copied(old: Source, carried: Carried) -> Source:
        """Return the copy of *old*: what a copy keeps of it is in no answer."""
        assert carried.source is not None
        kind = "Normal" if old.type == "Appendable" else old.type
        return replace(carried.source, size=old.size, type=kind, crc64=carried.source.crc64 or old.crc64)

    def _believe(self, node: Node, source: Source, modified: float, now: float) -> None:
        node.source, node.modified = source, modified
        node.expires = now + self._beliefs.ttl

    def _believe_marker(self, key: str, node: Node, outcome: Carried | None, now: float) -> None:
        if node.directory is None or outcome is None or outcome.source is None or node.is_unlinked:
            return
        node.directory.etag, node.modified = outcome.source.etag, outcome.modified
        node.expires = now + self._beliefs.ttl
        self._memory.remember(key, node)

    def _append(
        self,
        verb: Verb,
        node: Node,
        key: str,
        target: str = "",
        *,
        data: dict[str, Any] | None = None,
        upload: Any = None,
        instead_of: Iterable[Intent] = (),
        names: list[tuple[Node, bytes]] | None = None,
    ) -> Intent:
        subject = Subject(node, [self._name(node)] if names is None else names)
        void = list(instead_of)
        intent = self.executor.append(verb, key, target, data, subject=subject, upload=upload, instead_of=void)
        for parent, name in subject.names:
            self._beliefs.touch(parent, name)
        for other in void:
            self._settle(other)
        return intent

    def take_up(self, intent: Intent, node: Node, names: list[tuple[Node, bytes]]) -> None:
        """Enter an intent that an earlier daemon left behind: it is about *node* and touches *names*."""
        intent.subject = Subject(node, names)
        for parent, name in names:
            self._beliefs.touch(parent, name)

    def _drop(self, intents: Iterable[Intent]) -> None:
        void = list(intents)
        self.executor.drop(*void)
        for intent in void:
            self._settle(intent)

    def _settle(self, intent: Intent) -> None:
        names, intent.subject.names = intent.subject.names, []
        for parent, name in names:
            self._beliefs.settle(parent, name)

    def _void_before_delete(self, node: Node, key: str) -> list[Intent]:
        """Return the intents that a delete of *key* makes pointless; a PUT that has begun is interrupted, unless the
        request that makes the object is on its way: the service might carry that out after whatever comes next.

        The PUT of the node itself is one of them whatever its key: a directory around it may have been renamed since.
        """
        void = {
            intent
            for intent in self.executor.touching(key)
            if intent.key == key and intent.verb not in {Verb.RENAME, Verb.DELETE} and self._is_last(intent, key)
        }
        file: OpenFile | None = node.file
        if file is not None and file.put is not None and file.put.live:
            if file.put.started:
                node.remote = True  # it may be there at any moment
                if file.put.upload is None or not file.put.upload.committing:
                    self.executor.abandon(file.put)
            else:
                void.add(file.put)
        if any(intent.tried for intent in void):
            node.remote = True
        return list(void)

    def _last(self, key: str) -> Intent | None:
        return max(self.executor.touching(key), key=lambda intent: intent.id, default=None)

    def _is_last(self, intent: Intent, key: str) -> bool:
        """Tell whether no rename of *key*, or of what it is inside, came after *intent*, so that its key is still the
        node's.
        """
        return not intent.started and not any(
            other.verb is Verb.RENAME and other.id > intent.id for other in self.executor.touching(key)
        )

    def _is_all_there_is(self, put: Intent, key: str) -> bool:
        """Tell whether *put*, not started, is all that was ever logged about *key*: then it may have another key."""
        return put.live and not put.started and put.key == key and self.executor.touching(key) == {put}

    @staticmethod
    def _is_native(node: Node) -> bool:
        """Whether the link *node* is, or may be, a symlink of OSS."""
        return node.source is None or node.source.type == attrs.SYMLINK_TYPE

    @staticmethod
    def _name(node: Node) -> tuple[Node, bytes]:
        assert node.parent is not None
        return node.parent, node.name

    def pending(self) -> list[dict[str, Any]]:
        """Describe every intent that is not carried out yet, oldest first, for `ossmount status`."""
        now = time.time()
        return [
            {
                "id": intent.id,
                "verb": intent.verb.value,
                "key": intent.key,
                "target": intent.target,
                "state": intent.state.value,
                "age": max(0.0, now - intent.created),
                "attempts": intent.attempts,
                "error": intent.error,
                "staged": intent.data.get("staged"),
            }
            for intent in self.executor.live
        ]
