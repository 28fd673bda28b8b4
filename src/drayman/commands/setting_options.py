"""Settings of a server as options of a command."""

import click

from drayman import settings
from drayman.settings import Option


def of_settings(*fields: str) -> list[click.Parameter]:
    """Return the options of settings, by the names of their fields, and ``--config``."""
    chosen = [each for each in settings.OPTIONS if not fields or each.field in fields]
    config = click.Option(
        ["--config"], metavar="FILE", help="TOML file with these settings. [DRAYMAN_CONFIG]"
    )
    return [*map(_option, chosen), config]


def _option(option: Option) -> click.Option:
    default = f"; default {option.default_text}" if option.default_text else ""
    return click.Option(
        [option.flag],
        multiple=option.repeatable,
        is_flag=option.switch,
        flag_value="true" if option.switch else None,
        metavar=None if option.switch else option.metavar,
        help=f"{option.help} [{option.variable}{default}]",
    )
