# SPDX-License-Identifier: Apache-2.0
# Deny by default, for our tags only: whatever is not written here is refused, and no other machine of the VPC is concerned.

locals {
  dask_tag     = "${var.name}-dask"
  composer_tag = "${var.name}-composer"
  deny_tags    = [local.dask_tag, local.composer_tag]
}

resource "google_compute_firewall" "deny_ingress" {
  name          = "${var.name}-deny-ingress"
  description   = "Nothing comes in but what another rule allows"
  network       = data.google_compute_network.platform.id
  direction     = "INGRESS"
  priority      = 65000
  source_ranges = ["0.0.0.0/0"]
  target_tags   = local.deny_tags

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_firewall" "deny_egress" {
  name               = "${var.name}-deny-egress"
  description        = "Nothing goes out but what another rule allows"
  network            = data.google_compute_network.platform.id
  direction          = "EGRESS"
  priority           = 65000
  destination_ranges = ["0.0.0.0/0"]
  target_tags        = local.deny_tags

  deny {
    protocol = "all"
  }

  log_config {
    metadata = "INCLUDE_ALL_METADATA"
  }
}

# Dataproc needs all ports between the nodes of a cluster (scheduler 8786, dashboard 8787, workers and YARN on ports that they choose):
# https://cloud.google.com/dataproc/docs/concepts/configuring-clusters/network
resource "google_compute_firewall" "nodes_in" {
  name        = "${var.name}-nodes-in"
  description = "Dask and YARN between the nodes of the clusters"
  network     = data.google_compute_network.platform.id
  direction   = "INGRESS"
  priority    = 1000
  source_tags = [local.dask_tag]
  target_tags = [local.dask_tag]

  allow {
    protocol = "tcp"
    ports    = ["0-65535"]
  }

  allow {
    protocol = "udp"
    ports    = ["0-65535"]
  }

  allow {
    protocol = "icmp"
  }
}

resource "google_compute_firewall" "nodes_out" {
  name               = "${var.name}-nodes-out"
  description        = "Dask and YARN between the nodes of the clusters"
  network            = data.google_compute_network.platform.id
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = [var.dask_subnet_cidr]
  target_tags        = [local.dask_tag]

  allow {
    protocol = "tcp"
    ports    = ["0-65535"]
  }

  allow {
    protocol = "udp"
    ports    = ["0-65535"]
  }

  allow {
    protocol = "icmp"
  }
}

resource "google_compute_firewall" "google_apis" {
  name               = "${var.name}-google-apis"
  description        = "Dataproc, Cloud Storage, KMS, Logging and the other APIs, over Private Google Access"
  network            = data.google_compute_network.platform.id
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = local.google_cidrs
  target_tags        = local.deny_tags

  allow {
    protocol = "tcp"
    ports    = ["443"]
  }
}

resource "google_compute_firewall" "nfs" {
  for_each           = var.nfs_cidr == null ? toset([]) : toset([var.nfs_cidr])
  name               = "${var.name}-nfs"
  description        = "NFS v4.1 to Filestore: one port, no portmapper"
  network            = data.google_compute_network.platform.id
  direction          = "EGRESS"
  priority           = 1000
  destination_ranges = [each.value]
  target_tags        = [local.dask_tag]

  allow {
    protocol = "tcp"
    ports    = ["2049"]
  }
}
