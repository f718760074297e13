# SPDX-License-Identifier: Apache-2.0
"""A pipeline that is right, and every way to break it: name, what to write instead of what, and where it must be found."""

from __future__ import annotations

from typing import NamedTuple

GOOD = """\
version: 1
kind: bronze_to_silver
name: orders
schedule: "@daily"
start_date: 2024-01-01
source: {path: "${lake}/bronze/orders", format: parquet}
target: {path: "${lake}/silver/orders", partition_by: [day]}
full: true
columns:
  email: {tags: [email]}
clean:
  drop_nulls: [id]
  keep_if: ["amount > 0"]
  dedup: {keys: [id], keep: last, order_by: [at]}
quality:
  bronze: {suite: suites/orders.json, on_failure: quarantine}
  silver: {rules: [{not_null: id}, {between: [amount, 0, 9]}]}
alerts: {critical: pager}
"""

PROJECT = """\
version: 1
default_target: local
targets:
  local: {engine: duckdb, runner: local, lake: ./lake}
defaults:
  owner: data-team
masks: {email: sha256}
alerts:
  pager: {notifier: log}
"""

SUITE = """\
{"name": "orders", "expectations": [
  {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "id"}}
]}
"""


class Case(NamedTuple):
    """A way to break the file: ``old`` is replaced by ``new``, or the whole text where ``old`` is empty."""

    name: str
    old: str
    new: str | bytes
    code: str
    line: int
    column: int


FILE = (
    Case("empty", "", "", "EMPTY_FILE", 1, 1),
    Case("only a comment", "", "# nothing\n", "EMPTY_FILE", 1, 1),
    Case("a list", "", "- version: 1\n", "NOT_A_MAPPING", 1, 1),
    Case("a single value", "", "orders\n", "NOT_A_MAPPING", 1, 1),
    Case("latin-1", "", "version: 1\nname: caf\xe9\n".encode("latin-1"), "NOT_UTF8", 2, 10),
    Case("utf-16", "", "version: 1\n".encode("utf-16"), "NOT_UTF8", 1, 1),
    Case("a null byte", "orders\nsch", "or\0ders\nsch", "CONTROL_CHARACTER", 3, 9),
    Case("too large", "", "# " + "x" * 300_000, "FILE_TOO_LARGE", 1, 1),
    Case("a tab", "  email: {tags", "\temail: {tags", "TAB_INDENT", 10, 1),
    Case("an open bracket", "order_by: [at]}", "order_by: [at", "YAML_SYNTAX", 15, 8),
    Case("an open quote", 'schedule: "@daily"', 'schedule: "@daily', "YAML_SYNTAX", 6, 17),
    Case("a bare @", 'schedule: "@daily"', "schedule: @daily", "YAML_SYNTAX", 4, 11),
    Case("a colon in a text", "name: orders", "name: orders: new", "YAML_SYNTAX", 3, 13),
    Case("uneven indent", "  drop_nulls: [id]\n  keep_if", "  drop_nulls: [id]\n   keep_if", "YAML_SYNTAX", 13, 4),
    Case("two documents", "full: true", "full: true\n---\nversion: 1", "MULTIPLE_DOCUMENTS", 9, 1),
    Case("a key twice", "full: true", "full: true\nname: orders", "DUPLICATE_KEY", 9, 1),
    Case("a key twice inside", "keep: last,", "keep: last, keep: first,", "DUPLICATE_KEY", 14, 35),
    Case("a Python tag", "name: orders", "name: !!python/name:os.system orders", "UNKNOWN_TAG", 3, 7),
    Case("a tag of its own", "full: true", "full: !env FULL", "UNKNOWN_TAG", 8, 7),
    Case("a merge key", "full: true", "<<: {full: true}", "MERGE_KEY", 8, 1),
    Case("an unknown anchor", "name: orders", "name: *orders", "UNKNOWN_ANCHOR", 3, 7),
    Case("an alias in itself", "columns:", "columns: &c\n  x: *c", "LIMIT_DEPTH", 10, 6),
    Case("a key that is a list", "full: true", "? [full]\n: true", "COMPLEX_KEY", 8, 3),
    Case("too deep", "full: true", "full: " + "[" * 50 + "]" * 50, "LIMIT_DEPTH", 8, 46),
    Case("a huge number", "version: 1", "version: 99999999999999999999999", "NUMBER_TOO_LARGE", 1, 10),
)

