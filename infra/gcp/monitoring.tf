# SPDX-License-Identifier: Apache-2.0
# What wakes somebody up, and what can wait. docs/explanation/gcp_monitoring.md says why these and no others.

resource "google_monitoring_notification_channel" "email" {
  for_each     = var.alert_emails
  display_name = "${var.name}: ${each.value}"
  type         = "email"

  labels = {
    email_address = each.value
  }
}

locals {
  channels     = [for channel in google_monitoring_notification_channel.email : channel.id]
  task_log     = "resource.type=\"cloud_composer_environment\" AND resource.labels.environment_name=\"${var.name}\" AND log_id(\"airflow-worker\")"
  our_machines = "resource.type=\"gce_instance\" AND metadata.user_labels.\"managed-by\"=\"airflow-dataops\""

  # Name -> what is counted. The operators log the lines that begin with dataops.; tests/unit/infra/test_monitoring.py holds both together.
  log_metrics = {
    dask_failed = {
      description = "Dask runs that failed, by the code of the failure"
      filter      = "(${local.task_log}) AND textPayload=~\"dataops[.]dataproc_dask[.]failed code=\""
      labels      = { code = "REGEXP_EXTRACT(textPayload, \"code=([A-Z_]+)\")" }
    }
    dask_overdue = {
      description = "Clusters that the janitor had to delete, or could not"
      filter      = "(${local.task_log}) AND textPayload=~\"dataops[.]dataproc_dask[.]janitor .*(deleted|failed)=[1-9]\""
      labels      = {}
    }
    spark_failed = {
      description = "Spark runs on Kubernetes that failed, by the code of the failure"
      filter      = "(${local.task_log}) AND textPayload=~\"dataops[.]spark_k8s[.]failed code=\""
      labels      = { code = "REGEXP_EXTRACT(textPayload, \"code=([A-Z0-9_]+)\")" }
    }
    spark_overdue = {
      description = "Spark drivers that the janitor had to delete, or could not"
      filter      = "(${local.task_log}) AND textPayload=~\"dataops[.]spark_k8s[.]janitor .*(deleted|failed)=[1-9]\""
      labels      = {}
    }
    trigger_slow = {
      description = "Moments in which the triggerer's loop stood still, so that all that it waits for is looked at late"
      filter      = "resource.type=\"cloud_composer_environment\" AND resource.labels.environment_name=\"${var.name}\" AND log_id(\"airflow-triggerer\") AND textPayload=~\"Triggerer's async thread was blocked\""
      labels      = {}
    }
    create_refused = {
      description = "Requests for a cluster that Google refused or could not fulfil"
      filter      = "resource.type=\"cloud_dataproc_cluster\" AND protoPayload.methodName:\"ClusterController.CreateCluster\" AND severity>=ERROR"
      labels      = { status = "EXTRACT(protoPayload.status.code)" }
    }
    egress_denied = {
      description = "Connections that the rule of last resort refused"
      filter      = "log_id(\"compute.googleapis.com/firewall\") AND jsonPayload.rule_details.reference:\"firewall:${var.name}-deny-egress\" AND jsonPayload.disposition=\"DENIED\""
      labels      = {}
    }
  }
}

resource "google_logging_metric" "this" {
  for_each         = local.log_metrics
  name             = "${var.name}/${each.key}"
  description      = each.value.description
  filter           = each.value.filter
  label_extractors = each.value.labels

  metric_descriptor {
    metric_kind  = "DELTA"
    value_type   = "INT64"
    unit         = "1"
    display_name = each.value.description

    dynamic "labels" {
      for_each = each.value.labels

      content {
        key        = labels.key
        value_type = "STRING"
      }
    }
  }

  depends_on = [google_project_service.apis]
}

