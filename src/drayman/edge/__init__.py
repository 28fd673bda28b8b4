"""How do bytes come in? The servers' connections: HTTP/2 for gRPC, with bounds on everything."""
