-- compatible with: 1
-- The functions of the outbox refuse at once what was refused when it was drained, or not at all:
-- impossible dates, headers that are no object of strings, and two payloads.

SELECT set_config('search_path', quote_ident(current_schema()) || ', pg_temp', true);

-- Checks the headers of a request, NULL if it has none.
CREATE FUNCTION outbox_check_headers(headers jsonb, path text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  header record;
BEGIN
  IF jsonb_typeof(headers) NOT IN ('object', 'null') THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''%s.headers'' (Map), %s', path, left(headers::text, 100)
    ));
  ELSIF jsonb_typeof(headers) = 'object' THEN
    SELECT place - 1 AS place, value INTO header
    FROM jsonb_each(headers) WITH ORDINALITY AS each (name, value, place)
    WHERE jsonb_typeof(value) <> 'string' LIMIT 1;
    IF found THEN
      PERFORM outbox_refuse(3, format(
        'Invalid value at ''%s.headers[%s].value'' (TYPE_STRING), %s', path, header.place,
        CASE jsonb_typeof(header.value)
          WHEN 'object' THEN 'Starting an object on a scalar field'
          ELSE left(header.value::text, 100)
        END
      ));
    END IF;
  END IF;
END $$;
REVOKE ALL ON FUNCTION outbox_check_headers FROM PUBLIC;

CREATE OR REPLACE FUNCTION outbox_check_schedule(value jsonb, horizon bigint) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
  parts text[];
  moment timestamptz;
  pacific timestamp;
BEGIN
  parts := CASE WHEN jsonb_typeof(value) = 'string' THEN regexp_match(value #>> '{}',
    '^([0-9]{4}-[0-9]{2}-[0-9]{2}T(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:[.][0-9]{1,9})?)'
    '(?:Z|([+-][0-9]{2}:[0-9]{2}))$'
  ) END;
  BEGIN
    -- PostgreSQL takes no offset of 16 hours or more, which the API does.
    moment := (parts[1] || 'Z')::timestamptz - coalesce(parts[2], '+00:00')::interval;
  EXCEPTION WHEN datetime_field_overflow OR invalid_datetime_format OR interval_field_overflow THEN
    moment := NULL;
  END;
  IF moment IS NULL OR moment < '0001-01-01T00:00:00Z' THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task.schedule_time'' (type.googleapis.com/google.protobuf.Timestamp), %s',
      left(value::text, 100)
    ));
  END IF;
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

-- Checks what is known at once of a task. All other rules are checked when the entry is drained.
CREATE OR REPLACE FUNCTION outbox_check_task(task jsonb, parent text, state outbox_state) RETURNS void
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
  IF http IS NOT NULL AND app_engine IS NOT NULL THEN
    PERFORM outbox_refuse(3, format(
      'Invalid value at ''task'' (oneof), oneof field ''message_type'' is already set. Cannot set ''%s''',
      CASE WHEN task ? 'appEngineHttpRequest'
        THEN 'appEngineHttpRequest' ELSE 'app_engine_http_request' END
    ));
  END IF;
  PERFORM outbox_check_headers(
    request -> 'headers',
    CASE WHEN http IS NULL THEN 'task.app_engine_http_request' ELSE 'task.http_request' END
  );
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

-- Creates a task that delivers an HTTP request, from its parts.
CREATE OR REPLACE FUNCTION create_http_task(
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
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
BEGIN
  IF body IS NOT NULL AND json_body IS NOT NULL THEN
    PERFORM outbox_refuse(3, 'create_http_task takes body or json_body, not both.');
  END IF;
  PERFORM outbox_check_headers(headers, 'task.http_request');
  RETURN create_task(parent, jsonb_strip_nulls(jsonb_build_object(
    'name', parent || '/tasks/' || task_id,
    'scheduleTime', CASE
      WHEN schedule_time BETWEEN '0001-01-01T00:00:00Z' AND '9999-12-31T23:59:59.999999Z'
      THEN to_char(schedule_time AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')
      ELSE schedule_time::text -- infinity, BC: refused
    END,
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
  )));
END $$;