SCHEMA = (
    Case("no kind", "kind: bronze_to_silver\n", "", "MISSING_KEY", 1, 1),
    Case("unknown kind", "kind: bronze_to_silver", "kind: bronze_to_sliver", "UNKNOWN_KIND", 2, 7),
    Case("no version", "version: 1\n", "", "MISSING_KEY", 1, 1),
    Case("another version", "version: 1", "version: 2", "BAD_VALUE", 1, 10),
    Case("no source", 'source: {path: "${lake}/bronze/orders", format: parquet}\n', "", "MISSING_KEY", 1, 1),
    Case("no path", 'source: {path: "${lake}/bronze/orders", ', "source: {", "MISSING_KEY", 6, 1),
    Case("unknown key", "start_date:", "strat_date:", "UNKNOWN_KEY", 5, 1),
    Case("unknown key inside", "drop_nulls", "dropnulls", "UNKNOWN_KEY", 12, 3),
    Case("key at a wrong level", "full: true", "full: true\nretries: 3", "UNKNOWN_KEY", 9, 1),
    Case("unknown value", "format: parquet", "format: parket", "BAD_VALUE", 6, 49),
    Case("a number for a text", "name: orders", "name: 7", "WRONG_TYPE", 3, 7),
    Case("a text for a list", "drop_nulls: [id]", "drop_nulls: id", "WRONG_TYPE", 12, 15),
    Case("a list for keys", "  email: {tags: [email]}", "  - email", "WRONG_TYPE", 10, 3),
    Case("null for a text", "name: orders", "name:", "WRONG_TYPE", 3, 6),
    Case("a text for a truth", "full: true", "full: maybe", "WRONG_TYPE", 8, 7),
    Case("a number as a key", "  email: {tags: [email]}", "  7: {tags: [email]}", "WRONG_TYPE", 10, 3),
    Case("a ratio over 1", "quarantine}", "quarantine, max_quarantine_ratio: 5}", "BAD_VALUE", 16, 85),
    Case("bad date", "2024-01-01", "2024-02-30", "BAD_DATE", 5, 13),
    Case("another form of a date", "2024-01-01", "01/02/2024", "BAD_DATE", 5, 13),
    Case("bad duration", "full: true", "full: true\ndefaults: {retry_delay: 1 fortnight}", "BAD_DURATION", 9, 25),
    Case("a duration without a unit", "full: true", "full: true\ndefaults: {retry_delay: 300}", "BAD_DURATION", 9, 25),
    Case("bad size", "full: true", "full: true\nresources: {memory: lots}", "BAD_SIZE", 9, 21),
    Case("unknown time zone", "full: true", "full: true\ntimezone: Europe/Pari", "UNKNOWN_TIMEZONE", 9, 11),
    Case("bad name", "name: orders", "name: my orders", "BAD_VALUE", 3, 7),
    Case("a written salt", "{tags: [email]}", "{mask: {kind: sha256, salt: pepper}}", "SECRET_IN_FILE", 10, 38),
    Case("unknown mask", "{tags: [email]}", "{mask: sha257}", "BAD_VALUE", 10, 17),
    Case("quarantine on silver", "silver: {rules", "silver: {on_failure: quarantine, rules", "BAD_VALUE", 17, 24),
)

