# SPDX-License-Identifier: Apache-2.0
# One key a purpose, so that one can be withdrawn without the others. Keys are never destroyed by terraform.

locals {
  agents = {
    compute   = "serviceAccount:service-${data.google_project.this.number}@compute-system.iam.gserviceaccount.com"
    storage   = "serviceAccount:service-${data.google_project.this.number}@gs-project-accounts.iam.gserviceaccount.com"
    dataproc  = "serviceAccount:service-${data.google_project.this.number}@dataproc-accounts.iam.gserviceaccount.com"
    composer  = "serviceAccount:service-${data.google_project.this.number}@cloudcomposer-accounts.iam.gserviceaccount.com"
    gke       = "serviceAccount:service-${data.google_project.this.number}@container-engine-robot.iam.gserviceaccount.com"
    pubsub    = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-pubsub.iam.gserviceaccount.com"
    artifacts = "serviceAccount:service-${data.google_project.this.number}@gcp-sa-artifactregistry.iam.gserviceaccount.com"
  }
  # Purpose -> whose service agents encrypt with its key.
  keys = {
    dask     = ["compute", "storage", "dataproc"]
    storage  = ["storage"]
    composer = ["composer", "compute", "storage", "gke", "pubsub", "artifacts"]
    packages = ["artifacts"]
  }
  grants = merge([
    for purpose, names in local.keys : { for name in names : "${purpose}-${name}" => { key = purpose, agent = name } }
  ]...)
}

resource "google_kms_key_ring" "this" {
  name     = var.name
  location = var.region

  depends_on = [google_project_service.apis]
}

resource "google_kms_crypto_key" "this" {
  for_each                   = local.keys
  name                       = "${var.name}-${each.key}"
  key_ring                   = google_kms_key_ring.this.id
  purpose                    = "ENCRYPT_DECRYPT"
  rotation_period            = "7776000s" # 90 days
  destroy_scheduled_duration = "2592000s" # 30 days to change one's mind

  lifecycle {
    prevent_destroy = true
  }
}

resource "google_kms_crypto_key_iam_member" "agents" {
  for_each      = local.grants
  crypto_key_id = google_kms_crypto_key.this[each.value.key].id
  role          = "roles/cloudkms.cryptoKeyEncrypterDecrypter"
  member        = local.agents[each.value.agent]
}
