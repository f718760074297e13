# SPDX-License-Identifier: Apache-2.0

locals {
  # Days after which objects go; null keeps them.
  buckets = {
    lake    = { key = "storage", days = null, versions = true }
    code    = { key = "storage", days = null, versions = true }
    staging = { key = "dask", days = var.scratch_days, versions = false }
    temp    = { key = "dask", days = var.scratch_days, versions = false }
  }
}

resource "google_storage_bucket" "this" {
  for_each                    = local.buckets
  name                        = "${var.project_id}-${var.name}-${each.key}"
  location                    = var.region
  storage_class               = "STANDARD"
  uniform_bucket_level_access = true
  public_access_prevention    = "enforced"
  force_destroy               = false

  encryption {
    default_kms_key_name = google_kms_crypto_key.this[each.value.key].id
  }

  versioning {
    enabled = each.value.versions
  }

  soft_delete_policy {
    retention_duration_seconds = each.value.versions ? 604800 : 0
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.days == null ? [] : [each.value.days]

    content {
      action {
        type = "Delete"
      }

      condition {
        age = lifecycle_rule.value
      }
    }
  }

  dynamic "lifecycle_rule" {
    for_each = each.value.versions ? [30] : []

    content {
      action {
        type = "Delete"
      }

      condition {
        days_since_noncurrent_time = lifecycle_rule.value
        with_state                 = "ARCHIVED"
      }
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

# Composer installs from here; builds have no way to the internet. The remote one fetches what PyPI has, for those who may read it.
resource "google_artifact_registry_repository" "python" {
  location      = var.region
  repository_id = "${var.name}-python"
  description   = "Wheels of our own"
  format        = "PYTHON"
  kms_key_name  = google_kms_crypto_key.this["packages"].id

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

resource "google_artifact_registry_repository" "pypi" {
  location      = var.region
  repository_id = "${var.name}-pypi"
  description   = "PyPI, cached"
  format        = "PYTHON"
  mode          = "REMOTE_REPOSITORY"
  kms_key_name  = google_kms_crypto_key.this["packages"].id

  remote_repository_config {
    python_repository {
      public_repository = "PYPI"
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}

resource "google_artifact_registry_repository" "all" {
  location      = var.region
  repository_id = "${var.name}-all"
  description   = "Ours first, then PyPI: a name of ours cannot be taken over by a stranger's package"
  format        = "PYTHON"
  mode          = "VIRTUAL_REPOSITORY"
  kms_key_name  = google_kms_crypto_key.this["packages"].id

  virtual_repository_config {
    upstream_policies {
      id         = "own"
      repository = google_artifact_registry_repository.python.id
      priority   = 100
    }

    upstream_policies {
      id         = "pypi"
      repository = google_artifact_registry_repository.pypi.id
      priority   = 10
    }
  }

  depends_on = [google_kms_crypto_key_iam_member.agents]
}
