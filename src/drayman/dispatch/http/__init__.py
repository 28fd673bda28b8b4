"""The HTTP/1.1 client of dispatch: one request to one target, within fixed bounds.

    request      URL and headers -> origin, path, head                      (pure)
    response     bytes in any pieces -> one response or one failure         (no I/O)
    failures     errors -> the texts that an attempt's record keeps         (pure)
    proxy        environment convention -> proxy of an origin; CONNECT
    connect      origin -> addresses -> policy -> TCP -> TLS
    connection   one exchange at a time on one transport
    pool         idle connections per route

Expected failures are returned as ``NoResponse``, not raised. An exception holds the frames it has
passed, with the request in them, and often one of these frames holds the exception: a cycle that
only the cyclic garbage collector frees.
"""
