#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Entry point of docker/spark.Dockerfile, with the words that Spark uses: `driver OPTIONS… PROGRAM ARGUMENTS…` is spark-submit in client mode, `executor` an
# executor whose settings Spark gives by the environment; anything else is a command of its own.
set -euo pipefail

# OpenShift runs a container as a user whom nobody has named, and Hadoop asks for a name. Most nodes add the line; where not, and it can be added, it is.
if ! getent passwd "$(id -u)" > /dev/null; then
  if [ -w /etc/passwd ]; then
    echo "spark:x:$(id -u):$(id -g):spark:${HOME:-/tmp}:/usr/sbin/nologin" >> /etc/passwd
  else
    echo "WARN user $(id -u) has no line in /etc/passwd, which cannot be written: Spark will not start" >&2
  fi
fi

classes="$SPARK_HOME/conf:$SPARK_HOME/jars/*${SPARK_EXTRA_CLASSPATH:+:$SPARK_EXTRA_CLASSPATH}"
case "${1:-}" in
driver)
  shift
  exec "$SPARK_HOME/bin/spark-submit" --conf "spark.driver.bindAddress=$SPARK_DRIVER_BIND_ADDRESS" --deploy-mode client "$@"
  ;;
executor)
  options=()
  while IFS= read -r option; do options+=("$option"); done < <(env | grep '^SPARK_JAVA_OPT_' | sort -t_ -k4 -n | sed 's/^[^=]*=//')
  exec java ${options[@]+"${options[@]}"} "-Xms$SPARK_EXECUTOR_MEMORY" "-Xmx$SPARK_EXECUTOR_MEMORY" -cp "$classes" \
    org.apache.spark.scheduler.cluster.k8s.KubernetesExecutorBackend --driver-url "$SPARK_DRIVER_URL" \
    --executor-id "$SPARK_EXECUTOR_ID" --cores "$SPARK_EXECUTOR_CORES" --app-id "$SPARK_APPLICATION_ID" \
    --hostname "$SPARK_EXECUTOR_POD_IP" --resourceProfileId "$SPARK_RESOURCE_PROFILE_ID" --podName "$SPARK_EXECUTOR_POD_NAME"
  ;;
*) exec "$@" ;;
esac
