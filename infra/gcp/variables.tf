# SPDX-License-Identifier: Apache-2.0

variable "project_id" {
  description = "Project that everything is made in. It exists, and so does its VPC."
  type        = string
}

variable "region" {
  description = "Region of Composer, of the Dask clusters, of keys and buckets, for instance europe-west1."
  type        = string
}

variable "name" {
  description = "Stem of all names. Two installations in one project take two stems."
  type        = string
  default     = "dataops"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,17}$", var.name))
    error_message = "2 to 18 small letters, digits and -, a letter first: longer stems would not fit into service account ids."
  }
}

variable "network" {
  description = "Name of the VPC that exists already; nothing of it is changed but what variables.tf says."
  type        = string
  default     = "data-platform"
}

variable "dask_subnet_cidr" {
  description = "Range of the new subnet of the Dask clusters: one address a node, and nothing else of the VPC may use it."
  type        = string
  default     = "10.64.0.0/22"
}

variable "composer_subnet_cidr" {
  description = "Range of the new subnet that Composer's network attachment takes its addresses from."
  type        = string
  default     = "10.64.4.0/26"
}

variable "nfs_cidr" {
  description = "Range of the Filestore instance (NFS v4.1); null where no cluster mounts a share."
  type        = string
  default     = null
}

variable "google_apis" {
  description = <<-EOT
    How private machines reach Google's APIs. "default-domains" changes nothing for other machines of the VPC: the new machines may talk to Google's
    published ranges on port 443. "private-dns" adds private zones that send *.googleapis.com and *.pkg.dev to private.googleapis.com, so that the new
    machines may talk to those four addresses only; zones hold for the whole VPC, so workstations resolve the same names to the same addresses, too.
  EOT
  type        = string
  default     = "default-domains"

  validation {
    condition     = contains(["default-domains", "private-dns"], var.google_apis)
    error_message = "\"default-domains\" or \"private-dns\"."
  }
}

variable "composer_image" {
  description = "Image of Composer 3, with the Airflow that the pipelines are tested on."
  type        = string
  default     = "composer-3-airflow-2.11.0-build.1"
}

variable "composer_size" {
  description = "ENVIRONMENT_SIZE_SMALL, ENVIRONMENT_SIZE_MEDIUM or ENVIRONMENT_SIZE_LARGE."
  type        = string
  default     = "ENVIRONMENT_SIZE_SMALL"
}

variable "composer_users" {
  description = "Who may open Airflow's pages, as IAM members: group:data-team@example.com."
  type        = set(string)
  default     = []
}

variable "web_server_ranges" {
  description = "Ranges from which Airflow's pages may be opened (whoever comes from there still has to sign in), each with whose range it is."
  type        = map(string)

  validation {
    condition     = length(var.web_server_ranges) > 0 && !contains(keys(var.web_server_ranges), "0.0.0.0/0")
    error_message = "Name the ranges of the office or the VPN; without any, or with 0.0.0.0/0, Composer would let everybody see the sign-in page."
  }
}

variable "package_version" {
  description = "Version of airflow-dataops in the project's Python repository, installed into Composer."
  type        = string
}

variable "github_repository" {
  description = "owner/name of the repository whose main branch may deploy; null where GitHub does not."
  type        = string
  default     = null
}

variable "gitlab_project_path" {
  description = "group/project whose protected main branch may deploy; null where GitLab does not."
  type        = string
  default     = null
}

variable "gitlab_issuer" {
  description = "URL of the GitLab that signs the tokens of its jobs."
  type        = string
  default     = "https://gitlab.com"
}

variable "forbid_keys" {
  description = "Set the organization policy that nobody can make a service account key in the project. Keys that exist go on working."
  type        = bool
  default     = true
}

variable "scratch_days" {
  description = "Days after which job documents, driver logs and temporary files of clusters are deleted."
  type        = number
  default     = 30
}

variable "alert_emails" {
  description = "Addresses that get the alerts."
  type        = set(string)
}

variable "cluster_ttl_hours" {
  description = "Hours that a cluster may live; an older one raises an alert. At least the longest auto_delete_ttl of the pipelines."
  type        = number
  default     = 12
}

variable "billing_account" {
  description = "Billing account of the budget, XXXXXX-XXXXXX-XXXXXX; null makes none. Whoever applies needs billing.budgets.create there."
  type        = string
  default     = null
}

variable "monthly_budget" {
  description = "Whole units of the account's currency that the project may cost in a month before an alert is sent (at 50, 90 and 100 %, and forecast)."
  type        = number
  default     = 500
}
