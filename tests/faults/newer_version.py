"""``drayman`` of a later version: its migrations go on behind those of this one.

    python tests/faults/newer_version.py VERSIONS serve …

Each later version has one more migration, which changes tables that every call uses, as far as
servers of the versions before can still use them.
"""

import shutil
import sys
import tempfile
from pathlib import Path

from drayman import cli
from drayman.store.postgres import schema

MIGRATION = """-- compatible with: 1
ALTER TABLE queue ADD COLUMN later_{number} bigint NOT NULL DEFAULT 0;
ALTER TABLE task ADD COLUMN later_{number} bigint;
ALTER TABLE claim ADD COLUMN later_{number} text;
CREATE INDEX task_later_{number} ON task (later_{number}) WHERE later_{number} IS NOT NULL;
CREATE TABLE later_{number} (seq bigint PRIMARY KEY);
CREATE FUNCTION later_{number}() RETURNS trigger
LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO later_{number} VALUES (OLD.seq) ON CONFLICT DO NOTHING;
  RETURN NULL;
END $$;
CREATE TRIGGER later_{number} AFTER DELETE ON task
FOR EACH ROW EXECUTE FUNCTION later_{number}();
"""


def main():
    """Run the command line with so many migrations more."""
    versions = int(sys.argv.pop(1))
    with tempfile.TemporaryDirectory() as folder:
        migrations = Path(folder)
        for each in schema.MIGRATIONS.iterdir():
            shutil.copy(each, migrations)
        first = len(list(migrations.iterdir())) + 1
        for number in range(first, first + versions):
            (migrations / f"{number:04}.sql").write_text(MIGRATION.format(number=number))
        schema.MIGRATIONS = migrations
        cli.main()


if __name__ == "__main__":
    main()
