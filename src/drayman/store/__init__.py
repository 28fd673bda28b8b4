"""What is remembered: one contract (``contract.py``), and the databases that fulfil it."""
