"""Arguments to a configuration, by tyro, whose panels of several lines become one line that says what to do."""

import contextlib
import functools
import io
import operator
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Annotated, Any, get_args

import tyro

from torchbasics.errors import InputError, nearest


def left_out(metavar: str, default: str) -> Any:
    """An argument whose value, when it is left out, depends on others: its help says on what."""
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=f"(default: {default})")


def parse(commands: Mapping[str, type], arguments: Sequence[str], prog: str, description: str) -> Any:
    """The configuration that the arguments describe, an instance of one of the commands' dataclasses.

    `commands` maps each command's name to its dataclass. `--help` prints, and exits with 0.
    Raises `InputError` for arguments that fit no command.
    """
    union: Any = functools.reduce(
        operator.or_, (Annotated[config, tyro.conf.subcommand(name)] for name, config in commands.items())
    )
    command = arguments[0] if arguments and arguments[0] in commands else None
    help_ = f"see {prog} {command + ' ' if command else ''}--help"
    return _parse(union, arguments, prog, description, command, commands, help_)


def parse_options(config: type, arguments: Sequence[str], prog: str, description: str) -> Any:
    """The configuration of a program that has no commands, an instance of the dataclass `config`.

    `--help` prints, and exits with 0. Raises `InputError` for arguments that don't fit.
    """
    return _parse(config, arguments, prog, description, prog, {prog: config}, f"see {prog} --help")


def _parse(
    form: Any,
    arguments: Sequence[str],
    prog: str,
    description: str,
    command: str | None,
    commands: Mapping[str, type],
    help_: str,
) -> Any:
    panel = io.StringIO()
    try:
        with _unbroken_lines(arguments), contextlib.redirect_stderr(panel):
            return tyro.cli(
                form,
                prog=prog,
                description=description,
                args=arguments,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    except SystemExit as exit:
        if exit.code in (0, None):
            raise
        raise InputError(_one_line(panel.getvalue(), command, commands, help_)) from None


@contextlib.contextmanager
def _unbroken_lines(arguments: Sequence[str]) -> Iterator[None]:
    """Let tyro write its error panels as wide as they come; its help keeps to the terminal."""
    before = os.environ.get("COLUMNS")
    if not {"-h", "--help"} & set(arguments):
        os.environ["COLUMNS"] = "10000"
    try:
        yield
    finally:
        if before is None:
            os.environ.pop("COLUMNS", None)
        else:
            os.environ["COLUMNS"] = before


def _one_line(panel: str, command: str | None, commands: Mapping[str, type], help_: str) -> str:
    """What tyro's panel comes to: the argument, what was given, what would have been right."""
    # A panel has a border, which is ASCII on a terminal that has nothing better, and rules between its parts.
    rows = [row.strip("│| ") for row in panel.splitlines()[1:-1]]
    said = [row for row in rows if row.strip("─-")]
    message = " ".join(said)
    if match := re.match(r"invalid choice '(.*)' for argument '(.*)'\. Expected one of \((.*?)\)", message):
        given, argument, choices = match.groups()
        known = [choice for choice in re.findall(r"'(.*?)'", choices) if choice != "None"]
        return f"{argument} {given}: {nearest(given, known)}"
    if match := re.match(r"Error parsing (\S+?): ", message):
        kind = "a whole number" if "int" in message.split("Argument helptext")[0] else "a number"
        given = (
            re.findall(r"'([^']*)'", message)[-1]
            if "from [" not in message
            else message.split("['")[1].split("']")[0].replace("', '", " ")
        )
        return f"{match[1]} {given}: expected {kind}; {help_}"
    if match := re.match(r"Missing value for argument '(.*?)'", message):
        return f"{match[1]}: its value is missing; {help_}"
    if message.startswith("Missing from"):
        return f"{command}: {said[1]} is missing; {help_}"
    if match := re.match(r"Unrecognized (?:or misplaced )?options: ([^\s,]+)", message):
        given = match[1]
        if command is None:
            return f"no command is called {given!r}; {nearest(given, commands)}"
        if given.startswith("-"):
            options = [
                f"--{field.name.replace('_', '-')}"
                for field in fields(commands[command])
                if tyro.conf.Positional not in get_args(field.type)
            ]
            return f"{command} has no option {given}; {nearest(given, options)}"
        return f"{given!r} is one word too many for {command}; {help_}"
    if command is None:
        return f"a command is missing; expected one of {', '.join(commands)}; {help_}"
    return f"{message}; {help_}"
