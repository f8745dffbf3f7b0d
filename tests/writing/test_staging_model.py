"""Staging against a model of bytes."""

from __future__ import annotations

import random
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings, strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from ossmount.wire.models import Source
from tests.writing.staged_files import MiB, content_of, make

if TYPE_CHECKING:
    pass


class Model(RuleBasedStateMachine):
    """A file against a bytearray, with uploads and crashes in between."""

    @initialize(size=st.one_of(st.none(), st.integers(0, 3 * MiB)))
    def begin(self, size: int | None) -> None:
        self.patch = pytest.MonkeyPatch()
        self.patch.setattr("ossmount.writing.staged._INLINE", 250)
        self.directory = Path(tempfile.mkdtemp())
        self.staging = make(self.directory)
        self.objects: dict[str, bytes] = {}
        self.content = bytearray(random.Random(size).randbytes(size) if size is not None else b"")
        base = None if size is None else self.source()
        self.file = self.staging.create("k", base)
        self.marks: list[tuple[int, bytes]] = []

    def source(self) -> Source:
        etag = f"E{len(self.objects)}"
        self.objects[etag] = bytes(self.content)
        return Source("k", etag, len(self.content))

    places = st.one_of(st.integers(0, 300), st.integers(MiB - 50, MiB + 50), st.integers(2 * MiB - 50, 2 * MiB + 50))

    @rule(place=places, data=st.binary(min_size=1, max_size=80))
    def write(self, place: int, data: bytes) -> None:
        self.file.write(place, data)
        self.content += bytes(max(0, place + len(data) - len(self.content)))
        self.content[place : place + len(data)] = data

    @rule(size=places)
    def truncate(self, size: int) -> None:
        self.file.truncate(size)
        self.content += bytes(max(0, size - len(self.content)))
        del self.content[size:]

    @rule()
    def mark(self) -> None:
        self.marks.append((self.file.version, bytes(self.content)))

    @rule()
    def upload(self) -> None:
        self.file.rebase(self.source())
        self.marks.clear()

    @precondition(lambda self: self.marks)
    @rule()
    def upload_of_an_earlier_content(self) -> None:
        version, content = self.marks.pop()
        self.marks.clear()
        etag = f"E{len(self.objects)}"
        self.objects[etag] = content
        self.file.rebase(Source("k", etag, len(content)), version)

    @rule(clean=places)
    def replace(self, clean: int) -> None:
        self.file.replace_base(self.source(), clean=min(clean, len(self.content)))
        self.marks.clear()

    @rule()
    def crash(self) -> None:
        self.staging.close()
        self.staging = make(self.directory)
        [self.file] = self.staging.recover()
        self.marks.clear()

    @invariant()
    def is_the_same(self) -> None:
        if hasattr(self, "file"):
            base = self.objects[self.file.base.etag] if self.file.base else b""
            assert content_of(self.file, base) == self.content

    @invariant()
    def notices_every_change(self) -> None:
        for version, content in getattr(self, "marks", []):
            for start in range(0, len(content), 512 * 1024):
                stop = min(start + 512 * 1024, len(content))
                if content[start:stop] != self.content[start:stop]:
                    assert self.file.changed(start, stop, version)

    def teardown(self) -> None:
        if hasattr(self, "file"):
            self.patch.undo()
            self.staging.close()
            shutil.rmtree(self.directory)


Model.TestCase.settings = settings(max_examples=25, stateful_step_count=25, deadline=None)
TestModel = Model.TestCase
