"""The settings: every option from every source, and the message for a wrong one."""

import dataclasses
import re

import pytest

from drayman import files, settings
from drayman.core.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from drayman.core.limits import Limits, QueueLimits
from drayman.core.queue import Queue, State
from drayman.settings import OPTIONS, Settings, SettingsError

QUEUE = "projects/p/locations/l/queues/q"
RATE = "maxDispatchesPerSecond"
KEY_NAME = "projects/p/locations/l/keyRings/r/cryptoKeys/k"
KEY = "AAAAAAAAAAAAAAAAAAAAAA=="

# One value for each option that is not its default, as text and as what it means.
SAMPLES = {
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("9000", 9000),
    "http-port": ("9001", 9001),
    "tls-cert": ("cert.pem", "cert.pem"),
    "tls-key": ("key.pem", "key.pem"),
    "tls-client-ca": ("ca.pem", "ca.pem"),
    "allow-host": ("*.example.com", ("*.example.com",)),
    "auth": ("oidc, keys", "keys,oidc"),
    "insecure": ("true", True),
    "access-file": ("access.yaml", "access.yaml"),
    "console": ("read-only", "read-only"),
    "store": ("memory", "memory"),
    "durability": ("relaxed", "relaxed"),
    "queue": (QUEUE, (QUEUE,)),
    "queue-file": ("queues.yaml", "queues.yaml"),
    "app-engine-target": ("worker=http://localhost:1", (("worker", "http://localhost:1"),)),
    "dead-letters": ("1d", 1440 * MINUTE),
    "activity-log": ("true", True),
    "mask-queries": ("true", True),
    "ramp-up": ("true", True),
    "role": ("api", "api"),
    "no-dispatch": ("true", True),
    "max-in-flight": ("7", 7),
    "task-tombstone": ("90m", 90 * MINUTE),
    "queue-tombstone": ("0s", 0),
    "max-dispatches-per-second": ("0.5", 0.5),
    "max-concurrent-dispatches": ("9", 9),
    "task-size": ("100", 100),
    "schedule-horizon": ("90d", 90 * DAY),
    "retention": ("100d", 100 * DAY),
    "call-deadline": ("0", 0),
    "location": ("here", ("here",)),
    "targets": ("public", "public"),
    "target-ca": ("ca.pem", "ca.pem"),
    "proxy-from-environment": ("true", True),
    "issuer": ("https://tasks.example.com", "https://tasks.example.com"),
    "signing-key": ("key.pem", "key.pem"),
    "google-credentials": ("default", "default"),
    "key-file": ("keys.yaml", "keys.yaml"),
    "allow-http-tokens": ("true", True),
    "grace": ("1.5s", 1_500 * MILLISECOND),
    "test-endpoints": ("true", True),
    "manual-clock": ("true", True),
    "log-level": ("debug", "debug"),
    "log-format": ("json", "json"),
    "metrics": ("open", "open"),
    "tracing": ("true", True),
}
OPTION_SAMPLES = [(option, *SAMPLES[option.name]) for option in OPTIONS if option.name in SAMPLES]


def test_every_option_has_a_sample():
    assert {option.name for option in OPTIONS} == set(SAMPLES)


def test_defaults_are_googles_and_local():
    loaded = settings.load({}, {})
    assert (loaded.host, loaded.port, loaded.http_port) == ("127.0.0.1", 8123, None)
    assert (loaded.store, loaded.durability, loaded.grace) == (
        "sqlite:drayman.db", "safe", 30 * SECOND,
    )  # fmt: skip
    assert loaded.limits == Limits()


@pytest.mark.parametrize(("option", "text", "value"), OPTION_SAMPLES)
def test_every_option_can_be_given_in_every_way(tmp_path, option, text, value):
    file = tmp_path / "drayman.toml"
    file.write_text(f'{option.name} = "{text}"\n')
    sources = [
        ({option.key: [text] if option.repeatable else text}, {}, None),
        ({}, {option.variable: text}, None),
        ({}, {}, str(file)),
        ({}, {"DRAYMAN_CONFIG": str(file)}, None),
    ]
    for given, environment, path in sources:
        assert getattr(settings.load(given, environment, path), option.field) == value


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text("port = 1\nhttp_port = 1\nmax-in-flight = 1\n")
    environment = {"DRAYMAN_PORT": "2", "DRAYMAN_HTTP_PORT": "2"}
    loaded = settings.load({"port": "3"}, environment, str(file))
    assert (loaded.port, loaded.http_port, loaded.max_in_flight) == (3, 2, 1)


