# SPDX-License-Identifier: Apache-2.0

locals {
  composer_bucket = split("/", replace(google_composer_environment.this.config[0].dag_gcs_prefix, "gs://", ""))[0]
  registry        = "https://${var.region}-python.pkg.dev/${var.project_id}/${google_artifact_registry_repository.all.repository_id}/simple/"
}

# Made before the environment, so that its builds find the repository at once.
resource "google_storage_bucket" "composer" {
  name                        = "${var.project_id}-${var.name}-composer"
  location                    = var.region
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  encryption {
    default_kms_key_name = google_kms_crypto_key.this["composer"].id
  }

  versioning {
    enabled = true
  }

  lifecycle_rule {
    action {
      type = "Delete"
    }

    condition {
      days_since_noncurrent_time = 30
      with_state                 = "ARCHIVED"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

resource "google_storage_bucket_iam_member" "composer_own" {
  bucket = google_storage_bucket.composer.name
  role   = "roles/storage.objectUser"
  member = google_service_account.composer.member
}

resource "google_storage_bucket_object" "pip_conf" {
  bucket       = google_storage_bucket.composer.name
  name         = "config/pip/pip.conf"
  content_type = "text/plain"
  content      = "[global]\nindex-url = ${local.registry}\n"
}

resource "google_composer_environment" "this" {
  name   = var.name
  region = var.region

  storage_config {
    bucket = google_storage_bucket.composer.name
  }

  config {
    enable_private_environment = true
    enable_private_builds_only = true
    environment_size           = var.composer_size
    resilience_mode            = "STANDARD_RESILIENCE"

    node_config {
      network         = data.google_compute_network.platform.id
      subnetwork      = google_compute_subnetwork.composer.id
      service_account = google_service_account.composer.email
      tags            = [local.composer_tag]
    }

    encryption_config {
      kms_key_name = google_kms_crypto_key.this["composer"].id
    }

    software_config {
      image_version = var.composer_image

      pypi_packages = {
        airflow-dataops = "[composer]==${var.package_version}"
      }

      airflow_config_overrides = {
        core-dags_are_paused_at_creation = "True"
        core-parallelism                 = "32"
        scheduler-catchup_by_default     = "False"
        # A task whose worker died is found after 3 minutes instead of 5: its successor then takes the cluster over, or deletes it.
        scheduler-scheduler_zombie_task_threshold = "180"
        operators-default_deferrable              = "True"
        # Whose clusters are whose, where several Airflows share the project.
        dataops-instance = "${var.project_id}-${var.name}"
      }

      env_variables = {
        DATAOPS_TARGET = "gcp"
      }
    }

    workloads_config {
      scheduler {
        count      = 1
        cpu        = 1
        memory_gb  = 4
        storage_gb = 1
      }

      dag_processor {
        count      = 1
        cpu        = 1
        memory_gb  = 4
        storage_gb = 1
      }

      triggerer {
        count     = 2 # one dies, the other goes on
        cpu       = 1
        memory_gb = 2
      }

      web_server {
        cpu        = 1
        memory_gb  = 4
        storage_gb = 1
      }

      worker {
        min_count  = 1
        max_count  = 6
        cpu        = 1
        memory_gb  = 4
        storage_gb = 10
      }
    }

    web_server_network_access_control {
      dynamic "allowed_ip_range" {
        for_each = var.web_server_ranges

        content {
          value       = allowed_ip_range.key
          description = allowed_ip_range.value
        }
      }
    }

    maintenance_window {
      start_time = "2026-01-03T01:00:00Z"
      end_time   = "2026-01-03T07:00:00Z"
      recurrence = "FREQ=WEEKLY;BYDAY=SA,SU"
    }

    data_retention_config {
      airflow_metadata_retention_config {
        retention_mode = "RETENTION_MODE_ENABLED"
        retention_days = 90
      }

      task_logs_retention_config {
        storage_mode = "CLOUD_LOGGING_ONLY"
      }
    }
  }

  depends_on = [
    google_kms_crypto_key_iam_member.agents,
    google_project_iam_member.this,
    google_service_account_iam_member.composer_agent,
    google_storage_bucket_iam_member.composer_own,
    google_storage_bucket_object.pip_conf,
    google_compute_firewall.google_apis,
  ]

  timeouts {
    create = "120m"
    update = "120m"
    delete = "30m"
  }
}