MEANING = (
    Case("name is not the file's", "name: orders", "name: order", "NAME_NOT_FILE", 3, 7),
    Case("bad cron", '"@daily"', '"61 * * * *"', "BAD_CRON", 4, 11),
    Case("too few cron fields", '"@daily"', '"* * *"', "BAD_CRON", 4, 11),
    Case("unknown preset", '"@daily"', '"@dayly"', "BAD_CRON", 4, 11),
    Case("no start", "start_date: 2024-01-01\n", "", "START_DATE_MISSING", 4, 1),
    Case("ends before it starts", "full: true", "full: true\nend_date: 2023-01-01", "END_BEFORE_START", 9, 11),
    Case("nothing says the slice", "full: true\n", "", "SLICE_MISSING", 1, 1),
    Case("two things say the slice", "full: true", "full: true\nwindow: {column: at}", "SLICE_AMBIGUOUS", 9, 1),
    Case("window without a schedule", 'schedule: "@daily"', "schedule: null", "WINDOW_WITHOUT_SCHEDULE", 8, 1),
    Case("unknown reference", "bronze/orders", "bronze/${lakes}", "UNKNOWN_REFERENCE", 6, 32),
    Case("open reference", '"${lake}/bronze/orders"', '"${lake"', "UNKNOWN_REFERENCE", 6, 16),
    Case("reference without a value", "silver/orders", "silver/${run.date}", "REFERENCE_NOT_ALLOWED", 7, 32),
    Case("password in a path", "silver/orders", "silver/${conn:lake}", "REFERENCE_NOT_ALLOWED", 7, 32),
    Case("address in a path", "bronze/orders", "b/${conn:lake.uri}", "REFERENCE_NOT_ALLOWED", 6, 27),
    Case("reference in an expression", "amount > 0", "at > '${run.date}'", "REFERENCE_NOT_ALLOWED", 13, 20),
    Case("Jinja", "bronze/orders", "bronze/{{ ds }}", "JINJA_IN_YAML", 6, 32),
    Case("Jinja in a rule", "not_null: id", 'not_null: "{% y %}"', "JINJA_IN_YAML", 17, 31),
    Case("outside of the lake", '"${lake}/bronze/orders"', "/etc/passwd", "PATH_OUTSIDE", 6, 16),
    Case("out of the lake", "${lake}/bronze/orders", "${lake}/../../x", "PATH_OUTSIDE", 6, 16),
    Case("another bucket", "${lake}/bronze/orders", "s3://elsewhere/x", "PATH_OUTSIDE", 6, 16),
    Case("suite missing", "suites/orders.json", "suites/order.json", "SUITE_MISSING", 16, 19),
    Case("suite outside", "suites/orders.json", "../suite.json", "PATH_OUTSIDE", 16, 19),
    Case("suite is no suite", "suites/orders.json", "dataops.yaml", "SUITE_INVALID", 16, 19),
    Case("unknown route", "critical: pager", "critical: pagr", "UNKNOWN_ROUTE", 18, 20),
    Case(
        "unknown callback",
        "full: true",
        "full: true\ndag: {on_success_callback: [os.system]}",
        "UNKNOWN_CALLBACK",
        9,
        29,
    ),
    Case("tag without a mask", "tags: [email]", "tags: [emial]", "UNKNOWN_TAG_MASK", 10, 18),
    Case("unknown task", "full: true", "full: true\ntasks: {gate_brnze: {retries: 0}}", "UNKNOWN_TASK", 9, 9),
    Case(
        "gate without rules", "{rules: [{not_null: id}, {between: [amount, 0, 9]}]}", "{}", "GATE_WITHOUT_RULES", 17, 3
    ),
    Case(
        "ratio without quarantine",
        "on_failure: quarantine",
        "max_quarantine_ratio: 0.1",
        "RATIO_WITHOUT_QUARANTINE",
        16,
        39,
    ),
    Case("merge without keys", "partition_by: [day]", "mode: merge", "MERGE_WITHOUT_KEYS", 7, 47),
    Case("keys without merge", "partition_by: [day]", "keys: [id]", "KEYS_WITHOUT_MERGE", 7, 41),
    Case("watermark without a time", "keep: last", "within: 10 minutes", "DEDUP_WATERMARK", 14, 3),
    Case("target is source", "silver/orders", "bronze/orders", "TARGET_IS_SOURCE", 7, 16),
    Case("unknown rule", "not_null: id", "not_nul: id", "UNKNOWN_RULE", 17, 21),
    Case("unknown argument", "not_null: id", "not_null: {column: id, mostl: 1}", "UNKNOWN_ARGUMENT", 17, 44),
    Case("bad argument", "between: [amount, 0, 9]", "between: [amount, low, 9]", "BAD_ARGUMENT", 17, 37),
    Case("broken expression", "amount > 0", "amount > (", "BAD_EXPRESSION", 13, 23),
    Case("a statement", "amount > 0", "drop table x", "BAD_EXPRESSION", 13, 13),
    Case("unknown function", "amount > 0", "read_csv('x') > 0", "UNKNOWN_FUNCTION", 13, 13),
    Case("unknown type", "drop_nulls: [id]", "cast: {id: intger}", "UNKNOWN_TYPE", 12, 14),
)

SUITES = (
    ("unknown expectation", "not_be_null", "not_be_nul", "GX_NOT_COMPILED"),
    ("no argument", '{"column": "id"}', "{}", "MISSING_ARGUMENT"),
    ("no JSON", '"orders"', "orders", "SUITE_INVALID"),
    ("no expectations", '"expectations"', '"expectation"', "SUITE_INVALID"),
)

PROJECTS = (
    Case("default target", "default_target: local", "default_target: lokal", "UNKNOWN_TARGET", 2, 17),
    Case("engine", "engine: duckdb", "engine: duckdbb", "BAD_VALUE", 4, 19),
    Case("notifier", "notifier: log", "notifier: logg", "UNKNOWN_NOTIFIER", 9, 21),
    Case("secret in a route", "{notifier: log}", "{notifier: webhook, token: abc}", "SECRET_IN_FILE", 9, 37),
    Case("reference in a route", "{notifier: log}", '{notifier: webhook, url: "${con:x}"}', "UNKNOWN_REFERENCE", 9, 35),
    Case("run reference in the lake", "./lake", '"./${run.date}"', "REFERENCE_NOT_ALLOWED", 4, 51),
    Case("password in the lake", "./lake", '"${conn:lake.password}/x"', "REFERENCE_NOT_ALLOWED", 4, 48),
    Case("unknown key", "defaults:", "default:", "UNKNOWN_KEY", 5, 1),
    Case("no version", "version: 1\n", "", "MISSING_KEY", 1, 1),
    Case("broken", "defaults:", "defaults: [", "YAML_SYNTAX", 7, 6),
)
