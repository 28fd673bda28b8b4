"""Who may do what: callers are identified by API keys and tokens, and need permissions (IAM).

    keys, key_storage      API keys: their form, and the store that holds them
    api_keys               the keys of a running server
    recent                 a value of the store, read again and again
    fetch, jwks            the public keys of token issuers
    claims, tokens         bearer tokens: their claims, and how they are verified
    roles, bindings        role -> permissions; member -> permissions on a resource
    policies               the policies of queues, from the store
    refusals               the errors for callers who are not known
    control                all of this for one call: authenticate, then authorize

Without authentication (``--auth none``) there is no ``AccessControl``, and nothing of it runs.
"""
