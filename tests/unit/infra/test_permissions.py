# SPDX-License-Identifier: Apache-2.0
"""The role of those who start clusters lets them do what the operators call and the preflight reads, and nothing else."""

from __future__ import annotations

from airflow_dataops.core.dataproc_dask.spec import RunParts
from airflow_dataops.core.preflight.dataproc_dask import questions
from tests.unit.infra.terraform import read

RUN = RunParts.model_validate(
    {
        "cluster": {
            "project": "p",
            "region": "r",
            "subnetwork": "projects/p/regions/r/subnetworks/s",
            "kms_key": "projects/p/locations/r/keyRings/k/cryptoKeys/c",
            "service_account": "a@p.iam.gserviceaccount.com",
            "nfs": {"server": "10.0.0.2", "export": "vol1"},
            "autoscaling": {"policy_uri": "projects/p/regions/r/autoscalingPolicies/a", "max_workers": 4},
        }
    }
)
# Question of the preflight -> the permission without which Google does not answer it; None: nobody needs one, or a bucket's own grant gives it.
READS = {
    "project": "resourcemanager.projects.get",
    "project.policy": "resourcemanager.projects.getIamPolicy",
    "own": None,
    "region": "compute.regions.get",
    "machine": "compute.machineTypes.list",
    "subnet": "compute.subnetworks.get",
    "subnets": "compute.subnetworks.list",
    "shares": "file.instances.list",
    "key": "cloudkms.cryptoKeys.get",
    "key.policy": "cloudkms.cryptoKeys.getIamPolicy",
    "ring.policy": "cloudkms.keyRings.getIamPolicy",
    "act_as": None,
    "bucket": None,
}
# What the console and gcloud ask for beside it, where somebody looks at a cluster with this role.
FOR_PEOPLE = {"compute.networks.get", "dataproc.operations.list", "iam.serviceAccounts.get"}


def test_the_role_has_what_is_called_and_read_and_nothing_else() -> None:
    [role] = read().of("google_project_iam_custom_role")
    needed: set[str] = set()
    for lifecycle in ("airflow", "google"):
        for question in questions(RUN, "jobs", lifecycle):  # type: ignore[arg-type]
            right = READS[question.key.partition(":")[0]]
            needed |= {right} if right else set()
            if question.key == "own":
                needed |= set((question.body or {})["permissions"])
    assert set(role.body["permissions"]) == needed | FOR_PEOPLE
