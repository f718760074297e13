# SPDX-License-Identifier: Apache-2.0
# Two subnets of our own in a VPC that exists. The subnets management, services and workstations are not touched.

data "google_compute_network" "platform" {
  name = var.network
}

resource "google_compute_subnetwork" "dask" {
  name                     = "${var.name}-dask"
  description              = "Nodes of ephemeral Dask clusters; no address of the internet"
  network                  = data.google_compute_network.platform.id
  region                   = var.region
  ip_cidr_range            = var.dask_subnet_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_5_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

resource "google_compute_subnetwork" "composer" {
  name                     = "${var.name}-composer"
  description              = "Addresses of Composer's network attachment"
  network                  = data.google_compute_network.platform.id
  region                   = var.region
  ip_cidr_range            = var.composer_subnet_cidr
  private_ip_google_access = true

  log_config {
    aggregation_interval = "INTERVAL_5_MIN"
    flow_sampling        = 0.5
    metadata             = "INCLUDE_ALL_METADATA"
  }
}

data "google_netblock_ip_ranges" "google" {
  range_type = "google-netblocks"
}

locals {
  private_vip  = "199.36.153.8/30" # private.googleapis.com
  private_dns  = var.google_apis == "private-dns"
  google_cidrs = local.private_dns ? [local.private_vip] : data.google_netblock_ip_ranges.google.cidr_blocks_ipv4
  zones        = local.private_dns ? { googleapis = "googleapis.com.", pkg = "pkg.dev.", gcr = "gcr.io." } : {}
}

resource "google_dns_managed_zone" "google" {
  for_each    = local.zones
  name        = "${var.name}-${each.key}"
  description = "Google's APIs at private.googleapis.com"
  dns_name    = each.value
  visibility  = "private"

  private_visibility_config {
    networks {
      network_url = data.google_compute_network.platform.id
    }
  }
}

resource "google_dns_record_set" "vip" {
  for_each     = local.zones
  managed_zone = google_dns_managed_zone.google[each.key].name
  name         = each.key == "googleapis" ? "private.${each.value}" : each.value
  type         = "A"
  ttl          = 300
  rrdatas      = [for host in range(4) : cidrhost(local.private_vip, host)]
}

resource "google_dns_record_set" "names" {
  for_each     = local.zones
  managed_zone = google_dns_managed_zone.google[each.key].name
  name         = "*.${each.value}"
  type         = "CNAME"
  ttl          = 300
  rrdatas      = [google_dns_record_set.vip[each.key].name]
}

resource "google_compute_route" "private_vip" {
  for_each         = local.private_dns ? toset(["vip"]) : toset([])
  name             = "${var.name}-private-googleapis"
  description      = "private.googleapis.com; the next hop is Google's own edge, not the internet"
  network          = data.google_compute_network.platform.id
  dest_range       = local.private_vip
  next_hop_gateway = "default-internet-gateway"
  priority         = 900
}
