# SPDX-License-Identifier: Apache-2.0

output "airflow_uri" {
  description = "Airflow's pages."
  value       = google_composer_environment.this.config[0].airflow_uri
}

output "dag_bucket" {
  description = "Where CI copies DAGs to, below dags/."
  value       = local.composer_bucket
}

output "deploy_service_account" {
  description = "Account that CI acts as; the variable DEPLOY_SERVICE_ACCOUNT of its jobs."
  value       = google_service_account.deploy.email
}

output "workload_identity_providers" {
  description = "CI -> provider; the variable WORKLOAD_IDENTITY_PROVIDER of its jobs."
  value = merge(
    { for repository, provider in google_iam_workload_identity_pool_provider.github : "github" => provider.name },
    { for project, provider in google_iam_workload_identity_pool_provider.gitlab : "gitlab" => provider.name },
  )
}

output "dataops_target" {
  description = "The target gcp of dataops.yaml, as far as the platform decides it; print it with terraform output -json dataops_target."
  value = {
    engine = "dask"
    runner = "dataproc_dask"
    lake   = "gs://${google_storage_bucket.this["lake"].name}"
    dask = {
      project = var.project_id
      region  = var.region
      bucket  = google_storage_bucket.this["staging"].name
      secure  = true
      cluster = {
        subnetwork      = google_compute_subnetwork.dask.id
        service_account = google_service_account.dask.email
        tags            = [local.dask_tag]
        kms_key         = google_kms_crypto_key.this["dask"].id
        staging_bucket  = google_storage_bucket.this["staging"].name
        temp_bucket     = google_storage_bucket.this["temp"].name
      }
    }
  }
}
