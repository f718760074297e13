# SPDX-License-Identifier: Apache-2.0
"""Every way to break a composer_dask pipeline or its target is found, in its place; and nothing else is."""

from __future__ import annotations

import pytest

from dag_factories.check.codes import CODES
from dag_factories.check.files import check_files
from dag_factories.findings import Finding
from tests.unit.dag_factories.check.broken import Case
from tests.unit.dag_factories.check.dask_project import GOOD, PROJECT, RATES, Make, make

__all__ = ["make"]


def replaced(text: str, case: Case) -> str:
    assert case.old in text
    assert isinstance(case.new, str)
    return text.replace(case.old, case.new, 1)


def places(found: list[Finding], file: str) -> list[tuple[str, int, int]]:
    return [(finding.code, finding.line, finding.column) for finding in found if finding.file == file]


def test_the_right_files_have_no_findings(make: Make) -> None:
    assert check_files([make().parent]).findings == []


PIPELINES = (
    Case("unknown key of a job", "    workers: 3", "    worker: 3", "UNKNOWN_KEY", 9, 5),
    Case("job without a function", "    function: work.counts:merge\n", "", "MISSING_KEY", 10, 5),
    Case("job name", "name: merge", "name: Merge_All", "BAD_JOB_NAME", 10, 11),
    Case("two jobs of one name", "name: merge", "name: count", "DUPLICATE_JOB", 10, 11),
    Case("unknown after", "after: [count]", "after: [coumt]", "UNKNOWN_JOB", 12, 13),
    Case("a job after itself", "after: [count]", "after: [merge]", "JOB_CYCLE", 12, 5),
    Case("jobs in a circle", "    workers: 3\n", "    workers: 3\n    after: [merge]\n", "JOB_CYCLE", 10, 5),
    Case("function without a module", "work.counts:merge", "merge", "BAD_FUNCTION", 11, 15),
    Case("function with a slash", "work.counts:merge", "work/counts.py:merge", "BAD_FUNCTION", 11, 15),
    Case("module that is nowhere", "work.counts:merge", "work.count:merge", "MODULE_MISSING", 11, 15),
    Case("function that is not there", "work.counts:merge", "work.counts:merg", "FUNCTION_MISSING", 11, 27),
    Case("function that is async", "work.counts:merge", "work.counts:wait", "FUNCTION_ARGUMENTS", 11, 15),
    Case("function without a client", "work.counts:merge", "work.counts:alone", "FUNCTION_ARGUMENTS", 11, 15),
    Case("argument that is not taken", "deep: {", "deeep: {", "FUNCTION_ARGUMENTS", 8, 55),
    Case("argument that is missing", 'path: "${lake}/bronze/orders/${run.date}", ', "", "FUNCTION_ARGUMENTS", 8, 5),
    Case("secret by reference", '"${run.key}"', '"${env:TOKEN}"', "REFERENCE_NOT_ALLOWED", 8, 72),
    Case("secret of a connection", '"${run.key}"', '"a ${conn:db.password}"', "REFERENCE_NOT_ALLOWED", 8, 75),
    Case("secret in the file", "deep: {list", "deep: {api_token: hunter2, list", "SECRET_IN_FILE", 8, 73),
    Case("secret key", "deep: {list", "deep: {apiKey: hunter2, list", "SECRET_IN_FILE", 8, 70),
    Case("list of secrets", "deep: {list", "deep: {password: [hunter2], list", "SECRET_IN_FILE", 8, 73),
    Case("password of an address", "deep: {list", 'deep: {db: "pg://u:pw@h/d", list', "SECRET_IN_FILE", 8, 66),
    Case("unknown reference", "${run.date}", "${run.day_of}", "UNKNOWN_REFERENCE", 8, 41),
    Case("Jinja", "${run.date}", "{{ ds }}", "JINJA_IN_YAML", 8, 41),
    Case("no workers", "    workers: 3", "    workers: 0", "BAD_WORKERS", 9, 14),
    Case("more workers than machines", "    workers: 3", "    workers: 4", "TOO_MANY_WORKERS", 9, 14),
    Case("adapt on standalone", "    workers: 3", "    workers: {minimum: 1, maximum: 3}", "STANDALONE_ADAPT", 9, 14),
    Case("half of the bounds", "    workers: 3", "    workers: {minimum: 1}", "MISSING_KEY", 9, 5),
    Case("unknown shape", "shape: small", "shape: smal", "UNKNOWN_SHAPE", 4, 18),
    Case("no shape named", "{shape: small, workers: {count: 3}}", "{workers: {count: 3}}", "UNKNOWN_SHAPE", 4, 10),
    Case("fewest workers", "{count: 3}", "{count: 3, minimum: 1}", "BAD_MINIMUM", 4, 54),
    Case(
        "public address by override",
        "workers: {count: 3}",
        "workers: {count: 3}, internal_ip_only: false",
        "PUBLIC_ADDRESS",
        4,
        64,
    ),
    Case("secret for the machines", "count: 3}", "count: 3}, metadata: {db_password: x}", "SECRET_IN_FILE", 4, 70),
    Case("key taken away", "workers: {count: 3}", "workers: {count: 3}, kms_key: null", "KEY_MISSING", 4, 55),
    Case("zone of elsewhere", "workers: {count: 3}", "workers: {count: 3}, zones: [us-east1-b]", "BAD_ZONE", 4, 54),
    Case("idle time", "workers: {count: 3}", "workers: {count: 3}, idle_delete_ttl: 1m", "BAD_IDLE_TTL", 4, 63),
    Case("duration", "tags: [orders]", "keep_failed_for: 30", "BAD_DURATION", 13, 18),
    Case("kept with several jobs", "tags: [orders]", "keep_failed_for: 30m", "KEEP_REFUSED", 13, 1),
    Case("budget", "budget: 20", "budget: 0", "BAD_BUDGET", 14, 9),
    Case("budget that is no number", "budget: 20", "budget: much", "WRONG_TYPE", 14, 9),
    Case("over budget", "budget: 20", "budget: 1", "OVER_BUDGET", 14, 9),
    Case("deadline", "{run: 30m}", "{run: 0s}", "TOO_SHORT", 15, 18),
    Case("attempts", "attempts: 2", "attempts: 21", "BAD_ATTEMPTS", 16, 11),
    Case("alert that nobody gets", "{critical: pager}", "{critical: pager, info: pager}", "ALERT_NEVER_TOLD", 17, 27),
    Case("machine without a price", "{count: 3}", "{count: 3, machine_type: n2-highmem-4}", "RATE_MISSING", 4, 18),
    Case("task that is not there", "attempts: 2", "tasks: {delete: {retries: 1}}", "UNKNOWN_TASK", 16, 9),
)


