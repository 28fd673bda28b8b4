"""The settings: every option from every source, and what is said of a wrong one."""

import pytest

from drayman import config
from drayman.config import OPTIONS, ConfigError
from drayman.core.clock import DAY, HOUR, MILLISECOND, MINUTE, SECOND
from drayman.core.limits import Limits, QueueLimits

QUEUE = "projects/p/locations/l/queues/q"
RATE = "maxDispatchesPerSecond"

# One value for each option that is not its default, as text and as what it means.
SAMPLES = {
    "host": ("0.0.0.0", "0.0.0.0"),
    "port": ("9000", 9000),
    "http-port": ("9001", 9001),
    "store": ("memory", "memory"),
    "durability": ("relaxed", "relaxed"),
    "queue": (QUEUE, [QUEUE]),
    "queue-file": ("queues.yaml", "queues.yaml"),
    "app-engine-target": ("worker=http://localhost:1", [("worker", "http://localhost:1")]),
    "dead-letters": ("1d", 1440 * MINUTE),
    "activity-log": ("true", True),
    "ramp-up": ("true", True),
    "max-in-flight": ("7", 7),
    "task-tombstone": ("90m", 90 * MINUTE),
    "queue-tombstone": ("0s", 0),
    "max-dispatches-per-second": ("0.5", 0.5),
    "max-concurrent-dispatches": ("9", 9),
    "task-size": ("100", 100),
    "schedule-horizon": ("90d", 90 * DAY),
    "retention": ("100d", 100 * DAY),
    "call-deadline": ("0", 0),
    "location": ("here", ["here"]),
    "issuer": ("https://tasks.example.com", "https://tasks.example.com"),
    "signing-key": ("key.pem", "key.pem"),
    "google-credentials": ("default", "default"),
    "key-file": ("keys.yaml", "keys.yaml"),
    "allow-http-tokens": ("true", True),
    "grace": ("1.5s", 1_500 * MILLISECOND),
    "log-level": ("debug", "debug"),
}
OPTION_SAMPLES = [(option, *SAMPLES[option.name]) for option in OPTIONS if option.name in SAMPLES]


def test_every_option_has_a_sample():
    assert {option.name for option in OPTIONS} == set(SAMPLES)


def test_defaults_are_googles_and_local():
    loaded = config.load({}, {})
    assert (loaded.host, loaded.port, loaded.http_port) == ("127.0.0.1", 8123, 8124)
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
        assert getattr(config.load(given, environment, path), option.key) == value


def test_the_command_line_wins_over_the_environment_and_that_over_the_file(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text("port = 1\nhttp_port = 1\nmax-in-flight = 1\n")
    environment = {"DRAYMAN_PORT": "2", "DRAYMAN_HTTP_PORT": "2"}
    loaded = config.load({"port": "3"}, environment, str(file))
    assert (loaded.port, loaded.http_port, loaded.max_in_flight) == (3, 2, 1)


def test_repeatable_options_are_lists_everywhere(tmp_path):
    file = tmp_path / "drayman.toml"
    file.write_text(f'queue = ["{QUEUE}", "{QUEUE}2"]')
    assert config.load({}, {}, str(file)).queue == [QUEUE, QUEUE + "2"]
    assert config.load({}, {"DRAYMAN_QUEUE": f"{QUEUE}, {QUEUE}2"}).queue == [QUEUE, QUEUE + "2"]


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
    assert config.load({"grace": text}, {}).grace == length


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("port", "-1"),
        ("port", "65536"),
        ("port", "8123.0"),
        ("port", ""),
        ("store", ""),
        ("store", "sqlite:"),
        ("store", "sqlite"),
        ("store", "postgres://x"),
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
    with pytest.raises(ConfigError) as error:
        config.load(given, {})
    assert str(error.value) == f'--{name}: "{text}" is not allowed; allowed: {option.allowed}'


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
    with pytest.raises(ConfigError) as error:
        config.load({}, {}, str(file))
    assert sentence.format(file=file) in str(error.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(ConfigError, match=r"--config: .*nowhere\.toml cannot be read"):
        config.load({}, {}, str(tmp_path / "nowhere.toml"))
    with pytest.raises(ConfigError, match=r"--queue-file: .*nowhere\.yaml cannot be read"):
        config.load_queues(str(tmp_path / "nowhere.yaml"), QueueLimits())


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        ("a: [", "is not YAML"),
        ("- x", 'must contain a list named "queues"'),
        ("queues: 3", 'must contain a list named "queues"'),
        ("queues: [3]", "queue 1: "),
        (f"queues: [{{name: {QUEUE}}}, {{name: {QUEUE}}}]", "queue 2: "),
        ("queues: [{name: q}]", 'queue 1: Invalid resource field value in the request. "name"'),
        (
            f"queues: [{{name: {QUEUE}}}, {{name: {QUEUE}, rateLimits: {{{RATE}: 501}}}}]",
            "queue 2: RateLimits.maxDispatchesPerSecond must be less than or equal to 500.",
        ),
    ],
)
def test_a_wrong_queue_file_names_the_entry(tmp_path, content, sentence):
    file = tmp_path / "queues.yaml"
    file.write_text(content)
    with pytest.raises(ConfigError) as error:
        config.load_queues(str(file), QueueLimits())
    assert sentence in str(error.value)
    assert "\n" not in str(error.value)