locals {
  logged = { for key, metric in google_logging_metric.this : key => "metric.type=\"logging.googleapis.com/user/${metric.name}\"" }

  # Name -> condition. CRITICAL wakes somebody up, ERROR is read today, WARNING this week.
  alerts = {
    job_failed = {
      area     = "dataproc-dask"
      severity = "ERROR"
      summary  = "A Dask run failed"
      advice   = "The task's log ends with one line that says why and what to change. Its cluster is gone, or kept until the time that the line names."
      filter   = "${local.logged["dask_failed"]} AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "0s"
      period   = "300s"
    }
    provisioning_failed = {
      area     = "dataproc-dask"
      severity = "ERROR"
      summary  = "Google could not make a Dask cluster"
      advice   = "Run `dataops preflight` on the pipeline: it names missing grants, quotas and objects. A stock-out passes; the run tries the next zone by itself."
      filter   = "${local.logged["create_refused"]} AND resource.type=\"cloud_dataproc_cluster\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "0s"
      period   = "600s"
    }
    spark_failed = {
      area     = "spark-k8s"
      severity = "ERROR"
      summary  = "A Spark run on Kubernetes failed"
      advice   = "The task's log ends with one line that says why and what to change; docs/how-to/spark_troubleshooting.md has a section for each code."
      filter   = "${local.logged["spark_failed"]} AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "0s"
      period   = "300s"
    }
    spark_janitor_had_work = {
      area     = "spark-k8s"
      severity = "WARNING"
      summary  = "The janitor found Spark drivers that nobody had deleted, or could not delete one"
      advice   = "Failed drivers that were kept for a look go this way, so a few are no news. Read the janitor's report: ORPHANED and STUCK are runs that were lost."
      filter   = "${local.logged["spark_overdue"]} AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "0s"
      period   = "3600s"
    }
    triggers_slow = {
      area     = "airflow"
      severity = "WARNING"
      summary  = "The triggerer's loop stands still again and again"
      advice   = "Deferred runs are looked at late, and their deadlines strike late. A trigger of a DAG's own blocks the loop, or there are more triggers than one triggerer carries: add one."
      filter   = "${local.logged["trigger_slow"]} AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 5
      duration = "0s"
      period   = "600s"
    }
    cluster_overdue = {
      area     = "dataproc-dask"
      severity = "CRITICAL"
      summary  = "A machine of a Dask cluster is older than any cluster may be"
      advice   = "It costs money for nothing. `dataops janitor --dry-run` lists what is there; without --dry-run it deletes what has expired."
      filter   = "metric.type=\"compute.googleapis.com/instance/uptime_total\" AND ${local.our_machines}"
      aligner  = "ALIGN_MAX"
      reducer  = "REDUCE_MAX"
      above    = var.cluster_ttl_hours * 3600
      duration = "0s"
      period   = "300s"
    }
    janitor_had_work = {
      area     = "dataproc-dask"
      severity = "WARNING"
      summary  = "The janitor found clusters that nobody had deleted"
      advice   = "A run was lost without clean-up. Read the janitor's report: it names run and reason of each cluster."
      filter   = "${local.logged["dask_overdue"]} AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "0s"
      period   = "3600s"
    }
    saturated = {
      area     = "dataproc-dask"
      severity = "WARNING"
      summary  = "Dask workers have been busy without a pause for half an hour"
      advice   = "More or larger workers may end the run sooner for the same money. The Dask dashboard (link on the task) shows what they do."
      filter   = "metric.type=\"compute.googleapis.com/instance/cpu/utilization\" AND ${local.our_machines}"
      aligner  = "ALIGN_MEAN"
      reducer  = "REDUCE_MEAN"
      above    = 0.95
      duration = "1800s"
      period   = "300s"
    }
    yarn_starved = {
      area     = "dataproc-dask"
      severity = "WARNING"
      summary  = "YARN has had no room for Dask workers for a quarter of an hour"
      advice   = "Raise max_workers of the autoscaling policy, or ask for smaller workers."
      filter   = "metric.type=\"dataproc.googleapis.com/cluster/yarn/pending_memory_size\" AND resource.type=\"cloud_dataproc_cluster\""
      aligner  = "ALIGN_MEAN"
      reducer  = "REDUCE_MAX"
      above    = 0
      duration = "900s"
      period   = "300s"
    }
    airflow_unhealthy = {
      area     = "airflow"
      severity = "CRITICAL"
      summary  = "Airflow's own checks fail"
      advice   = "Open the environment's monitoring page: scheduler, triggerer or database is down. Clusters are deleted by their times to live even then."
      filter   = "metric.type=\"composer.googleapis.com/environment/unhealthy_pods_count\" AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_MEAN"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "900s"
      period   = "300s"
    }
    broken_dags = {
      area     = "airflow"
      severity = "WARNING"
      summary  = "Airflow cannot load a DAG file"
      advice   = "`dataops check dags/` names file, line and remedy; the CI job should have stopped it."
      filter   = "metric.type=\"composer.googleapis.com/environment/dag_processing/parse_error_count\" AND resource.type=\"cloud_composer_environment\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 0
      duration = "600s"
      period   = "300s"
    }
    egress_denied = {
      area     = "network"
      severity = "WARNING"
      summary  = "A node tried to talk to something that no rule allows"
      advice   = "A job wants the internet (a package, an API) or an address that has no rule: read the firewall's log, then add a rule or change the job."
      filter   = "${local.logged["egress_denied"]} AND resource.type=\"gce_subnetwork\""
      aligner  = "ALIGN_DELTA"
      reducer  = "REDUCE_SUM"
      above    = 20
      duration = "0s"
      period   = "600s"
    }
  }
}

resource "google_monitoring_alert_policy" "this" {
  for_each              = local.alerts
  display_name          = "${var.name}: ${each.value.summary}"
  combiner              = "OR"
  severity              = each.value.severity
  notification_channels = local.channels

  conditions {
    display_name = each.value.summary

    condition_threshold {
      filter          = each.value.filter
      comparison      = "COMPARISON_GT"
      threshold_value = each.value.above
      duration        = each.value.duration

      aggregations {
        alignment_period     = each.value.period
        per_series_aligner   = each.value.aligner
        cross_series_reducer = each.value.reducer
      }

      trigger {
        count = 1
      }
    }
  }

  documentation {
    content   = each.value.advice
    mime_type = "text/markdown"
    subject   = "${var.name}: ${each.value.summary}"
  }

  alert_strategy {
    auto_close           = "86400s"
    notification_prompts = ["OPENED", "CLOSED"]
  }

  user_labels = {
    area = each.value.area
  }
}