@pytest.mark.parametrize("case", PIPELINES, ids=lambda case: case.name)
def test_a_fault_of_a_pipeline_is_found_in_its_place(case: Case, make: Make) -> None:
    found = check_files([make(replaced(GOOD, case))]).findings
    assert places(found, "orders.yaml") == [(case.code, case.line, case.column)]
    assert not places(found, "dataops.yaml")
    assert case.code in CODES


OF_GOOGLE = """\
version: 1
kind: composer_dask
name: orders
cluster: {shape: small, workers: {count: 3}}
lifecycle: google
jobs:
  - {name: count, function: "work.counts:count", args: {path: "${lake}/x"}}
deadlines: {run: 30m}
budget: 20
"""
WORKFLOWS = (
    Case(
        "two jobs",
        "deadlines",
        '  - {name: merge, function: "work.counts:merge"}\ndeadlines',
        "WORKFLOW_REFUSES",
        5,
        12,
    ),
    Case("kept", "budget: 20", "keep_failed_for: 30m", "WORKFLOW_REFUSES", 9, 18),
    Case("attempts", "budget: 20", "attempts: 2", "WORKFLOW_REFUSES", 9, 11),
    Case("zones", "{count: 3}", "{count: 3}, zones: [europe-west1-b, europe-west1-c]", "WORKFLOW_REFUSES", 4, 53),
    Case("time to live", "{count: 3}", "{count: 3}, idle_delete_ttl: 10m", "WORKFLOW_REFUSES", 4, 63),
    Case("too long", "{run: 30m}\nbudget: 20", "{run: 25h}", "WORKFLOW_TIMEOUT", 8, 18),
    Case("too short", "{run: 30m}", "{run: 9m}", "WORKFLOW_TIMEOUT", 8, 18),
    Case("another owner", "lifecycle: google", "lifecycle: goggle", "BAD_VALUE", 5, 12),
)


def test_a_pipeline_whose_cluster_is_googles_has_no_findings(make: Make) -> None:
    assert check_files([make(OF_GOOGLE)]).findings == []


@pytest.mark.parametrize("case", WORKFLOWS, ids=lambda case: case.name)
def test_what_a_workflow_of_googles_cannot_do_is_found_in_its_place(case: Case, make: Make) -> None:
    found = check_files([make(replaced(OF_GOOGLE, case))]).findings
    assert places(found, "orders.yaml") == [(case.code, case.line, case.column)]
    assert case.code in CODES


