"""Our client on the embedded server, doing anything in any order: each answer is the one that a dictionary gives."""

from __future__ import annotations

import itertools
import os
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest
import trio
from hypothesis import HealthCheck, Phase, given, settings, strategies as st

from ossmount.oss import Client, ClientOptions, Endpoint, RetryPolicy, StaticCredentials
from ossmount.server.threaded import ThreadedServer
from ossmount.wire.errors import ServiceError
from ossmount.wire.models import PartResult
from tests.server.reference import (
    Model,
    Refused,
    Upload,
    Version,
    condition_fails,
    crc64,
    entries,
    hexed,
    told,
)

if TYPE_CHECKING:
    from collections.abc import Awaitable
    from pathlib import Path

    from ossmount.oss import Bucket

EXAMPLES = int(os.environ.get("OSSMOUNT_TEST_EXAMPLES", "100"))
MIN_PART = 100 * 1024
KEYS = ("a", "a/", "a/b", "a/b/c", "ab", "é/ü", " +%&?#", "\x01\u2028")


def head_told(head: Any) -> tuple[Any, ...]:
    return (
        head.size,
        head.etag,
        int(head.last_modified),
        head.type,
        head.meta,
        head.content_type,
        head.tagging_count,
        head.crc64,
        head.version_id,
    )


