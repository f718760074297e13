# SPDX-License-Identifier: Apache-2.0
# Four identities, no keys. Each may do what its line says, on the thing that it says it of; project-wide roles only where Google has no smaller one.

resource "google_service_account" "composer" {
  account_id   = "${var.name}-composer"
  display_name = "Airflow: starts and deletes Dask clusters"
}

resource "google_service_account" "dask" {
  account_id   = "${var.name}-dask"
  display_name = "Nodes of the Dask clusters: read and write data"
}

resource "google_service_account" "deploy" {
  account_id   = "${var.name}-deploy"
  display_name = "CI: brings DAGs and packages to their buckets"
}

# What the operators, the janitor and the preflight call, and nothing more.
resource "google_project_iam_custom_role" "dask_runner" {
  role_id     = replace("${var.name}_dask_runner", "-", "_")
  title       = "Dask clusters of airflow-dataops"
  description = "Make, watch, run jobs on, and delete Dataproc clusters"
  permissions = [
    "cloudkms.cryptoKeys.get",
    "cloudkms.cryptoKeys.getIamPolicy",
    "cloudkms.keyRings.getIamPolicy",
    "compute.machineTypes.list",
    "compute.networks.get",
    "compute.regions.get",
    "compute.subnetworks.get",
    "compute.subnetworks.list",
    "dataproc.autoscalingPolicies.use",
    "dataproc.clusters.create",
    "dataproc.clusters.delete",
    "dataproc.clusters.get",
    "dataproc.clusters.list",
    "dataproc.clusters.update",
    "dataproc.clusters.use",
    "dataproc.jobs.cancel",
    "dataproc.jobs.create",
    "dataproc.jobs.get",
    "dataproc.jobs.list",
    "dataproc.operations.cancel",
    "dataproc.operations.get",
    "dataproc.operations.list",
    "dataproc.workflowTemplates.instantiateInline",
    "file.instances.list",
    "iam.serviceAccounts.get",
    "resourcemanager.projects.get",
    "resourcemanager.projects.getIamPolicy",
  ]
}

resource "google_project_iam_member" "this" {
  for_each = {
    composer-worker      = { role = "roles/composer.worker", member = google_service_account.composer.member }
    composer-dask        = { role = google_project_iam_custom_role.dask_runner.id, member = google_service_account.composer.member }
    dask-worker          = { role = "roles/dataproc.worker", member = google_service_account.dask.member }
    dask-logs            = { role = "roles/logging.logWriter", member = google_service_account.dask.member }
    dask-metrics         = { role = "roles/monitoring.metricWriter", member = google_service_account.dask.member }
    deploy-composer-view = { role = "roles/composer.user", member = google_service_account.deploy.member }
  }
  project = var.project_id
  role    = each.value.role
  member  = each.value.member
}

# The agent of Composer 3 sets the environment up under the environment's own account.
resource "google_service_account_iam_member" "composer_agent" {
  service_account_id = google_service_account.composer.name
  role               = "roles/composer.ServiceAgentV2Ext"
  member             = local.agents.composer
}

# actAs: clusters run as the nodes' account, so Airflow never holds what they may read.
resource "google_service_account_iam_member" "composer_acts_as_dask" {
  service_account_id = google_service_account.dask.name
  role               = "roles/iam.serviceAccountUser"
  member             = google_service_account.composer.member
}

resource "google_storage_bucket_iam_member" "this" {
  for_each = {
    dask-lake        = { bucket = "lake", role = "roles/storage.objectUser", member = google_service_account.dask.member }
    dask-code        = { bucket = "code", role = "roles/storage.objectViewer", member = google_service_account.dask.member }
    dask-staging     = { bucket = "staging", role = "roles/storage.objectUser", member = google_service_account.dask.member }
    dask-temp        = { bucket = "temp", role = "roles/storage.objectUser", member = google_service_account.dask.member }
    composer-lake    = { bucket = "lake", role = "roles/storage.objectUser", member = google_service_account.composer.member }
    composer-code    = { bucket = "code", role = "roles/storage.objectViewer", member = google_service_account.composer.member }
    composer-staging = { bucket = "staging", role = "roles/storage.objectUser", member = google_service_account.composer.member }
    composer-temp    = { bucket = "temp", role = "roles/storage.legacyBucketReader", member = google_service_account.composer.member }
    deploy-code      = { bucket = "code", role = "roles/storage.objectUser", member = google_service_account.deploy.member }
  }
  bucket = google_storage_bucket.this[each.value.bucket].name
  role   = each.value.role
  member = each.value.member
}

resource "google_artifact_registry_repository_iam_member" "this" {
  for_each = {
    composer-reads = { repository = google_artifact_registry_repository.all.name, role = "roles/artifactregistry.reader", member = google_service_account.composer.member }
    deploy-writes  = { repository = google_artifact_registry_repository.python.name, role = "roles/artifactregistry.writer", member = google_service_account.deploy.member }
    deploy-reads   = { repository = google_artifact_registry_repository.all.name, role = "roles/artifactregistry.reader", member = google_service_account.deploy.member }
  }
  location   = var.region
  repository = each.value.repository
  role       = each.value.role
  member     = each.value.member
}

resource "google_project_iam_member" "users" {
  for_each = var.composer_users
  project  = var.project_id
  role     = "roles/composer.user"
  member   = each.value
}

resource "google_org_policy_policy" "no_keys" {
  for_each = toset(var.forbid_keys ? ["iam.disableServiceAccountKeyCreation", "iam.disableServiceAccountKeyUpload"] : [])
  name     = "projects/${var.project_id}/policies/${each.value}"
  parent   = "projects/${var.project_id}"

  spec {
    rules {
      enforce = "TRUE"
    }
  }

  depends_on = [google_project_service.apis]
}
