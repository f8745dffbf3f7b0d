"""`ossmount regions`: where the service is."""

from __future__ import annotations

from dataclasses import asdict

import click
from rich.table import Table

from .connection import print_json
from .console import stdout
from .parameters import json_option


@click.command()
@json_option
def regions(as_json: bool) -> None:
    """List the regions with their public and internal endpoints.

    Regions that are not listed can be used as well.
    """
    from ..oss.regions import REGIONS

    if as_json:
        ends = [{"endpoint": each.endpoint, "internal_endpoint": each.internal_endpoint} for each in REGIONS]
        print_json([{**asdict(each), **end} for each, end in zip(REGIONS, ends, strict=True)])
        return
    table = Table("region", "place", "endpoint", "internal endpoint", box=None, pad_edge=False)
    for each in REGIONS:
        table.add_row(each.id, f"{each.city}, {each.country}", each.endpoint, each.internal_endpoint)
    stdout().print(table)
