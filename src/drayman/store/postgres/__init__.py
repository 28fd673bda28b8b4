"""The PostgreSQL part of the store: connections, migrations, the session, the SQL."""
