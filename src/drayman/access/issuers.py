"""Where the keys of issuers come from: this server's own from its store, others by HTTP."""

from collections.abc import Callable, Iterable
from typing import Any

from drayman.access import fetch
from drayman.access.claims import Issuer
from drayman.access.fetch import FetchError
from drayman.access.jwks import KeySet
from drayman.access.tokens import TrustedIssuer
from drayman.core.clock import SECOND, Clock
from drayman.core.errors import ServiceError
from drayman.signing import wellknown
from drayman.store.contract import Store


def trust(
    issuers: Iterable[Issuer], store: Store, clock: Clock, failed: Callable[[str, str], object]
) -> dict[str, TrustedIssuer]:
    """Return issuers with their keys, by name.

    ``failed`` is called with the name of an issuer whose keys cannot be fetched, and the reason.
    """

    def key_set(issuer: Issuer) -> KeySet:
        def report(reason: str) -> None:
            failed(issuer.name, reason)

        if issuer.is_own:
            return KeySet(lambda: _load_own(store, issuer, clock), clock, report, SECOND)
        return KeySet(lambda: _fetch(issuer, clock), clock, report)

    return {issuer.name: TrustedIssuer(issuer, key_set(issuer)) for issuer in issuers}


async def _load_own(store: Store, issuer: Issuer, clock: Clock) -> Any:
    try:
        return await wellknown.load(store, issuer.name, wellknown.JWKS, clock.now())
    except ServiceError as error:
        raise FetchError(error.message) from None


async def _fetch(issuer: Issuer, clock: Clock) -> Any:
    """Fetch the keys of an issuer. FetchError."""
    return await fetch.fetch_json(issuer.jwks_uri or await _discover(issuer, clock), clock)


async def _discover(issuer: Issuer, clock: Clock) -> str:
    """Return the URL of an issuer's keys, by OpenID Connect Discovery. FetchError."""
    url = issuer.name.rstrip("/") + wellknown.DISCOVERY
    document = await fetch.fetch_json(url, clock)
    if not isinstance(document, dict) or document.get("issuer") != issuer.name:
        raise FetchError(f"{url}: it is not the document of the issuer {issuer.name}")
    uri = document.get("jwks_uri")
    schemes = ("https://",) if issuer.name.startswith("https://") else ("https://", "http://")
    if not isinstance(uri, str) or not uri.startswith(schemes):
        raise FetchError(f"{url}: its jwks_uri is not a URL that can be trusted")
    return uri