def test_an_init_action_of_one_shape_does_not_do_for_the_others(make: Make) -> None:
    project = PROJECT.replace("      init_actions: [{uri: gs://my-bucket/init.sh}]\n", "").replace(
        "labels: {team: data}", "init_actions: [{uri: gs://my-bucket/init.sh}]"
    )
    [finding] = check_files([make(GOOD, project)]).findings
    assert (finding.code, finding.severity) == ("INIT_ACTION_MISSING", "warning")
    assert finding.message.startswith("no init_actions for the shapes small: ")


def test_what_the_target_asks_for_is_found_in_the_pipeline_that_cannot_have_it(make: Make) -> None:
    project = PROJECT.replace("policy: {", "policy: {attempts: 3, ")
    found = check_files([make(OF_GOOGLE, project)]).findings
    assert [(finding.file, finding.code) for finding in found] == [("orders.yaml", "WORKFLOW_REFUSES")]
    assert found[0].message.startswith("policy.attempts: ")


def test_a_failed_cluster_of_one_job_may_be_kept_for_long_enough(make: Make) -> None:
    found = check_files([make(OF_GOOGLE.replace("lifecycle: google", "keep_failed_for: 1m"))]).findings
    assert places(found, "orders.yaml") == [("BAD_KEEP", 5, 18)]
    assert check_files([make(OF_GOOGLE.replace("lifecycle: google", "keep_failed_for: 30m"))]).findings == []


PROJECTS = (
    Case("no project id", "project: my-project\n      ", "", "MISSING_KEY", 8, 5),
    Case("project id", "my-project", "My_Project", "BAD_PROJECT", 9, 16),
    Case("region", "europe-west1", "europe", "BAD_REGION", 10, 15),
    Case("bucket as URI", "bucket: my-bucket", "bucket: gs://my-bucket", "BAD_BUCKET", 11, 15),
    Case("unknown key", "secure: true", "secured: true", "UNKNOWN_KEY", 12, 7),
    Case(
        "public address",
        "      cluster:\n",
        "      cluster:\n        internal_ip_only: false\n",
        "PUBLIC_ADDRESS",
        15,
        27,
    ),
    Case("no key", "        kms_key: projects/p/locations/l/keyRings/r/cryptoKeys/k\n", "", "KEY_MISSING", 12, 7),
    Case("no account", "        service_account: a@p.iam.gserviceaccount.com\n", "", "ACCOUNT_MISSING", 12, 7),
    Case("key with a version", "cryptoKeys/k", "cryptoKeys/k/cryptoKeyVersions/1", "BAD_KEY", 17, 18),
    Case("no subnetwork", "        subnetwork: projects/p/regions/r/subnetworks/s\n", "", "SUBNETWORK_MISSING", 18, 9),
    Case("workers of a shape", "{count: 9}", "{count: 1}", "TOO_FEW_WORKERS", 20, 34),
    Case("secret in a label", "{team: data}", "{db_token: Abc}", "SECRET_IN_FILE", 20, 57),
    Case("label of ours", "{team: data}", "{dataops-run: x}", "RESERVED_LABEL", 20, 60),
    Case(
        "autoscaling on standalone",
        "labels: {team: data}",
        "autoscaling: {policy_uri: projects/p/regions/r/autoscalingPolicies/x, max_workers: 20}",
        "STANDALONE_AUTOSCALING",
        20,
        51,
    ),
    Case(
        "life shorter than the deadlines", "labels: {team: data}", "auto_delete_ttl: 30m", "TTL_OVER_DEADLINES", 20, 55
    ),
    Case("deadline of the policy", "{run: 1h}", "{run: 15d}", "DEADLINES_OVER_TTL", 21, 27),
    Case(
        "code that is no object", "      rate_card", "      code_uris: [code.zip]\n      rate_card", "BAD_URI", 13, 19
    ),
    Case("rate card that is not there", "rates.yaml", "rate.yaml", "FILE_MISSING", 13, 18),
    Case("rate card of elsewhere", "rates.yaml", "../rates.yaml", "PATH_OUTSIDE", 13, 18),
    Case(
        "machines without Dask",
        "      init_actions: [{uri: gs://my-bucket/init.sh}]\n",
        "",
        "INIT_ACTION_MISSING",
        8,
        5,
    ),
    Case("clusters that nothing runs on", "runner: dataproc_dask", "runner: local", "DASK_NOT_USED", 8, 5),
)


