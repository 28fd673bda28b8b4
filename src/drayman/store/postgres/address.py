"""The address of a store on PostgreSQL: ``postgresql://[USER[:PASSWORD]@]HOST[:PORT]/DATABASE``.

Everything that libpq accepts is accepted, several hosts and the options of TLS included. Two
parameters are ours: ``schema``, in which the tables are, and ``pgbouncer``.
"""

import re
from typing import NamedTuple

import psycopg
from psycopg import conninfo

from drayman.store.contract import StoreError

DEFAULT_SCHEMA = "drayman"
_OURS = re.compile(r"(schema|pgbouncer)=(.*)")
_SCHEMA = re.compile(r"[a-z_][a-z0-9_]{0,62}")
_SECRET = re.compile(
    r"([?&](?:password|sslpassword|oauth_client_secret|scram_client_key|scram_server_key)=)[^&]*"
)
_BOOLEANS = {"true": True, "false": False}
_DEFAULTS = {
    # Of several hosts, the one that can be written: after a failover, the promoted standby.
    "target_session_attrs": "read-write",
    "connect_timeout": "3",
    "tcp_user_timeout": "4000",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
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
        pooled: Whether a pooler may give each transaction another connection to PostgreSQL; None if
            the URL does not say, and the first connection shows it.
    """

    conninfo: str
    schema: str
    url: str
    pooled: bool | None = None

    @property
    def identifier(self) -> str:
        """The schema as an identifier of SQL: a reserved word is a name only in quotes."""
        return f'"{self.schema}"'


def parse(url: str) -> Address:
    """Return the address that a URL stands for; StoreError."""
    shown = without_password(url)
    base, _, query = url.partition("?")
    params = query.split("&")
    ours = {match[1]: match[2] for each in params if (match := _OURS.fullmatch(each))}
    schema = ours.get("schema", DEFAULT_SCHEMA)
    if not _SCHEMA.fullmatch(schema):
        raise StoreError(
            f"store {shown}: the schema must consist of lower-case letters, digits and underscores"
        )
    pooled = ours.get("pgbouncer")
    if pooled is not None and pooled not in _BOOLEANS:
        raise StoreError(f"store {shown}: pgbouncer must be true or false")
    others = "&".join(each for each in params if not _OURS.fullmatch(each))
    try:
        parsed = conninfo.conninfo_to_dict(f"{base}?{others}" if others else base)
    except psycopg.Error as error:
        raise StoreError(f"store {shown}: {str(error).strip()}") from None
    params_of_libpq = conninfo.make_conninfo("", **_DEFAULTS | parsed)
    return Address(params_of_libpq, schema, shown, _BOOLEANS.get(pooled or ""))


def without_password(url: str) -> str:
    """Return a URL without the passwords in it."""
    url = re.sub(r"(//[^/@:]*):[^/@]*@", r"\1@", url)
    return _SECRET.sub(r"\1***", url)
