"""When is high water? A tool is any HTTP service; this one knows two harbours, and nothing of keelstep."""

from aiohttp import web

TIDES = {"Bergen": "14:20", "Brest": "17:05"}


async def get_tide(request: web.Request) -> web.Response:
    """GET /tides/{harbour}."""
    found = TIDES.get(request.match_info["harbour"])
    return web.json_response({"high_water": found}, status=200 if found else 404)


if __name__ == "__main__":
    app = web.Application()
    app.add_routes([web.get("/tides/{harbour}", get_tide)])
    web.run_app(app, host="127.0.0.1", port=8901, print=None)
