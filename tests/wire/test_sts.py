"""The signature of RPC services against the published example."""

from __future__ import annotations

import json
from pathlib import Path

from ossmount.wire import sts

VECTORS = json.loads(Path(__file__).with_name("signature_vectors.json").read_text())


def test_the_published_example_gives_its_signature() -> None:
    (vector,) = [vector for vector in VECTORS if vector["v"] == "pop-rpc"]
    text = sts.string_to_sign("GET", vector["params"])
    assert text == vector["string_to_sign"]
    assert sts.signature(vector["key"].removesuffix("&"), text) == vector["expect"]
