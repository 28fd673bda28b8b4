"""Encryption at rest: tasks, under the KMS keys of their locations (CMEK)."""
