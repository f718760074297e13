# SPDX-License-Identifier: Apache-2.0
"""What no change of infra/gcp may break. Each policy returns what is wrong, so that it can be tried on broken files, too."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from tests.unit.infra.terraform import Block, Module

Policy = Callable[[Module], Iterator[str]]

POLICIES: list[Policy] = []
_ANYWHERE = {"0.0.0.0/0", "::/0"}
_TOO_MUCH = {"roles/owner", "roles/editor", "roles/viewer", "roles/storage.admin", "roles/dataproc.admin", "roles/dataproc.editor",
             "roles/iam.serviceAccountTokenCreator", "roles/iam.serviceAccountAdmin", "roles/iam.serviceAccountKeyAdmin"}  # fmt: skip
# Made by others, who keep them.
_NOT_OURS = {
    "google_compute_network",
    "google_filestore_instance",
    "google_compute_instance",
    "google_workstations_workstation",
}
_ENCRYPTED = {
    "google_storage_bucket": ("encryption", "default_kms_key_name"),
    "google_artifact_registry_repository": ("kms_key_name",),
    "google_compute_disk": ("disk_encryption_key", "kms_key_self_link"),
    "google_filestore_instance": ("kms_key_name",),
}


def policy(check: Policy) -> Policy:
    """Add a policy to the list that the tests walk."""
    POLICIES.append(check)
    return check


@policy
def no_key_of_a_service_account(module: Module) -> Iterator[str]:
    """Nobody holds a key: machines have accounts, CI exchanges its tokens."""
    yield from (str(block) for block in module.of("google_service_account_key"))
    yield from (f"{block}: auth by key" for block in module.blocks if "private_key" in str(block.body))


@policy
def no_public_address(module: Module) -> Iterator[str]:
    """Nothing has an address of the internet, and nothing translates to one."""
    for block in module.of("google_compute_address", "google_compute_global_address", "google_compute_router_nat"):
        yield str(block)
    for block in module.blocks:
        if "access_config" in block.body or block.body.get("internal_ip_only") is False:
            yield f"{block}: a public address"
    for block in module.of("google_composer_environment"):
        config = block.nested("config")[0]
        if config.get("enable_private_environment") is not True or config.get("enable_private_builds_only") is not True:
            yield f"{block}: not private"


@policy
def own_keys_everywhere(module: Module) -> Iterator[str]:
    """Whatever keeps data is encrypted with a key of ours."""
    for block in module.of(*_ENCRYPTED):
        *outer, name = _ENCRYPTED[block.type]
        bodies = block.nested(outer[0]) if outer else [block.body]
        if not any("google_kms_crypto_key" in str(body.get(name, "")) for body in bodies):
            yield f"{block}: no key of ours"
    for block in module.of("google_composer_environment"):
        if not any(
            one.get("kms_key_name") for config in block.nested("config") for one in config.get("encryption_config", [])
        ):
            yield f"{block}: no key of ours"


@policy
def keys_are_renewed_and_kept(module: Module) -> Iterator[str]:
    """A key is renewed within 90 days, and terraform never destroys one."""
    for block in module.of("google_kms_crypto_key"):
        seconds = re.fullmatch(r"(\d+)s", str(block.body.get("rotation_period", "")))
        if not seconds or int(seconds[1]) > 90 * 86400:
            yield f"{block}: rotation_period {block.body.get('rotation_period')}"
        if not any(one.get("prevent_destroy") for one in block.nested("lifecycle")):
            yield f"{block}: may be destroyed"


@policy
def denied_by_default(module: Module) -> Iterator[str]:
    """In both directions a last rule refuses everything, for every tag that another rule names."""
    rules = module.of("google_compute_firewall")
    for direction, ranges in (("INGRESS", "source_ranges"), ("EGRESS", "destination_ranges")):
        last = [rule for rule in rules if rule.nested("deny") and rule.body.get("direction") == direction]
        if not any(
            rule.nested("deny")[0].get("protocol") == "all" and rule.body.get(ranges) == ["0.0.0.0/0"] for rule in last
        ):
            yield f"no rule denies all {direction}"
        lowest = max((int(rule.body.get("priority", 1000)) for rule in last), default=0)
        yield from (
            f"{rule}: behind the rule that denies"
            for rule in rules
            if _allows(rule) and rule.body.get("priority", 1000) >= lowest
        )
    tags = set(re.findall(r"local\.\w+_tag\b", str([rule.body.get("target_tags") for rule in rules])))
    covered = set(re.findall(r"local\.\w+_tag\b", str(module.locals.get("deny_tags", ""))))
    yield from (f"{tag} is not in deny_tags" for tag in sorted(tags - covered))


@policy
def nothing_is_allowed_to_everybody(module: Module) -> Iterator[str]:
    """A rule that allows says to whom, from or to where, and on which ports."""
    for rule in filter(_allows, module.of("google_compute_firewall")):
        ends = {end for name in ("source_ranges", "destination_ranges") for end in _listed(rule.body.get(name))}
        if ends & _ANYWHERE:
            yield f"{rule}: allows {sorted(ends & _ANYWHERE)}"
        if not rule.body.get("target_tags"):
            yield f"{rule}: for every machine of the VPC, those of others included"
        if not (ends or rule.body.get("source_tags")):
            yield f"{rule}: from or to anywhere"
        for allowed in rule.nested("allow"):
            if allowed["protocol"] == "all" or (allowed["protocol"] != "icmp" and not allowed.get("ports")):
                yield f"{rule}: all ports of {allowed['protocol']}"


@policy
def subnets_reach_google_and_are_logged(module: Module) -> Iterator[str]:
    """A machine without a public address reaches Google's APIs, and what it talks to is on record."""
    for block in module.of("google_compute_subnetwork"):
        if block.body.get("private_ip_google_access") is not True:
            yield f"{block}: no Private Google Access"
        if not block.nested("log_config"):
            yield f"{block}: no flow logs"