def test_repeatable_options_are_lists_everywhere(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text(f'queue = ["{QUEUE}", "{QUEUE}2"]')
    assert settings.load({}, {}, str(file)).queues == (QUEUE, QUEUE + "2")
    assert settings.load({}, {"DRAYMAN_QUEUE": f"{QUEUE}, {QUEUE}2"}).queues == (QUEUE, QUEUE + "2")


@pytest.mark.parametrize(
    ("text", "length"),
    [
        ("500ms", 500 * MILLISECOND),
        ("30", 30 * SECOND),
        ("30s", 30 * SECOND),
        ("5m", 5 * MINUTE),
        ("24h", 24 * HOUR),
        ("3d", 3 * DAY),
    ],
)
def test_durations(text, length):
    assert settings.load({"grace": text}, {}).grace == length


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((text, True) for text in ("true", "1", "yes", "on", "True", "YES", " on ")),
        *((text, False) for text in ("false", "0", "no", "off", "FALSE", "No")),
    ],
)
def test_booleans(text, value):
    assert settings.load({}, {"DRAYMAN_RAMP_UP": text}).ramp_up is value


def test_booleans_of_a_file_need_no_quotes(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text("ramp-up = true\nactivity-log = false")
    loaded = settings.load({}, {}, str(file))
    assert (loaded.ramp_up, loaded.activity_log) == (True, False)


def test_an_empty_variable_is_none():
    assert settings.load({}, {"DRAYMAN_PORT": "", "DRAYMAN_CONFIG": ""}).port == 8123


@pytest.mark.parametrize(
    ("variable", "next_step"),
    [
        ("DRAYMAN_PROT", "did you mean DRAYMAN_PORT"),
        ("DRAYMAN_QUEUES", "did you mean DRAYMAN_QUEUE"),
        ("DRAYMAN_CONFIGURATION", "did you mean DRAYMAN_CONFIG?"),
        ("DRAYMAN_MAX_DISPATCHES", "did you mean DRAYMAN_NO_DISPATCH or DRAYMAN_MAX_"),
        ("DRAYMAN_PASSWORD_OF_SMTP", "unset it (drayman serve --help lists the settings)"),
        ("DRAYMAN_CHECK", "unset it"),
        ("DRAYMAN_port", "unset it"),
    ],
)
def test_an_unknown_variable_is_an_error_that_names_the_closest(variable, next_step):
    with pytest.raises(SettingsError) as error:
        settings.load({}, {variable: "1"})
    assert str(error.value).startswith(f"{variable}: no such setting; {next_step}")


@pytest.mark.parametrize(
    ("variable", "text"),
    [
        ("DRAYMAN_TEST_POSTGRES", "postgresql://localhost"),
        ("DRAYMAN_REQUIRE_POSTGRES", "1"),
        ("DRAYMAN_REQUIRE_CHROMIUM", "1"),
        ("DRAYMAN_SERVICE_HOST", "10.0.0.1"),
        ("DRAYMAN_SERVICE_PORT", "8123"),
        ("DRAYMAN_SERVICE_PORT_GRPC", "8123"),
        ("DRAYMAN_HTTP_SERVICE_HOST", "10.0.0.1"),
        ("DRAYMAN_PORT", "tcp://10.0.0.1:8123"),
        ("DRAYMAN_HTTP_PORT", "tcp://10.0.0.1:8124"),
        ("DRAYMAN_PORT_8123_TCP", "tcp://10.0.0.1:8123"),
        ("DRAYMAN_PORT_8123_TCP_ADDR", "10.0.0.1"),
        ("DRAYMAN_HTTP_PORT_53_UDP_PROTO", "udp"),
        ("CLOUD_TASKS_EMULATOR_HOST", "localhost:8123"),
        ("DRAYMAN_SERVER", "localhost:8123"),
        ("DRAYMAN_DEFAULT_PROJECT", "shop"),
        ("DRAYMAN_DEFAULT_LOCATION", "here"),
        ("DRAYMAN_API_KEY", "drayman_5f2c9a1be07d_x"),
        ("DRAYMAN_TOKEN", "x.y.z"),
        ("DRAYMAN_CA", "ca.pem"),
    ],
)
def test_variables_of_others_are_ignored(variable, text):
    assert settings.load({}, {variable: text}) == Settings()


def test_all_that_is_wrong_is_reported_a_line_each(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text('prot = 1\ngrace = "soon"')
    environment = {"DRAYMAN_STOER": "memory", "DRAYMAN_HTTP_PORT": "x"}
    with pytest.raises(SettingsError) as error:
        settings.load({"port": "x"}, environment, str(file))
    starts = [line.split(":")[0] for line in str(error.value).splitlines()]
    assert sorted(starts) == [
        "--config", "--port", "DRAYMAN_HTTP_PORT", "DRAYMAN_STOER", f"grace in {file}",
    ]  # fmt: skip


def test_a_wrong_setting_is_unknown_and_the_others_have_their_sources():
    reading = settings.read({"port": "x"}, {"DRAYMAN_HOST": "::1"})
    assert reading.unknown == {"port"}
    assert reading.sources == {"port": "--port", "host": "DRAYMAN_HOST"}
    assert (reading.settings.host, reading.settings.port) == ("::1", 8123)


def test_of_a_file_that_cannot_be_read_nothing_is_known(tmp_path):
    reading = settings.read({"port": "1"}, {}, str(tmp_path / "nowhere.toml"))
    assert reading.unknown == {option.field for option in OPTIONS}
    assert len(reading.problems) == 1


def test_a_list_where_one_value_belongs_makes_the_setting_unknown(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text("port = [1]\nhost = []")
    reading = settings.read({}, {}, str(file))
    assert reading.unknown == {"host", "port"}


@pytest.mark.parametrize("option", OPTIONS, ids=lambda option: option.name)
def test_a_shown_default_means_the_default(option):
    loaded = settings.load({option.key: option.default_text or None}, {})
    assert getattr(loaded, option.field) == option.default


def test_the_names_of_limits_are_names_of_settings():
    text = {"retention": "1h", "queue_tombstone": "2h", "task_size": "3", "location": ["b", "a"]}
    limits = settings.load(text | {"allow_http_tokens": "true"}, {}).limits
    assert (limits.retention.task_retention, limits.retention.queue_tombstone) == (HOUR, 2 * HOUR)
    assert (limits.task.task_size, limits.task.allow_http_tokens) == (3, True)
    assert limits.locations == ("a", "b")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "-1"),
        ("port", "65536"),
        ("port", "8123.0"),
        ("port", ""),
        ("port", "+1"),
        ("port", "8_123"),
        ("port", "\u0663"),
        ("ramp-up", "maybe"),
        ("ramp-up", "2"),
        ("store", ""),
        ("store", "sqlite:"),
        ("store", "sqlite"),
        ("store", "postgres:x"),
        ("grace", "soon"),
        ("grace", "-1s"),
        ("max-in-flight", "0"),
        ("app-engine-target", "localhost:8080"),
        ("app-engine-target", "worker=ftp://x"),
        ("queue", "projects/p/queues/q"),
        ("log-level", "loud"),
    ],
)
def test_a_wrong_value_names_option_value_and_what_is_allowed(name, text):
    (option,) = (option for option in OPTIONS if option.name == name)
    given = {option.key: [text] if option.repeatable else text}
    with pytest.raises(SettingsError) as error:
        settings.load(given, {})
    assert str(error.value) == f'--{name}: "{text}" is not allowed; allowed: {option.type.allowed}'


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("port = ", "is not TOML"),
        ("port = [1, 2]", "port in {file}: a list is not allowed"),
        ("prot = 1", 'has the unknown key "prot"; allowed: host, port, '),
        ('port = "x"', 'port in {file}: "x" is not allowed; allowed: a port number, 0 to 65535'),
    ],
)
def test_a_wrong_file_says_what_is_wrong(tmp_path, content, sentence):
    file = tmp_path / "drayman.toml"
    file.write_text(content)
    with pytest.raises(SettingsError) as error:
        settings.load({}, {}, str(file))
    assert sentence.format(file=file) in str(error.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(SettingsError, match=r"--config: .*nowhere\.toml cannot be read"):
        settings.load({}, {}, str(tmp_path / "nowhere.toml"))
    with pytest.raises(SettingsError, match=r"--queue-file: .*nowhere\.yaml cannot be read"):
        files.load_queues(str(tmp_path / "nowhere.yaml"), QueueLimits())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("- x", 'must contain a list named "queues"'),
        ("queues: 3", 'must contain a list named "queues"'),
        ("queues: [3]", "queue 1: it must have a name, and may have settings"),
        (f"queues: [{{name: {QUEUE}}}, {{name: {QUEUE}}}]", "queue 2: "),
        ("queues: [{name: q}]", "queue 1: Queue name must be formatted: "),
        (f"queues: [{{name: {QUEUE}, state: DISABLED}}]", "state must be RUNNING or PAUSED"),
        (f"queues: [{{name: {QUEUE}, state: ASLEEP}}]", "queue 1: "),
        (f"queues: [{{name: {QUEUE}, state: 7}}]", "queue 1: "),
        (
            f"queues: [{{name: {QUEUE}}}, {{name: {QUEUE}, rateLimits: {{{RATE}: 501}}}}]",
            "queue 2: RateLimits.maxDispatchesPerSecond must be less than or equal to 500.",
        ),
    ],
)
def test_a_wrong_queue_file_names_the_entry(tmp_path, content, sentence):
    file = tmp_path / "queues.yaml"
    file.write_text(content)
    with pytest.raises(SettingsError) as error:
        files.load_queues(str(file), QueueLimits())
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)


