# SPDX-License-Identifier: Apache-2.0
# State lies in a bucket that exists before: terraform init -backend-config=bucket=NAME -backend-config=prefix=dataops

terraform {
  required_version = ">= 1.7"

  required_providers {
    google = {
      source  = "hashicorp/google"
      version = ">= 6.50, < 8"
    }
  }

  backend "gcs" {}
}

provider "google" {
  project               = var.project_id
  region                = var.region
  user_project_override = true
  billing_project       = var.project_id

  default_labels = {
    managed-by = "terraform"
    system     = "airflow-dataops"
  }
}

data "google_project" "this" {
  project_id = var.project_id
}
