"""The SQLite part of the store: opening the file, its lock, checkpoints, migrations, the SQL."""
