"""Servers with test endpoints, as ``drayman serve`` runs them."""

from drayman.core.clock import SECOND, Micros
from drayman.observe import log
from drayman.server import Server
from drayman.settings import Settings
from drayman.testing import endpoints
from drayman.testing.delivery_log import DeliveryLog
from drayman.testing.handlers import Handlers
from drayman.testing.virtual import VirtualServer

PATIENCE: Micros = 30 * SECOND
"""The real time after which a move of the clock ends with an error."""
MAX_DELIVERIES = 10_000
"""The most deliveries that are held, to be listed."""
MAX_DELIVERY_BYTES = 16 << 20
"""About the most bytes of them."""


class _VirtualServer(VirtualServer):
    """A server in virtual time that sends to targets over HTTP, unless they are scripted."""

    async def start(self) -> None:
        await super().start()
        self.targets.http = self.open_sender()


def make(settings: Settings) -> Server:
    """Return a server with test endpoints, in virtual time if its clock is manual."""
    if not settings.manual_clock:
        server = Server(settings, extensions=lambda context: [endpoints.Endpoints(context, server)])
        return server
    virtual = _VirtualServer(
        settings,
        handlers=Handlers(),
        start=None,
        patience=PATIENCE,
        log=DeliveryLog(MAX_DELIVERIES, MAX_DELIVERY_BYTES),
        emit=log.record,
        extensions=lambda context: [endpoints.Endpoints(context, virtual)],
    )
    return virtual