class Both:
    """A bucket of the server, and what it must be: each step does the same to either and compares what they say."""

    def __init__(self, bucket: Bucket, clock: list[int]) -> None:
        self.bucket = bucket
        self.clock = clock
        self.model = Model(lambda: clock[0])

    async def refused(self, ask: Awaitable[Any], code: str) -> None:
        with pytest.raises(ServiceError) as caught:
            await ask
        assert caught.value.code == code

    def pick(self, key: str, which: int) -> str | None:
        """Return the id of a version of *key*, of another key, or one that cannot be."""
        own = [one.id for one in self.model.keys.get(key, []) if one.id is not None]
        others = sorted(self.model.ids - set(own))
        known = [*own, *others]
        return None if which < 5 else "nonsense" if which == 15 else known[which % len(known)]

    # Writing

    async def put(self, key: str, _: str, which: int, body: bytes, forbid: bool) -> None:
        meta, kind = ({"n": str(which), "text": "é %"} if which % 3 else {}), ("text/plain", None)[which % 2]
        ask = self.bucket.put_object(key, body, meta=meta, content_type=kind, forbid_overwrite=forbid)
        if forbid and not self.model.versioning and key in self.model.keys:
            await self.refused(ask, "FileAlreadyExists")
            return
        said = await ask
        assert (said.etag, said.crc64) == (hexed(body), crc64(body))
        version = Version(self.model.now(), body, etag=said.etag, meta=meta)
        self.model.write(key, replace(version, content_type=kind or version.content_type), said.version_id)

    async def append(self, key: str, _: str, which: int, body: bytes, wrong: bool) -> None:
        stack = self.model.keys.get(key, [])
        old = stack[-1] if stack and stack[-1].kind else None
        size = len(old.body) if old else 0
        ask = self.bucket.append_object(key, size + wrong, body, meta={"n": str(which)})
        if old is not None and old.kind != "Appendable":
            await self.refused(ask, "ObjectNotAppendable")
        elif wrong:
            await self.refused(ask, "PositionNotEqualToLength")
        else:
            said = await ask
            if old is None:
                old = Version(self.model.now(), b"", "Appendable", meta={"n": str(which)})
                self.model.keys[key] = [one for one in stack if one.id != "null" and self.model.versioning] + [old]
            elif body:
                old.modified = self.model.now()
            old.body, old.etag = old.body + body, said.etag
            assert (said.next_position, said.crc64) == (len(old.body), crc64(old.body))

    async def symlink(self, key: str, other: str, which: int, _body: bytes, forbid: bool) -> None:
        ask = self.bucket.put_symlink(key, other, meta={"n": str(which)}, forbid_overwrite=forbid)
        if forbid and not self.model.versioning and key in self.model.keys:
            await self.refused(ask, "FileAlreadyExists")
            return
        said = await ask
        version = Version(self.model.now(), b"", "Symlink", said.etag, {"n": str(which)}, target=other)
        self.model.write(key, version, said.version_id)

    async def copy(self, key: str, other: str, which: int, body: bytes, flag: bool) -> None:
        source_id, how = self.pick(other, which), ("", "match", "none_match", "modified", "unmodified")[len(body) % 5]
        try:
            source = self.model.find(other, source_id)
            condition, code = condition_fails(how, which % 3 - 1, source, source.modified, self.model.now())
        except Refused as exc:
            condition, code = {}, str(exc)
        meta = {"copied": str(which)} if flag else {}
        ask = self.bucket.copy_object(
            key, other, source_version_id=source_id, replace=flag, meta=meta or None, **condition
        )
        if code:
            await self.refused(ask, code)
            return
        said = await ask
        kind = source.kind if source.kind == "Symlink" or key == other else "Normal"
        etag = source.etag if kind == source.kind else hexed(source.body)
        version = replace(source, modified=self.model.now(), kind=kind, etag=etag, acl="default", id="null")
        if flag:
            version = replace(version, meta=meta, content_type=Version.content_type)
        assert (said.etag, int(said.last_modified)) == (etag, version.modified)
        self.model.write(key, version, said.version_id)

    async def delete(self, key: str, _: str, _which: int, _body: bytes, _flag: bool) -> None:
        said = await self.bucket.delete_object(key)
        self._deleted(key, said.version_id, said.delete_marker)

    def _deleted(self, key: str, given: str | None, marker: bool) -> None:
        assert marker is bool(self.model.versioning)
        if marker:
            self.model.write(key, Version(self.model.now(), kind=""), given)
        else:
            assert given is None
            self.model.keys.pop(key, None)

    async def delete_version(self, key: str, _: str, which: int, _body: bytes, _flag: bool) -> None:
        version = self.pick(key, which if which > 4 else 5) or ""
        ask = self.bucket.delete_object(key, version_id=version)
        if version == "nonsense":
            await self.refused(ask, "InvalidArgument")
        elif not self.model.versioning and version != "null":
            await self.refused(ask, "NoSuchVersion")
        else:
            said = await ask
            found = self.model.remove(key, version)
            assert said.version_id == self.model.shown(version)
            assert said.delete_marker is (found is not None and not found.kind)

    async def delete_many(self, key: str, other: str, _which: int, _body: bytes, flag: bool) -> None:
        if not self.model.versioning:
            said = await self.bucket.delete_multiple_objects([key, other, key], quiet=flag)
            assert set(said.deleted) == (set() if flag else {key, other})
            for each in (key, other):
                self.model.keys.pop(each, None)
            return
        for one in await self.bucket.delete_multiple_versions([(key, None), (other, None)]):
            self._deleted(one.key, one.delete_marker_version_id, one.delete_marker)

    # Reading

    async def get(self, key: str, _: str, which: int, body: bytes, flag: bool) -> None:
        version, how = self.pick(key, which), ("", "match", "none_match", "modified", "unmodified")[len(body) % 5]
        start, stop = (which, which + len(body) + 1) if flag else (None, None)
        condition: dict[str, Any] = {}
        try:
            record, target = self.model.look(key, version)
            modified = max(record.modified, target.modified)
            condition, code = condition_fails(how, which % 3 - 1, target, modified, self.model.now())
            if not code and start is not None and start >= len(target.body):
                code = "InvalidRange"
        except Refused as exc:
            code = str(exc)
        ask = self.bucket.get_object(key, start=start, stop=stop, version_id=version, **condition)
        if code:
            await self.refused(ask, code)
            if code != "InvalidRange":
                await self.refused(self.bucket.head_object(key, version_id=version, **condition), code)
            return
        head, data = await ask
        expected = told(record, target, self.model.shown(record.id))
        assert (head_told(head), bytes(data)) == (expected, target.body[start:stop])
        assert head_told(await self.bucket.head_object(key, version_id=version, **condition)) == expected
        meta = await self.bucket.get_object_meta(key, version_id=version)
        assert (meta.size, meta.etag, int(meta.last_modified)) == (len(record.body), record.etag, record.modified)

    async def read_link(self, key: str, _: str, which: int, _body: bytes, _flag: bool) -> None:
        version = self.pick(key, which)
        ask = self.bucket.get_symlink(key, version_id=version)
        try:
            record = self.model.find(key, version)
            if record.kind != "Symlink":
                raise Refused("NotSymlink")
        except Refused as exc:
            await self.refused(ask, str(exc))
            return
        said = await ask
        assert (said.target, said.meta) == (record.target, record.meta)

    async def list(self, key: str, other: str, which: int, body: bytes, flag: bool) -> None:
        prefix, delimiter, after = key[: which % 3], ("", "/", "b", "/b")[len(body) % 4], other if which % 2 else ""

        def row(key: str) -> list[Any]:
            top = self.model.keys[key][-1]
            return [(key, len(top.body), top.etag, top.modified, top.kind)]

        expected = entries(self.model.live(), row, prefix, delimiter, after)
        shown: list[Any] = []
        limit, marker, token, more = which % 4 + 1, after, "", True
        while more:
            if flag:
                page = await self.bucket.list_objects(prefix, marker, delimiter, limit)
                marker = page.next_marker
            else:
                page = await self.bucket.list_objects_v2(
                    prefix, start_after=after, continuation_token=token, delimiter=delimiter, max_keys=limit
                )
                token = page.next_marker
            more = page.is_truncated
            rows: list[Any] = [(one.key, one.size, one.etag, int(one.last_modified), one.type) for one in page.objects]
            rows += page.prefixes
            assert len(rows) == limit or not more
            shown += sorted(rows, key=lambda row: (row if isinstance(row, str) else row[0]).encode())
        assert shown == expected

    async def list_versions(self, key: str, _: str, which: int, body: bytes, flag: bool) -> None:
        prefix, delimiter = key[: which % 3], ("", "/", "b", "/b")[len(body) % 4]
        keys = sorted(self.model.keys, key=str.encode)
        expected = entries(keys, self.model.versions, prefix, delimiter, "")
        shown: list[Any] = []
        markers, more = ("", ""), True
        while more:
            page = await self.bucket.list_object_versions(
                prefix,
                key_marker=markers[0],
                version_id_marker=markers[1],
                delimiter=delimiter,
                max_keys=1 + which % 4 if flag else 1000,
            )
            markers, more = (page.next_key_marker, page.next_version_id_marker), page.is_truncated
            rows: list[Any] = [
                (v.key, v.version_id, v.is_latest, v.is_delete_marker, v.size, v.etag, int(v.last_modified))
                for v in page.versions
            ]
            shown += sorted([*rows, *page.prefixes], key=lambda row: (row if isinstance(row, str) else row[0]).encode())
        assert shown == expected

    async def stat(self, _key: str, _: str, _which: int, _body: bytes, _flag: bool) -> None:
        said = await self.bucket.get_bucket_stat()
        kept = [one for stack in self.model.keys.values() for one in stack if one.kind]
        assert said.storage == sum(len(one.body) for one in kept)
        assert (said.object_count, said.multipart_upload_count) == (len(kept), len(self.model.uploads))

    # What else there is to an object

    async def tag(self, key: str, other: str, which: int, _body: bytes, _flag: bool) -> None:
        tags = {other.lstrip("\x01"): str(which), "é": ""} if which % 3 else {}
        ask = self.bucket.put_object_tagging(key, tags) if tags else self.bucket.delete_object_tagging(key)
        try:
            record = self.model.find(key)
        except Refused as exc:
            await self.refused(ask, str(exc))
            await self.refused(self.bucket.get_object_tagging(key), str(exc))
            return
        assert await self.bucket.get_object_tagging(key) == record.tags
        await ask
        record.tags = tags
        assert await self.bucket.get_object_tagging(key) == record.tags

    async def share(self, key: str, _: str, which: int, _body: bytes, _flag: bool) -> None:
        acl = ("default", "private", "public-read", "public-read-write")[which % 4]
        ask = self.bucket.put_object_acl(key, acl)
        try:
            record = self.model.find(key)
        except Refused as exc:
            await self.refused(ask, str(exc))
            await self.refused(self.bucket.get_object_acl(key), str(exc))
            return
        assert await self.bucket.get_object_acl(key) == record.acl
        await ask
        record.acl, record.modified = acl, self.model.now()

    # Uploads

    def upload(self, which: int) -> tuple[str, Upload | None]:
        """Return an upload under way, or the id of none."""
        known = list(self.model.uploads)
        return (known[which % len(known)], self.model.uploads[known[which % len(known)]]) if known else ("0" * 32, None)

    async def begin(self, key: str, _: str, which: int, body: bytes, flag: bool) -> None:
        meta = {"n": str(which)}
        number = await self.bucket.initiate_multipart_upload(key, meta=meta)
        self.model.uploads[number] = upload = Upload(key, meta)
        for part in (1, 2) if flag else ():
            upload.parts[part] = body.rjust(MIN_PART + which, b".")
            await self.bucket.upload_part(key, number, part, upload.parts[part])

    async def part(self, key: str, _: str, which: int, body: bytes, flag: bool) -> None:
        number, upload = self.upload(which)
        data = body.ljust(MIN_PART if flag else 0, b".")
        ask = self.bucket.upload_part(upload.key if upload else key, number, which % 3 + 1, data)
        if upload is None:
            await self.refused(ask, "NoSuchUpload")
            return
        assert (await ask).etag == hexed(data)
        upload.parts[which % 3 + 1] = data

    async def part_copy(self, key: str, other: str, which: int, body: bytes, flag: bool) -> None:
        number, upload = self.upload(which)
        span = (which % 4, which % 4 + len(body) + 1) if flag else (None, None)
        name = upload.key if upload else key
        ask = self.bucket.upload_part_copy(name, number, which % 3 + 1, other, start=span[0], stop=span[1])
        try:
            if upload is None:
                raise Refused("NoSuchUpload")
            source = self.model.find(other)
            if span[1] is not None and span[1] > len(source.body):
                raise Refused("InvalidRange")
        except Refused as exc:
            await self.refused(ask, str(exc))
            return
        data = source.body[slice(*span)]
        said = await ask
        upload.parts[which % 3 + 1] = data
        assert said.etag == hexed(data)

    async def complete(self, key: str, _: str, which: int, body: bytes, flag: bool) -> None:
        number, upload = self.upload(which)
        parts = upload.parts if upload else {}
        # With no parts at all the client would ask nothing.
        chosen = (sorted(parts) if flag else [n for n in (1, 2, 3) if which >> n & 1]) or [1]
        named = [PartResult(n, hexed(parts.get(n, b"")), 0) for n in chosen]
        ask = self.bucket.complete_multipart_upload(upload.key if upload else key, number, named)
        try:
            if upload is None:
                raise Refused("NoSuchUpload")
            if set(chosen) - set(parts):
                raise Refused("InvalidPart")
            if any(len(parts[n]) < MIN_PART for n in chosen[:-1]):
                raise Refused("EntityTooSmall")
        except Refused as exc:
            await self.refused(ask, str(exc))
            return
        said = await ask
        etag = f"{hexed(''.join(hexed(parts[n]) for n in chosen).encode())}-{len(chosen)}"
        data = b"".join(parts[n] for n in chosen)
        assert (said.etag, said.crc64) == (etag, crc64(data))
        del self.model.uploads[number]
        version = Version(self.model.now(), data, "Multipart", etag, upload.meta)
        self.model.write(upload.key, version, said.version_id)

    async def abort(self, key: str, _: str, which: int, _body: bytes, _flag: bool) -> None:
        number, upload = self.upload(which)
        ask = self.bucket.abort_multipart_upload(upload.key if upload else key, number)
        if upload is None:
            await self.refused(ask, "NoSuchUpload")
        else:
            await ask
            del self.model.uploads[number]

    # Time, and how the bucket is kept

    async def version(self, _key: str, _: str, which: int, _body: bytes, _flag: bool) -> None:
        assert await self.bucket.get_bucket_versioning() == self.model.versioning
        self.model.versioning = ("Enabled", "Suspended")[which % 2]
        await self.bucket.put_bucket_versioning(self.model.versioning)

    async def tick(self, _key: str, _: str, which: int, _body: bytes, _flag: bool) -> None:
        self.clock[0] += which % 3

    async def clear(self) -> None:
        """Look at everything, remove it, and then the bucket."""
        for key in KEYS:
            await self.get(key, "", 0, b"", False)
        for flag in (False, True):
            await self.list("", "", 2, b"", flag)
            await self.list_versions("", "", 0, b"", flag)
        await self.stat("", "", 0, b"", False)
        for number, upload in self.model.uploads.items():
            parts = [(part.number, part.size, part.etag) async for part in self.bucket.iter_parts(upload.key, number)]
            assert parts == [(n, len(data), hexed(data)) for n, data in sorted(upload.parts.items())]
        uploads = [(one.key, one.upload_id) async for one in self.bucket.iter_multipart_uploads()]
        known = [(upload.key, number) for number, upload in self.model.uploads.items()]
        assert uploads == sorted(known, key=lambda pair: (pair[0].encode(), pair[1]))
        if self.model.uploads or self.model.keys:
            await self.refused(self.bucket.delete_bucket(), "BucketNotEmpty")
        for key, number in uploads:
            await self.bucket.abort_multipart_upload(key, number)
        everything = [(one.key, one.version_id) async for one in self.bucket.iter_object_versions()]
        await self.bucket.delete_multiple_versions(everything)
        await self.bucket.delete_bucket()


