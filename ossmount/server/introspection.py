"""What tests and measurements ask of a server in another process.

``GET /-/requests``, ``POST /-/reset``, ``GET`` and ``PUT /-/faults``: served only when asked for at the start, since
they need no signature.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from starlette.applications import Starlette
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route

from .faults import Plan, format_faults, parse_faults

if TYPE_CHECKING:
    from starlette.requests import Request

    from .app import App


def introspection(app: App) -> Starlette:
    """Return the application that tells what *app* was asked and takes its faults."""

    async def requests(request: Request) -> Response:
        """Counts by operation since the last reset; with ``?entries`` the last requests, too."""
        seen = app.requests
        told: dict[str, object] = {
            "counts": dict(seen.counts),
            "max_in_flight": {operation: seen.max_in_flight(operation) for operation in seen.counts},
        }
        if "entries" in request.query_params:
            told["entries"] = [asdict(entry) for entry in seen]
        return JSONResponse(told)

    async def reset(_request: Request) -> Response:
        app.requests.reset()
        app.faults.clear()
        return Response(status_code=204)

    async def get_faults(_request: Request) -> Response:
        return Response(format_faults(app.faults), media_type="application/json")

    async def put_faults(request: Request) -> Response:
        try:
            app.faults = Plan(parse_faults(await request.body()))
        except ValueError as exc:
            return PlainTextResponse(str(exc), status_code=400)
        return Response(status_code=204)

    return Starlette(
        routes=[
            Route("/-/requests", requests),
            Route("/-/reset", reset, methods=["POST"]),
            Route("/-/faults", get_faults),
            Route("/-/faults", put_faults, methods=["PUT"]),
        ]
    )