@policy
def what_exists_is_left_alone(module: Module) -> Iterator[str]:
    """The VPC, the machines of the developers and the directory service are read, never managed."""
    yield from (str(block) for block in module.of(*_NOT_OURS))
    for block in module.of("google_compute_subnetwork"):
        if "var.name" not in str(block.body.get("name")):
            yield f"{block}: a name that is not ours"


@policy
def buckets_are_closed(module: Module) -> Iterator[str]:
    """No object can be made public, and no bucket with something in it is deleted."""
    for block in module.of("google_storage_bucket"):
        if (
            block.body.get("uniform_bucket_level_access") is not True
            or block.body.get("public_access_prevention") != "enforced"
        ):
            yield f"{block}: can be made public"
        if block.body.get("force_destroy"):
            yield f"{block}: is deleted with all that is in it"


@policy
def small_roles_for_known_people(module: Module) -> Iterator[str]:
    """Nobody gets a role over everything, and nothing is given to everybody."""
    for block in module.blocks:
        text = str(block.body)
        yield from (f"{block}: {role}" for role in sorted(_TOO_MUCH) if f"'{role}'" in text or f'"{role}"' in text)
        yield from (f"{block}: {who}" for who in ("allUsers", "allAuthenticatedUsers") if who in text)
        if block.type.endswith(("_iam_binding", "_iam_policy")) and block.kind == "resource":
            yield f"{block}: takes away what others were given; use a member"


@policy
def only_main_deploys(module: Module) -> Iterator[str]:
    """CI signs in from one repository's main branch only."""
    for block in module.of("google_iam_workload_identity_pool_provider"):
        condition = str(block.body.get("attribute_condition", ""))
        if "each.value" not in condition or not re.search(r"assertion\.ref == '(refs/heads/)?main'", condition):
            yield f"{block}: {condition or 'no condition'}"


def _allows(rule: Block) -> bool:
    return bool(rule.nested("allow"))


def _listed(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else [str(value)] if value else []