@pytest.mark.parametrize("case", PROJECTS, ids=lambda case: case.name)
def test_a_fault_of_a_target_is_found_in_its_place(case: Case, make: Make) -> None:
    found = check_files([make(project=replaced(PROJECT, case)).parent]).findings
    assert (case.code, case.line, case.column) in places(found, "dataops.yaml")
    assert {place[0] for place in places(found, "dataops.yaml")} == {case.code}
    assert case.code in CODES


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("currency: USD\n", "", ("MISSING_KEY", 1, 1)),
        ("hourly: 0.2", "hourly: -1", ("BAD_VALUE", 4, 46)),
        ("0.01", "cheap", ("WRONG_TYPE", 5, 21)),
        ("pd-balanced: 0.1}", "pd-balanced: 0.1", ("YAML_SYNTAX", 7, 1)),
    ],
)
def test_a_fault_of_a_rate_card_is_found_there(old: str, new: str, place: tuple[str, int, int], make: Make) -> None:
    assert old in RATES
    found = check_files([make(rates=RATES.replace(old, new))]).findings
    assert places(found, "rates.yaml") == [place]


def test_a_pipeline_has_a_job(make: Make) -> None:
    text = "version: 1\nkind: composer_dask\nname: orders\njobs: []\n"
    found = check_files([make(text)], target="local").findings
    assert places(found, "orders.yaml") == [("BAD_VALUE", 4, 7)]
    assert found[0].message == "jobs takes 1 or more entries, not an empty list"


def test_a_rate_card_is_no_pipeline(make: Make) -> None:
    assert check_files([make().parent]).files == 2


def test_a_local_target_needs_no_cluster(make: Make) -> None:
    assert check_files([make()], target="local").findings == []


def test_a_shape_that_no_target_has_is_a_warning_on_a_laptop(make: Make) -> None:
    [finding] = check_files([make(GOOD.replace("shape: small", "shape: smal"))], target="local").findings
    assert (finding.code, finding.severity, finding.suggestion) == ("UNKNOWN_SHAPE", "warning", "did you mean 'small'?")


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [("work.counts:merge", "merge", "BAD_FUNCTION"), ("list: [1, ", "list: [.nan, ", "ARGS_NOT_JSON")],
)
def test_a_job_is_checked_on_a_laptop_too(old: str, new: str, code: str, make: Make) -> None:
    assert old in GOOD
    found = check_files([make(GOOD.replace(old, new))], target="local").findings
    assert [finding.code for finding in found] == [code]


@pytest.mark.parametrize(("line", "severity"), [("budget: 1", "error"), ("budget: 1\nover_budget: warn", "warning")])
def test_what_is_over_budget_is_as_bad_as_the_author_says(line: str, severity: str, make: Make) -> None:
    [finding] = check_files([make(GOOD.replace("budget: 20", line))]).findings
    assert (finding.code, finding.severity) == ("OVER_BUDGET", severity)
    assert "USD" in finding.message


def test_a_budget_without_prices_cannot_be_held(make: Make) -> None:
    [finding] = check_files([make(project=PROJECT.replace("      rate_card: rates.yaml\n", ""))]).findings
    assert (finding.code, finding.line) == ("RATES_MISSING", 14)


def test_a_missing_price_without_a_budget_is_a_warning(make: Make) -> None:
    rates = RATES.replace("n2-standard-4", "n2-standard-8")
    [finding] = check_files([make(GOOD.replace("budget: 20\n", ""), rates=rates)]).findings
    assert (finding.code, finding.severity) == ("RATE_MISSING", "warning")


def test_a_secret_has_the_right_way_said(make: Make) -> None:
    [finding] = check_files([make(GOOD.replace("${run.key}", "${env:TOKEN}"))]).findings
    assert finding.suggestion is not None
    assert "projects/P/secrets/NAME" in finding.suggestion


def test_the_name_of_a_secret_may_be_passed(make: Make) -> None:
    text = GOOD.replace("deep: {list", "deep: {api_token: projects/p/secrets/token, list")
    assert check_files([make(text)]).findings == []


def test_a_fault_that_the_shape_has_is_told_once_and_there(make: Make) -> None:
    found = check_files(
        [make(project=PROJECT.replace("small: {workers: {count: 2}}", "small: {image_version: '2.2', tags: [A]}"))]
    ).findings
    assert [(finding.file, finding.code) for finding in found] == [("dataops.yaml", "BAD_TAG")]


def test_a_target_without_clusters_says_what_to_add(make: Make) -> None:
    head, tail = PROJECT[: PROJECT.index("    dask:")], PROJECT[PROJECT.index("  local:") :]
    [finding] = check_files([make(project=head + tail)]).findings
    assert (finding.code, finding.line) == ("DASK_TARGET_MISSING", 2)
