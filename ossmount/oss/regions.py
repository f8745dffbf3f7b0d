"""Where the service is: regions with their public and internal endpoints.  Pure.

Source: user guide, "Regions and endpoints".  New regions need no entry here to be used: `Endpoint.parse` takes any.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Region:
    """A region by its id, such as ``cn-hangzhou``; *country* and *city* in English."""

    id: str
    country: str
    city: str

    @property
    def location(self) -> str:
        """What GetBucketLocation says: ``oss-cn-hangzhou``."""
        return f"oss-{self.id}"

    @property
    def endpoint(self) -> str:
        """The public host."""
        return f"oss-{self.id}.aliyuncs.com"

    @property
    def internal_endpoint(self) -> str:
        """The host for machines in the same region, whose traffic costs nothing."""
        return f"oss-{self.id}-internal.aliyuncs.com"


REGIONS = tuple(
    Region(*line)
    for line in (
        ("cn-hangzhou", "China", "Hangzhou"),
        ("cn-shanghai", "China", "Shanghai"),
        ("cn-nanjing", "China", "Nanjing"),
        ("cn-fuzhou", "China", "Fuzhou"),
        ("cn-wuhan-lr", "China", "Wuhan"),
        ("cn-qingdao", "China", "Qingdao"),
        ("cn-beijing", "China", "Beijing"),
        ("cn-zhangjiakou", "China", "Zhangjiakou"),
        ("cn-huhehaote", "China", "Hohhot"),
        ("cn-wulanchabu", "China", "Ulanqab"),
        ("cn-shenzhen", "China", "Shenzhen"),
        ("cn-heyuan", "China", "Heyuan"),
        ("cn-guangzhou", "China", "Guangzhou"),
        ("cn-chengdu", "China", "Chengdu"),
        ("cn-zhengzhou-jva", "China", "Zhengzhou"),
        ("cn-hongkong", "China", "Hong Kong"),
        ("us-west-1", "US", "Silicon Valley"),
        ("us-east-1", "US", "Virginia"),
        ("na-south-1", "Mexico", "Mexico City"),
        ("ap-northeast-1", "Japan", "Tokyo"),
        ("ap-northeast-2", "South Korea", "Seoul"),
        ("ap-southeast-1", "Singapore", "Singapore"),
        ("ap-southeast-3", "Malaysia", "Kuala Lumpur"),
        ("ap-southeast-5", "Indonesia", "Jakarta"),
        ("ap-southeast-6", "Philippines", "Manila"),
        ("ap-southeast-7", "Thailand", "Bangkok"),
        ("eu-central-1", "Germany", "Frankfurt"),
        ("eu-west-1", "UK", "London"),
        ("me-east-1", "UAE", "Dubai"),
        ("me-central-1", "Saudi Arabia", "Riyadh"),
    )
)


def find_region(name: str) -> Region | None:
    """Return the region called *name*, with or without ``oss-`` in front, or None when it is not listed."""
    name = name.removeprefix("oss-")
    return next((region for region in REGIONS if region.id == name), None)
