-- compatible with: 1
-- The outbox: creations and deletions of tasks that programs write within transactions of their
-- own, by the functions below. A transaction may stay open for long, so the functions take no lock
-- on a row or name that a server or another transaction may want: they read, and insert rows of the
-- outbox. Servers drain it (docs/decisions/0084).

-- The functions run as their owner. pg_temp comes last, so that no temporary table of a caller
-- takes the place of a table here.
SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

CREATE TABLE outbox (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  create_time timestamptz NOT NULL DEFAULT clock_timestamp(),
  name text COLLATE "C" NOT NULL, -- of the task
  seq bigint, -- the task's
  task jsonb, -- as its creator wrote it; NULL: delete the task
  size integer NOT NULL DEFAULT 0
) WITH (
  autovacuum_vacuum_threshold = 1000, autovacuum_vacuum_scale_factor = 0,
  autovacuum_vacuum_cost_delay = 0
);
CREATE INDEX outbox_named ON outbox (name);

-- Entries that were refused when they were drained. Bounded when rows are added.
CREATE TABLE outbox_error (
  number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
  time timestamptz NOT NULL DEFAULT clock_timestamp(),
  name text COLLATE "C" NOT NULL,
  code integer NOT NULL, -- google.rpc.Code
  message text NOT NULL,
  task jsonb -- NULL if it is large
);

-- One row: the limits of the servers, and until when a server reads the outbox without being
-- notified. Times are in microseconds.
CREATE TABLE outbox_state (
  single boolean PRIMARY KEY DEFAULT true CHECK (single),
  task_size bigint NOT NULL,
  schedule_horizon bigint NOT NULL,
  allow_http_tokens boolean NOT NULL,
  task_tombstone bigint NOT NULL,
  awake_until timestamptz NOT NULL
) WITH (fillfactor = 50);
INSERT INTO outbox_state VALUES (true, 1048569, 2592000000000, false, 86400000000, '-infinity');

-- As before, and without a lock that stays when the statement is cancelled: the session may be
-- another program's.
CREATE OR REPLACE FUNCTION reserve_seqs(earliest bigint, amount bigint) RETURNS bigint
LANGUAGE plpgsql AS $$
DECLARE
  lock_space CONSTANT integer := hashtext(current_schema());
  last bigint;
BEGIN
  PERFORM pg_advisory_lock(lock_space, 2);
  SELECT greatest(last_value, earliest - 1) INTO last FROM seq;
  PERFORM setval('seq', last + amount);
  PERFORM pg_advisory_unlock(lock_space, 2);
  RETURN last + 1;
EXCEPTION WHEN OTHERS OR query_canceled THEN
  PERFORM pg_advisory_unlock(lock_space, 2);
  RAISE;
END $$;

