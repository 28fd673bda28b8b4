"""What is SQLite's alone: opening the file, its lock, checkpoints, migrations, the SQL."""
