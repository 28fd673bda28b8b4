"""The address of a store on PostgreSQL: ``postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE``.

Everything that libpq accepts is accepted, several hosts and the options of TLS included. One
parameter is ours: ``schema``, in which the tables are.
"""

import re
from typing import NamedTuple

import psycopg
from psycopg import conninfo

from drayman.store.contract import StoreError

DEFAULT_SCHEMA = "drayman"
_OURS = "schema="
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_DEFAULTS = {
    # Of several hosts, the one that can be written: after a failover, the promoted standby.
    "target_session_attrs": "read-write",
    "connect_timeout": "5",
    "tcp_user_timeout": "5000",
    "keepalives_idle": "5",
    "keepalives_interval": "2",
    "keepalives_count": "3",
    "application_name": "drayman",
}
"""Parameters of a connection that the URL does not set: a peer that has vanished is noticed within
seconds."""


class Address(NamedTuple):
    """Where a store is.

    Attributes:
        conninfo: The parameters of a connection, in the form of libpq.
        schema: The schema of its tables.
        url: The URL without a password.
    """

    conninfo: str
    schema: str
    url: str


def parse(url: str) -> Address:
    """Return the address that a URL stands for; StoreError."""
    base, _, query = url.partition("?")
    params = query.split("&")
    schemas = [each.removeprefix(_OURS) for each in params if each.startswith(_OURS)]
    schema = schemas[-1] if schemas else DEFAULT_SCHEMA
    if not _SCHEMA.fullmatch(schema):
        raise StoreError(
            f"store {without_password(url)}: the schema must consist of lower-case letters, digits "
            "and underscores"
        )
    others = "&".join(each for each in params if not each.startswith(_OURS))
    try:
        parsed = conninfo.conninfo_to_dict(f"{base}?{others}" if others else base)
    except psycopg.Error as error:
        raise StoreError(f"store {without_password(url)}: {str(error).strip()}") from None
    return Address(conninfo.make_conninfo("", **_DEFAULTS | parsed), schema, without_password(url))


def without_password(url: str) -> str:
    """Return a URL without the passwords in it."""
    url = re.sub(r"(//[^/@:]*):[^/@]*@", r"\1@", url)
    return re.sub(r"([?&]password=)[^&]*", r"\1***", url)
