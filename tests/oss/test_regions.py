"""Where the service is."""

from __future__ import annotations

import pytest

from ossmount.oss import REGIONS, Endpoint, find_region


@pytest.mark.parametrize(
    "name",
    [
        "cn-hangzhou",
        "cn-shanghai",
        "cn-qingdao",
        "cn-beijing",
        "cn-shenzhen",
        "cn-hongkong",
        "us-west-1",
        "ap-southeast-1",
    ],
)
def test_known_regions_are_found_under_both_names(name: str) -> None:
    region = find_region(name)
    assert region is not None
    assert find_region(f"oss-{name}") is region
    assert region.location == f"oss-{name}"
    assert region.country
    assert region.city


def test_every_endpoint_is_one_and_every_region_is_there_once() -> None:
    assert len({region.id for region in REGIONS}) == len(REGIONS)
    for region in REGIONS:
        public, internal = Endpoint.parse(region.endpoint), Endpoint.parse(region.endpoint, internal=True)
        assert (public.region, internal.host) == (region.id, region.internal_endpoint)
    assert find_region("nowhere") is None
