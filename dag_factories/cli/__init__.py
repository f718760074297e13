# SPDX-License-Identifier: Apache-2.0
"""The command ``dataops``. Only the module of the command that was asked for is imported."""

from __future__ import annotations

import argparse
import gc
import os
import sys
from collections.abc import Sequence
from importlib import import_module

from airflow_dataops.core.errors import DataOpsError, did_you_mean

CLEAN, FOUND, USAGE, INTERNAL, INTERRUPTED = 0, 1, 2, 3, 130

COMMANDS: dict[str, str] = {
    "new": "write a commented pipeline that runs at once",
    "check": "say all that is wrong in pipeline files, with line, column and what to type",
    "explain": "explain a kind, a key, or what a file will do",
    "run": "run a pipeline here, without Airflow",
    "stubs": "write the three-line DAG file beside each pipeline",
    "schema": "print the JSON Schema of the files, for editors",
    "quarantine": "list, show, replay or forget the bad rows that runs put aside",
    "maintain": "compact tables, and delete what nothing needs any more",
    "package": "build code and environment for the nodes of a Dask cluster, and upload them",
    "preflight": "look whether a cloud, a namespace or servers have all that a pipeline needs there",
    "janitor": "delete the Dask clusters or Spark drivers of an Airflow that nobody waits for any more",
    "kafka-health": "say how a Kafka consumer group does: lag, delay, what stands still, what is lost",
    "check-s3": "try what pipelines need of an S3 endpoint, and say what they do where it lacks it",
    "serve": "run the API that takes metadata events and publishes them to Kafka",
    "run-worker": "bring metadata events from Kafka into Mongo and the archive, until it is stopped",
    "replay": "send dead letters of metadata events back to their topic after a fix",
    "demo": "run the flights example and open its result page",
    "version": "print the versions of what does the work",
}

# Codes of errors that are about the command line, wherever they are found.
_WRONG_USAGE = frozenset(
    {
        "USAGE",
        "KAFKA_SETTINGS",
        "MONGO_URI",
        "OPEN_TO_ALL",
        "TLS",
        "TOKENS",
        "S3_ADDRESS",
        "UNKNOWN_TARGET",
        "UNKNOWN_KIND",
        "UNKNOWN_KEY",
    }
)

_HEAD = """usage: dataops COMMAND [...]

One YAML file a pipeline: checked, explained and run here, scheduled by Airflow.

commands:
{commands}

start with:
  dataops new bronze_to_silver orders      write orders.yaml, with a few rows to try it on
  dataops check .                          say what is wrong, before anybody runs it
  dataops run orders.yaml                  run it here
  dataops COMMAND --help                   more on one command

exit status: 0 all well, 1 something was found or failed, 2 wrong usage, 3 a fault of dataops itself
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line.

    Args:
        argv: Arguments without the program's name; those of the process without it.

    Returns:
        The exit status: 0 all well, 1 something was found or failed, 2 wrong usage, 3 a fault of this program.
    """
    if argv is None:
        _start_light()
    arguments = list(sys.argv[1:] if argv is None else argv)
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        sys.stdout.write(_HEAD.format(commands="\n".join(f"  {name:12} {text}" for name, text in COMMANDS.items())))
        return CLEAN if arguments else USAGE
    name, rest = arguments[0], arguments[1:]
    name = "version" if name == "--version" else name
    if name not in COMMANDS:
        hint = did_you_mean(name, COMMANDS) or "see `dataops --help`"
        print(f"dataops: unknown command {name!r}; {hint}", file=sys.stderr)
        return USAGE
    status = _guarded(name, rest)
    if argv is None:
        gc.freeze()  # the end of a process collects once more: all that is about to go anyway
    return status


def _start_light() -> None:
    """Spare a process that lives for one command what serves long-lived ones.

    Imports make objects that stay, and the collector would walk them again and again. Pydantic's plugins would be looked for in the
    metadata of every installed package; a command needs none.
    """
    gc.set_threshold(300_000, 20, 100)
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")


def start_long() -> None:
    """Take back, for a command that is a service, what :func:`_start_light` spares: garbage in cycles has to go while it runs."""
    gc.freeze()  # the modules stay
    gc.set_threshold(700, 10, 10)


def _guarded(name: str, arguments: list[str]) -> int:
    """Run one command; whatever goes wrong ends in one line, unless ``--debug`` asks for more."""
    debug = "--debug" in arguments
    try:
        status = _run(name, arguments)
        sys.stdout.flush()
    except SystemExit as end:  # argparse: 0 after --help, 2 after wrong usage
        return end.code if isinstance(end.code, int) else USAGE
    except KeyboardInterrupt:
        print("dataops: interrupted", file=sys.stderr)
        return INTERRUPTED
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # the reader has gone; nothing is left to say
        return FOUND
    except DataOpsError as error:
        if debug:
            raise
        print(f"dataops {name}: {error}", file=sys.stderr)
        return USAGE if error.code in _WRONG_USAGE else FOUND
    except Exception as error:
        if debug:
            raise
        if isinstance(error, ModuleNotFoundError) and str(error.name).split(".")[0] == "airflow":
            print(
                f"dataops {name}: Airflow is not installed\n  -> pip install 'airflow-dataops[airflow]'",
                file=sys.stderr,
            )
            return FOUND
        print(f"dataops {name}: {type(error).__name__}: {error}", file=sys.stderr)
        print("  -> this is a fault of dataops; run it again with --debug and report what it prints", file=sys.stderr)
        return INTERNAL
    return status


def _run(name: str, arguments: list[str]) -> int:
    module = import_module(f"dag_factories.cli.{name.replace('-', '_')}")
    parser = argparse.ArgumentParser(
        prog=f"dataops {name}",
        description=module.__doc__,
        epilog=module.EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    module.add_arguments(parser)
    parser.add_argument("--debug", action="store_true", help="show the traceback of an unexpected error")
    status: int = module.run(parser.parse_args(arguments))
    return status
