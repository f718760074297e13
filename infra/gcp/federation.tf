# SPDX-License-Identifier: Apache-2.0
# CI signs in with the token of its job. Only the main branch of one repository may; a pull request's job gets a token, too, and is refused.

resource "google_iam_workload_identity_pool" "ci" {
  workload_identity_pool_id = "${var.name}-ci"
  display_name              = "CI of ${var.name}"
  description               = "Tokens of CI jobs, exchanged for short-lived credentials"

  depends_on = [google_project_service.apis]
}

resource "google_iam_workload_identity_pool_provider" "github" {
  for_each                           = var.github_repository == null ? toset([]) : toset([var.github_repository])
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci.workload_identity_pool_id
  workload_identity_pool_provider_id = "github"
  display_name                       = "GitHub Actions"
  attribute_condition                = "assertion.repository == '${each.value}' && assertion.ref == 'refs/heads/main' && assertion.event_name != 'pull_request_target'"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.repository"
  }

  oidc {
    issuer_uri = "https://token.actions.githubusercontent.com"
  }
}

resource "google_iam_workload_identity_pool_provider" "gitlab" {
  for_each                           = var.gitlab_project_path == null ? toset([]) : toset([var.gitlab_project_path])
  workload_identity_pool_id          = google_iam_workload_identity_pool.ci.workload_identity_pool_id
  workload_identity_pool_provider_id = "gitlab"
  display_name                       = "GitLab CI"
  attribute_condition                = "assertion.project_path == '${each.value}' && assertion.ref == 'main' && assertion.ref_protected == 'true'"

  attribute_mapping = {
    "google.subject"       = "assertion.sub"
    "attribute.repository" = "assertion.project_path"
  }

  oidc {
    issuer_uri        = var.gitlab_issuer
    allowed_audiences = [var.gitlab_issuer]
  }
}

resource "google_service_account_iam_member" "deployers" {
  for_each           = toset([for repository in [var.github_repository, var.gitlab_project_path] : repository if repository != null])
  service_account_id = google_service_account.deploy.name
  role               = "roles/iam.workloadIdentityUser"
  member             = "principalSet://iam.googleapis.com/${google_iam_workload_identity_pool.ci.name}/attribute.repository/${each.value}"
}

# The environment's bucket: DAGs and plugins, and nothing else in it.
resource "google_storage_bucket_iam_member" "deploy_dags" {
  bucket = local.composer_bucket
  role   = "roles/storage.objectUser"
  member = google_service_account.deploy.member

  condition {
    title       = "DAGs only"
    description = "Objects below dags/"
    expression  = "resource.name.startsWith(\"projects/_/buckets/${local.composer_bucket}/objects/dags/\")"
  }
}

# Listing cannot be conditioned on an object's name; it shows names only.
resource "google_storage_bucket_iam_member" "deploy_lists" {
  bucket = local.composer_bucket
  role   = "roles/storage.legacyBucketReader"
  member = google_service_account.deploy.member
}