VERBS = """tick put put put append append symlink copy copy delete delete_version delete_version delete_many get get get
    read_link list list list_versions stat tag share begin begin part part part_copy complete abort version""".split()
step = st.tuples(
    st.sampled_from(VERBS),
    st.sampled_from(KEYS),
    st.sampled_from(KEYS),
    st.integers(0, 15),
    st.binary(max_size=12),
    st.booleans(),
)


def test_any_sequence_of_operations_is_answered_as_a_dictionary_would(tmp_path: Path) -> None:
    clock = [int(time.time())]
    numbers = itertools.count()

    async def run(server: ThreadedServer, steps: list[Any]) -> None:
        endpoint = Endpoint.parse(server.url, region="cn-hangzhou")
        options = ClientOptions(retry=RetryPolicy(base=0.0))
        name = f"bucket-{next(numbers)}"
        with trio.fail_after(120):
            async with Client(endpoint, StaticCredentials("ak", "sk"), options=options) as client:
                record = server.store.put_bucket(name)
                both = Both(client.bucket(name), clock)
                try:
                    for verb, *arguments in steps:
                        await getattr(both, verb)(*arguments)
                    await both.clear()
                finally:
                    if server.store.bucket(name) is not None:
                        server.store.delete_bucket(record)

    with ThreadedServer(tmp_path, clock=lambda: clock[0]) as server:

        @settings(
            max_examples=EXAMPLES,
            deadline=None,
            derandomize=EXAMPLES <= 100,
            database=None,
            phases=(Phase.generate, Phase.shrink),
            suppress_health_check=list(HealthCheck),
        )
        @given(st.lists(step, min_size=20, max_size=60))
        def check(steps: list[Any]) -> None:
            trio.run(run, server, steps)

        check()
