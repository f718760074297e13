# SPDX-License-Identifier: Apache-2.0
"""The policies hold for infra/gcp, and each of them can fail."""

from __future__ import annotations

import pytest

from tests.unit.infra.policies import POLICIES, Policy
from tests.unit.infra.terraform import parse, read

# The rules that deny are in force, and one that allows stands behind them.
_LATE = """
resource "google_compute_firewall" "x" {
  direction     = "INGRESS"
  source_ranges = ["0.0.0.0/0"]
  priority      = 900
  deny { protocol = "all" }
}
resource "google_compute_firewall" "y" {
  direction          = "EGRESS"
  destination_ranges = ["0.0.0.0/0"]
  priority           = 900
  deny { protocol = "all" }
}
resource "google_compute_firewall" "z" {
  priority = 1000
  allow { protocol = "tcp" }
}
"""
BROKEN = {
    "no_key_of_a_service_account": ['resource "google_service_account_key" "x" { service_account_id = "a" }'],
    "no_public_address": [
        'resource "google_compute_router_nat" "x" {}',
        'resource "google_compute_instance" "x" { access_config {} }',
        'resource "google_composer_environment" "x" { config { enable_private_environment = true } }',
    ],
    "own_keys_everywhere": [
        'resource "google_storage_bucket" "x" { name = "a" }',
        'resource "google_artifact_registry_repository" "x" { format = "PYTHON" }',
        'resource "google_composer_environment" "x" { config {} }',
    ],
    "keys_are_renewed_and_kept": [
        'resource "google_kms_crypto_key" "x" { lifecycle { prevent_destroy = true } }',
        'resource "google_kms_crypto_key" "x" { rotation_period = "7776001s"\n lifecycle { prevent_destroy = true } }',
        'resource "google_kms_crypto_key" "x" { rotation_period = "7776000s" }',
    ],
    "denied_by_default": [
        'resource "google_compute_firewall" "x" { direction = "INGRESS"\n source_ranges = ["0.0.0.0/0"]\n deny { protocol = "all" } }',
        _LATE,
    ],
    "nothing_is_allowed_to_everybody": [
        'resource "google_compute_firewall" "x" { target_tags = ["t"]\n source_ranges = ["0.0.0.0/0"]\n allow {\n protocol = "tcp"\n ports = ["22"]\n} }',
        'resource "google_compute_firewall" "x" { source_ranges = ["10.0.0.0/8"]\n allow {\n protocol = "tcp"\n ports = ["22"]\n} }',
        'resource "google_compute_firewall" "x" { target_tags = ["t"]\n allow {\n protocol = "tcp"\n ports = ["22"]\n} }',
        'resource "google_compute_firewall" "x" { target_tags = ["t"]\n source_tags = ["s"]\n allow { protocol = "tcp" } }',
    ],
    "subnets_reach_google_and_are_logged": ['resource "google_compute_subnetwork" "x" { private_ip_google_access = true }'],
    "what_exists_is_left_alone": [
        'resource "google_compute_network" "x" { name = "data-platform" }',
        'resource "google_compute_subnetwork" "x" { name = "workstations" }',
    ],
    "buckets_are_closed": [
        'resource "google_storage_bucket" "x" { uniform_bucket_level_access = true }',
        'resource "google_storage_bucket" "x" { uniform_bucket_level_access = true\n public_access_prevention = "enforced"\n force_destroy = true }',
    ],
    "small_roles_for_known_people": [
        'resource "google_project_iam_member" "x" { role = "roles/editor" }',
        'resource "google_storage_bucket_iam_member" "x" { member = "allUsers" }',
        'resource "google_project_iam_binding" "x" { role = "roles/logging.logWriter" }',
    ],
    "only_main_deploys": [
        'resource "google_iam_workload_identity_pool_provider" "x" {}',
        'resource "google_iam_workload_identity_pool_provider" "x" { attribute_condition = "assertion.repository == \'${each.value}\'" }',
    ],
}  # fmt: skip


@pytest.mark.parametrize("policy", POLICIES, ids=lambda policy: policy.__name__)
def test_the_policy_holds(policy: Policy) -> None:
    assert list(policy(read())) == []


@pytest.mark.parametrize(
    ("policy", "text"),
    [(policy, text) for policy in POLICIES for text in BROKEN[policy.__name__]],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_the_policy_can_fail(policy: Policy, text: str) -> None:
    assert list(policy(parse(text)))