def test_every_wrong_entry_of_a_queue_file_has_a_line(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(f"queues: [{{name: q}}, {{name: {QUEUE}}}, 3, {{name: {QUEUE}}}]")
    with pytest.raises(SettingsError) as error:
        files.load_queues(str(file), QueueLimits())
    numbers = [re.search(r"queue (\d)", line)[1] for line in str(error.value).splitlines()]
    assert numbers == ["1", "3", "4"]


@pytest.mark.parametrize(
    ("text", "state"),
    [
        ("", None),
        (", state: STATE_UNSPECIFIED", None),
        (", state: RUNNING", State.RUNNING),
        (", state: PAUSED", State.PAUSED),
        (", state: 2", State.PAUSED),
    ],
)
def test_a_queue_file_may_name_a_state(tmp_path, text, state):
    file = tmp_path / "queues.yaml"
    file.write_text(f"queues: [{{name: {QUEUE}{text}}}]")
    (declared,) = files.load_queues(str(file), QueueLimits())
    assert declared.state == state
    assert declared.merge(None) == Queue(QUEUE, state=state or State.RUNNING)


def test_a_queue_file_changes_settings_and_keeps_the_rest(tmp_path):
    file = tmp_path / "queues.yaml"
    file.write_text(f"queues: [{{name: {QUEUE}, rateLimits: {{{RATE}: 7}}, state: RUNNING}}]")
    (declared,) = files.load_queues(str(file), QueueLimits())
    existing = Queue(QUEUE, State.PAUSED, purge_time=5, policy=b"policy")
    merged = declared.merge(existing)
    changed = {"rate_limits": merged.rate_limits, "state": State.RUNNING}
    assert merged == dataclasses.replace(existing, **changed)
    assert merged.rate_limits.max_dispatches_per_second == 7


def test_every_wrong_entry_of_a_key_file_has_a_line(tmp_path):
    file = tmp_path / "keys.yaml"
    file.write_text(f"k: {KEY}\n{KEY_NAME}: '?'")
    with pytest.raises(SettingsError) as error:
        files.load_keys(str(file))
    one, other = str(error.value).splitlines()
    assert one.startswith(f'--key-file: {file}: "k" is not of the form ')
    assert other == f"--key-file: {file}: {KEY_NAME} must be 16, 24 or 32 bytes in base64"


def test_a_key_file_is_read(tmp_path):
    file = tmp_path / "keys.yaml"
    file.write_text(f"{KEY_NAME}: {KEY}")
    assert files.load_keys(str(file)) == {KEY_NAME: bytes(16)}
