"""The verbs of the contract, each written once for every database, as functions over a session."""
