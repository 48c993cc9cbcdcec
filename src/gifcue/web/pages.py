"""Delivers the web pages over HTTP.

The pages hold no secrets, so they need no token; what they ask the server for does. Each request is answered from a
table in memory, so no path leads to a file.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from aiohttp import ETag, hdrs, web

from gifcue.web.assets import Asset, read_assets

# The path of the files that pages load. In access control, the name of the route is this plus "{path}".
STATIC_PATH = "/static/"
# The addresses of the pages and their files.
LIVE = {"/live": "live.html"}
TAP = {"/tap": "tap.html"}
TEACH = {"/teach": "teach.html"}
# Those of the operators' port.
OPERATE = {"/operate": "operate.html"}

# Every answer.
_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    # A browser keeps the file and asks each time whether it is still the same.
    hdrs.CACHE_CONTROL: "no-cache",
    hdrs.VARY: "Accept-Encoding",
}
# Pages alone.
_PAGE_HEADERS = {
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=(), display-capture=(), usb=(), serial=()",
    "Cross-Origin-Opener-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
# Nothing but what this server serves. Scripts and styles come from files, never from the page's text. "blob:" is for
# pictures and videos that the user chose; they stay in the browser.
_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:{images}; "
    "media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types {trusted}"
)
# Pages that start a worker, whose address has to come from a Trusted Types policy, and the policy's name.
_POLICY_NAMES = {"tap.html": "gifcue-tap"}


def add_pages(
    application: web.Application,
    pages: Mapping[str, str],
    image_origins: Callable[[], Collection[str]] = tuple,
) -> None:
    """Serves pages, and the files that they load under `STATIC_PATH`.

    Args:
        pages: The path of each page and its file, as in `LIVE`.
        image_origins: The sites besides this server whose pictures pages may show, such as "https://gifs.example.org",
            asked at each request.

    Raises:
        KeyError: a page's file is not in the package.
    """
    assets = read_assets()

    async def get_file(request: web.Request) -> web.Response:
        asset = assets.get(request.match_info["path"])
        if asset is None:
            raise web.HTTPNotFound(headers=_HEADERS)
        return _answer(request, asset, _HEADERS)

    def add_page(path: str, page: Asset, trusted: str) -> None:
        async def get_page(request: web.Request) -> web.Response:
            images = "".join(f" {origin}" for origin in sorted(image_origins()))
            policy = {"Content-Security-Policy": _POLICY.format(images=images, trusted=trusted)}
            return _answer(request, page, {**_HEADERS, **_PAGE_HEADERS, **policy})

        application.router.add_get(path, get_page)

    for path, name in pages.items():
        add_page(path, assets[name], _POLICY_NAMES.get(name, "'none'"))
    application.router.add_get(STATIC_PATH + "{path:.+}", get_file)


def _answer(request: web.Request, asset: Asset, headers: Mapping[str, str]) -> web.Response:
    asked = request.if_none_match or ()
    if any(etag.value in (asset.etag, "*") for etag in asked):
        answer = web.Response(status=304, headers=headers)
    elif "gzip" in request.headers.get(hdrs.ACCEPT_ENCODING, ""):
        answer = web.Response(body=asset.packed, headers={**headers, hdrs.CONTENT_ENCODING: "gzip"})
        answer.headers[hdrs.CONTENT_TYPE] = asset.content_type
    else:
        answer = web.Response(body=asset.body, headers=headers)
        answer.headers[hdrs.CONTENT_TYPE] = asset.content_type
    # Weak: the packed and the plain form have the same name.
    answer.etag = ETag(asset.etag, is_weak=True)
    return answer