-- Errors have the messages of the API; their SQLSTATE is TK and the number of the status code.
CREATE FUNCTION outbox_refuse(code integer, message text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION USING ERRCODE = 'TK' || lpad(code::text, 3, '0'), MESSAGE = message;
END $$;

CREATE FUNCTION outbox_now() RETURNS bigint
LANGUAGE sql AS $$ SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint $$;

-- A field of a message: JSON has two spellings of its name, and null means unset.
CREATE FUNCTION outbox_field(message jsonb, json_name text, name text) RETURNS jsonb
LANGUAGE sql IMMUTABLE AS $$
  SELECT nullif(coalesce(message -> json_name, message -> name), 'null'::jsonb)
$$;

CREATE FUNCTION outbox_check_fields(message jsonb, path text, known text[]) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  unknown text;
BEGIN
  SELECT key INTO unknown FROM jsonb_object_keys(message) AS key WHERE key <> ALL (known) LIMIT 1;
  IF found THEN
    PERFORM outbox_refuse(3, format(
      'Invalid JSON payload received. Unknown name "%s" at ''%s'': Cannot find field.',
      left(unknown, 200), path
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_ids(project text, location text, queue text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF project !~ '^[A-Za-z0-9:.-]{1,128}$' THEN
    PERFORM outbox_refuse(7, format('Permission denied on resource project %s.', left(project, 500)));
  ELSIF location !~ '^[A-Za-z0-9-]{1,64}$' THEN
    PERFORM outbox_refuse(3, format(
      'Location ''%s'' is not a valid location. Use ListLocations to list valid locations.',
      left(location, 1000)
    ));
  ELSIF queue !~ '^[A-Za-z0-9-]{1,100}$' THEN
    PERFORM outbox_refuse(3, format(
      'Queue ID "%s" can contain only letters ([A-Za-z]), numbers ([0-9]), or hyphens (-). Queue ID '
      'must be between 1 and 100 characters.', left(queue, 1000)
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_task_id(id text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF id !~ '^[A-Za-z0-9_-]+$' OR length(id) > 500 THEN
    PERFORM outbox_refuse(3, format(
      'Task ID "%s" can contain only letters ([A-Za-z]), numbers ([0-9]), hyphens (-), or '
      'underscores (_). Task ID must between 1 and 500 characters.', left(id, 1000)
    ));
  END IF;
END $$;

-- Checks the name of a call's resource, which has this form.
CREATE FUNCTION outbox_check_resource(name text, form text, permission text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  ids text[] := regexp_match(name, form);
  project text := substring(name FROM '^projects/([^/]+)');
BEGIN
  IF coalesce(name, '') = '' THEN
    PERFORM outbox_refuse(3, 'Invalid resource field value in the request.');
  ELSIF project IS NULL THEN
    PERFORM outbox_refuse(7, format('Permission denied on resource project %s.', left(name, 500)));
  END IF;
  PERFORM outbox_check_ids(project, coalesce(ids[2], '-'), coalesce(ids[3], '-'));
  IF ids IS NULL THEN
    PERFORM outbox_refuse(7, format(
      'The principal (user or service account) lacks IAM permission "%s" for the resource "%s" (or '
      'the resource may not exist).', permission, left(name, 1000)
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_name(name text, parent text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  ids text[] := regexp_match(
    name, '^projects/([A-Za-z0-9:.-]{1,128})/locations/([A-Za-z0-9-]{1,64})/queues/([^/]*)/tasks/([^/]*)$'
  );
BEGIN
  IF ids IS NULL THEN
    PERFORM outbox_refuse(3,
      'Task name must be formatted: '
      '"projects/<PROJECT_ID>/locations/<LOCATION_ID>/queues/<QUEUE_ID>/tasks/<TASK_ID>".'
    );
  END IF;
  PERFORM outbox_check_ids(ids[1], ids[2], ids[3]);
  PERFORM outbox_check_task_id(ids[4]);
  IF split_part(name, '/tasks/', 1) <> parent THEN
    PERFORM outbox_refuse(3, format(
      'The queue name from request (''%s'') must be the same as the queue name in the named task '
      '(''%s'').', parent, split_part(name, '/tasks/', 1)
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_schedule(value jsonb, horizon bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  moment timestamptz;
  pacific timestamp;
BEGIN
  IF jsonb_typeof(value) <> 'string' OR value #>> '{}' !~
    '^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}([.][0-9]{1,9})?(Z|[+-][0-9]{2}:[0-9]{2})$'
  THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task.schedule_time'' (type.googleapis.com/google.protobuf.Timestamp), %s',
      left(value::text, 100)
    ));
  END IF;
  moment := value #>> '{}';
  IF moment > clock_timestamp() + horizon * interval '1 microsecond' THEN
    moment := date_trunc('second', moment);
    pacific := moment AT TIME ZONE 'America/Los_Angeles';
    PERFORM outbox_refuse(3, format(
      'The Task.scheduleTime, %s-0%s:00, is too far in the future. Schedule time must be no more '
      'than %sh in the future.', to_char(pacific, 'YYYY-MM-DD"T"HH24:MI:SS'),
      extract(hour FROM moment AT TIME ZONE 'UTC' - pacific), horizon / 3600000000
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_url(url text) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF coalesce(url, '') = '' THEN
    PERFORM outbox_refuse(3, 'HttpRequest.url is required.');
  ELSIF url !~* '^https?://' THEN
    PERFORM outbox_refuse(3, 'HttpTarget.url must start with ''http://'' or ''https://''.');
  ELSIF length(split_part(url, '#', 1)) > 2083 THEN
    PERFORM outbox_refuse(3, 'HttpRequest.url must be at most 2083 characters long.');
  ELSIF url !~* '^https?://([^/?#@]*@)?(\[[0-9a-f:.]+\]|[^\s\x01-\x20\x7f/?#@\[\]\\:]+)(:[0-9]{0,9})?([/?#]|$)'
    OR coalesce(nullif(substring(url FROM '^[^:]*://[^/?#]*:([0-9]{1,9})(?:[/?#]|$)'), ''), '0')::bigint > 65535
  THEN
    PERFORM outbox_refuse(3, 'HttpRequest.url has no valid host and port.');
  END IF;
END $$;

-- Checks the method of a request, and that it may have a body.
CREATE FUNCTION outbox_check_method(request jsonb, message text, path text, with_body text[])
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  names CONSTANT text[] := '{HTTP_METHOD_UNSPECIFIED,POST,GET,HEAD,PUT,DELETE,PATCH,OPTIONS}';
  value jsonb := coalesce(outbox_field(request, 'httpMethod', 'http_method'), '"POST"');
  method text := value #>> '{}';
BEGIN
  IF method ~ '^-?[0-9]{1,9}$' THEN
    IF method::integer NOT BETWEEN 0 AND 7 THEN
      PERFORM outbox_refuse(3, format('%s.httpMethod has the unknown value %s.', message, method));
    END IF;
    method := names[method::integer + 1];
  ELSIF method <> ALL (names) THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task.%s.http_method'' (type.googleapis.com/google.cloud.tasks.v2.HttpMethod), '
      '%s', path, left(value::text, 100)
    ));
  END IF;
  IF coalesce(request ->> 'body', '') <> '' AND method <> 'HTTP_METHOD_UNSPECIFIED'
    AND method <> ALL (with_body)
  THEN
    PERFORM outbox_refuse(3, format(
      'Body can only be set if the http_method is %s%s or %s.',
      array_to_string(trim_array(with_body, 1), ', '),
      CASE WHEN cardinality(with_body) > 2 THEN ',' ELSE '' END, with_body[cardinality(with_body)]
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_http(request jsonb, http_tokens boolean) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  token jsonb := coalesce(
    outbox_field(request, 'oidcToken', 'oidc_token'), outbox_field(request, 'oauthToken', 'oauth_token')
  );
BEGIN
  PERFORM outbox_check_fields(request, 'task.http_request', ARRAY[
    'url', 'httpMethod', 'http_method', 'headers', 'body', 'oauthToken', 'oauth_token', 'oidcToken',
    'oidc_token'
  ]);
  IF token IS NOT NULL
    AND coalesce(outbox_field(token, 'serviceAccountEmail', 'service_account_email') #>> '{}', '') = ''
  THEN
    PERFORM outbox_refuse(3, 'service_account_email must be set.');
  END IF;
  PERFORM outbox_check_url(request ->> 'url');
  IF token IS NOT NULL AND NOT http_tokens AND request ->> 'url' !~* '^https://' THEN
    PERFORM outbox_refuse(3,
      'HttpRequest.url must start with ''https://'' for request with HttpRequest.authorization_header'
    );
  END IF;
  PERFORM outbox_check_method(request, 'HttpRequest', 'http_request', '{POST,PUT,PATCH}');
  IF request ->> 'body' !~ '^[A-Za-z0-9+/_-]*={0,2}$' THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task.http_request.body'' (TYPE_BYTES), Base64 decoding failed for %s',
      left((request -> 'body')::text, 100)
    ));
  END IF;
END $$;

CREATE FUNCTION outbox_check_deadline(value jsonb, shown text, lowest integer, highest integer)
RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  seconds numeric;
BEGIN
  IF jsonb_typeof(value) <> 'string' OR value #>> '{}' !~ '^-?[0-9]{1,12}([.][0-9]{1,9})?s$' THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task.dispatch_deadline'' (type.googleapis.com/google.protobuf.Duration), %s',
      left(value::text, 100)
    ));
  END IF;
  seconds := trunc(rtrim(value #>> '{}', 's')::numeric, 6);
  IF seconds <> 0 AND seconds NOT BETWEEN lowest AND highest THEN
    PERFORM outbox_refuse(3, format('Task.dispatchDeadline must be between %s.', shown));
  END IF;
END $$;

-- Checks what is known at once of a task. All other rules are checked when the entry is drained.
CREATE FUNCTION outbox_check_task(task jsonb, parent text, state outbox_state) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  http jsonb := outbox_field(task, 'httpRequest', 'http_request');
  app_engine jsonb := outbox_field(task, 'appEngineHttpRequest', 'app_engine_http_request');
  request jsonb := coalesce(http, app_engine);
  schedule jsonb := outbox_field(task, 'scheduleTime', 'schedule_time');
  deadline jsonb := outbox_field(task, 'dispatchDeadline', 'dispatch_deadline');
BEGIN
  IF jsonb_typeof(task) IS DISTINCT FROM 'object' OR jsonb_typeof(request) <> 'object' THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task'' (type.googleapis.com/google.cloud.tasks.v2.Task), %s',
      coalesce(left(task::text, 100), 'null')
    ));
  END IF;
  PERFORM outbox_check_fields(task, 'task', ARRAY[
    'name', 'httpRequest', 'http_request', 'appEngineHttpRequest', 'app_engine_http_request',
    'scheduleTime', 'schedule_time', 'createTime', 'create_time', 'dispatchDeadline',
    'dispatch_deadline', 'retryConfig', 'retry_config', 'dispatchCount', 'dispatch_count',
    'responseCount', 'response_count', 'firstAttempt', 'first_attempt', 'lastAttempt',
    'last_attempt', 'view'
  ]);
  IF coalesce(task ->> 'name', '') <> '' THEN
    PERFORM outbox_check_name(task ->> 'name', parent);
  END IF;
  IF schedule IS NOT NULL THEN
    PERFORM outbox_check_schedule(schedule, state.schedule_horizon);
  END IF;
  IF http IS NOT NULL THEN
    PERFORM outbox_check_http(http, state.allow_http_tokens);
    IF deadline IS NOT NULL THEN
      PERFORM outbox_check_deadline(deadline, '[15s, 30m]', 15, 1800);
    END IF;
  ELSIF app_engine IS NOT NULL THEN
    PERFORM outbox_check_method(
      app_engine, 'AppEngineHttpRequest', 'app_engine_http_request', '{POST,PUT}'
    );
    IF deadline IS NOT NULL THEN
      PERFORM outbox_check_deadline(deadline, '[15s, 24h15s]', 15, 86415);
    END IF;
  ELSE
    PERFORM outbox_refuse(3, 'Task.payload_type is not set.');
  END IF;
  IF length(rtrim(coalesce(request ->> 'body', ''), '=')) * 3::bigint / 4
    + octet_length(coalesce(http ->> 'url', '')) > state.task_size
    OR octet_length(task::text) > 2 * state.task_size + 1048576
  THEN
    PERFORM outbox_refuse(3, 'Task size too large');
  END IF;
END $$;

-- What uses the name of a task: 'task' if one exists or will be created, 'gone' if one was deleted
-- or ended recently, NULL for a free name. All is read at one time: draining moves rows.
CREATE FUNCTION outbox_name_use(task_name text, home queue, tombstone bigint) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
  task_id text := split_part(task_name, '/tasks/', 2);
  task_seq bigint := CASE
    WHEN task_id ~ '^[0-9]{19}$' AND task_id <= '9223372036854775807' COLLATE "C" THEN task_id::bigint
  END;
  moment bigint := outbox_now();
  use text;
BEGIN
  SELECT CASE
    WHEN EXISTS (SELECT FROM outbox WHERE name = task_name AND task IS NULL) THEN 'gone'
    WHEN EXISTS (SELECT FROM outbox WHERE name = task_name)
      OR EXISTS (SELECT FROM task WHERE generation = home.generation AND id = task_id)
      OR EXISTS (
        SELECT FROM task WHERE seq = task_seq AND generation = home.generation AND id IS NULL
      ) THEN 'task'
    WHEN EXISTS (
      SELECT FROM task_tombstone WHERE queue = home.key AND id = task_id AND expire_time > moment
    ) OR EXISTS (
      SELECT FROM deleted_generation AS deleted JOIN task USING (generation)
      WHERE deleted.queue = home.key AND deleted.time > moment - tombstone AND task.id = task_id
    ) THEN 'gone'
  END INTO use;
  RETURN use;
END $$;

-- Notifies the servers, once in a transaction: PostgreSQL drops repetitions. While a server reads
-- the outbox anyway, nobody is notified, because commits with notifications wait for each other.
CREATE FUNCTION outbox_notify(awake_until timestamptz) RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
  IF awake_until < clock_timestamp() THEN
    PERFORM pg_notify(left('drayman_' || current_schema(), 63), 'outbox');
  END IF;
END $$;

-- Creates tasks in a queue when the transaction commits; returns their names, in order.
-- Plans are made as in the sessions of servers: by an index, whatever the size of a table, and
-- without compilation, which the cost of such plans would start.
CREATE FUNCTION create_tasks(parent text, tasks jsonb) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off AS $$
DECLARE
  home queue;
  state outbox_state;
  next_seq bigint;
  item jsonb;
  task_name text;
BEGIN
  PERFORM outbox_check_resource(
    create_tasks.parent, '^projects/([^/]+)/locations/([^/]*)/queues/([^/]*)$',
    'cloudtasks.tasks.create'
  );
  IF jsonb_typeof(create_tasks.tasks) IS DISTINCT FROM 'array' THEN
    PERFORM outbox_refuse(3, 'create_tasks takes a JSON array of tasks.');
  END IF;
  SELECT * INTO state FROM outbox_state;
  FOR item IN SELECT value FROM jsonb_array_elements(create_tasks.tasks) LOOP
    PERFORM outbox_check_task(item, create_tasks.parent, state);
  END LOOP;
  SELECT * INTO home FROM queue WHERE queue.name = create_tasks.parent;
  IF NOT found THEN
    PERFORM outbox_refuse(5,
      'Queue does not exist. If you just created the queue, wait at least a minute for the queue to '
      'initialize.'
    );
  END IF;
  -- Body and headers would be readable in the outbox, and in what is written from it.
  IF EXISTS (
    SELECT FROM document
    WHERE kind = 'kms-key' AND name = substring(create_tasks.parent FROM '^[^/]*/[^/]*/[^/]*/[^/]*')
  ) THEN
    PERFORM outbox_refuse(9,
      'Tasks of a location with a KMS key cannot be created in SQL, because they would be stored '
      'unencrypted. Create them by a call of the API.'
    );
  END IF;
  next_seq := reserve_seqs(outbox_now() * 1000 + 1, jsonb_array_length(create_tasks.tasks));
  FOR item IN SELECT value FROM jsonb_array_elements(create_tasks.tasks) LOOP
    task_name := nullif(item ->> 'name', '');
    IF task_name IS NOT NULL THEN
      CASE outbox_name_use(task_name, home, state.task_tombstone)
        WHEN 'task' THEN PERFORM outbox_refuse(6, 'Requested entity already exists');
        WHEN 'gone' THEN PERFORM outbox_refuse(6,
          'The task cannot be created because a task with this name existed too recently. For more '
          'information about task de-duplication see '
          'https://cloud.google.com/tasks/docs/reference/rest/v2/projects.locations.queues.tasks/'
          'create#body.request_body.FIELDS.task.'
        );
        ELSE NULL;
      END CASE;
    END IF;
    task_name := coalesce(task_name, create_tasks.parent || '/tasks/' || next_seq);
    INSERT INTO outbox (name, seq, task, size)
    VALUES (task_name, next_seq, item, octet_length(item::text));
    next_seq := next_seq + 1;
    RETURN NEXT task_name;
  END LOOP;
  PERFORM outbox_notify(state.awake_until);
END $$;

-- Creates a task in a queue when the transaction commits; returns its name.
CREATE FUNCTION create_task(parent text, task jsonb) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  task_name text;
BEGIN
  SELECT created INTO task_name
  FROM create_tasks(create_task.parent, jsonb_build_array(create_task.task)) AS created;
  RETURN task_name;
END $$;

-- The same for a task that delivers an HTTP request, from its parts.
CREATE FUNCTION create_http_task(
  parent text,
  url text,
  body bytea DEFAULT NULL,
  json_body jsonb DEFAULT NULL, -- with its content type; JSON alone is a keyword of newer versions
  headers jsonb DEFAULT NULL,
  http_method text DEFAULT NULL,
  schedule_time timestamptz DEFAULT NULL,
  task_id text DEFAULT NULL,
  oidc_email text DEFAULT NULL -- send an OIDC token of this service account
) RETURNS text
LANGUAGE sql SECURITY DEFINER SET search_path FROM CURRENT AS $$
  SELECT create_task(parent, jsonb_strip_nulls(jsonb_build_object(
    'name', parent || '/tasks/' || task_id,
    'scheduleTime', to_char(schedule_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
    'httpRequest', jsonb_build_object(
      'url', url,
      'httpMethod', http_method,
      'body', translate(encode(coalesce(body, convert_to(json_body::text, 'UTF8')), 'base64'), E'\n', ''),
      'headers', nullif(
        CASE
          WHEN json_body IS NULL OR EXISTS (
            SELECT FROM jsonb_object_keys(headers) AS name WHERE lower(name) = 'content-type'
          ) THEN '{}'
          ELSE '{"Content-Type": "application/json"}'::jsonb
        END || coalesce(headers, '{}'), '{}'
      ),
      'oidcToken',
      CASE WHEN oidc_email IS NOT NULL THEN jsonb_build_object('serviceAccountEmail', oidc_email) END
    )
  )))
$$;

-- Deletes a task when the transaction commits.
CREATE FUNCTION delete_task(name text) RETURNS void
LANGUAGE plpgsql SECURITY DEFINER
SET search_path FROM CURRENT SET enable_seqscan TO off SET jit TO off AS $$
DECLARE
  home queue;
  state outbox_state;
BEGIN
  PERFORM outbox_check_resource(
    delete_task.name, '^projects/([^/]+)/locations/([^/]*)/queues/([^/]*)/tasks/([^/]*)$',
    'cloudtasks.tasks.delete'
  );
  PERFORM outbox_check_task_id(split_part(delete_task.name, '/tasks/', 2));
  SELECT * INTO state FROM outbox_state;
  SELECT * INTO home FROM queue WHERE queue.name = split_part(delete_task.name, '/tasks/', 1);
  IF NOT found
    OR outbox_name_use(delete_task.name, home, state.task_tombstone) IS DISTINCT FROM 'task'
  THEN
    PERFORM outbox_refuse(5, 'Requested entity was not found.');
  END IF;
  INSERT INTO outbox (name) VALUES (delete_task.name);
  PERFORM outbox_notify(state.awake_until);
END $$;

-- Whoever may execute them needs no rights on the tables.
DO $$
DECLARE
  each regprocedure;
BEGIN
  FOR each IN
    SELECT oid FROM pg_proc
    WHERE pronamespace = current_schema()::regnamespace
      AND (proname LIKE 'outbox%' OR proname LIKE 'create%task%' OR proname = 'delete_task')
  LOOP
    EXECUTE format('REVOKE ALL ON FUNCTION %s FROM PUBLIC', each);
  END LOOP;
END $$;
