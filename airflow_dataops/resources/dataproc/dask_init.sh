#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
#
# Dataproc initialization action: makes each node ready for Dask jobs of airflow-dataops.
#
# It is told what to do by the metadata of the machine:
#   dataproc-role             Master or Worker (Dataproc sets it)
#   dataproc-master           name of the master (Dataproc sets it)
#   dataops-dask-runtime      standalone (scheduler and workers as services) or yarn (only the environment)
#   dataops-environment-uri   gs:// tarball that `dataops package` made
#   dataops-nfs-server, dataops-nfs-export, dataops-nfs-mount-point   Filestore share; all three or none
#
# Only Google's own APIs are called, so that Private Google Access is enough. It can run again: what is done is left as it is.
# Whatever goes wrong ends in one line `dataops-init: FAILED: …` and exit status 1; Dataproc then shows where this output lies.

set -Eeuo pipefail

readonly ROOT="${DATAOPS_ROOT:-}" # tests run in a folder of their own
readonly HOME_DIR="${ROOT}/opt/dataops"
readonly ENVIRONMENT="${HOME_DIR}/env"
readonly UNITS="${ROOT}/etc/systemd/system"
readonly SETTINGS="${ROOT}/etc/dataops"
readonly KNOX="${ROOT}/usr/lib/knox" KNOX_VERSION=0.1.0
readonly SCHEDULER_PORT=8786 DASHBOARD_PORT=8787
readonly METADATA="http://metadata.google.internal/computeMetadata/v1/instance/attributes"
readonly RETRIES="${DATAOPS_RETRIES:-6}" PAUSE="${DATAOPS_PAUSE:-5}"

say() { printf 'dataops-init: %s\n' "$*"; }

# The last line of the output is the reason: what fails in a subshell is not told again by the shell around it.
fail() {
  if [[ ! -e "${WORK}/failed" ]]; then
    printf 'dataops-init: FAILED: %s\n' "$*" >&2
    touch "${WORK}/failed"
  fi
  exit 1
}

WORK="$(mktemp -d)"
readonly WORK
trap 'rm -rf "${WORK}"' EXIT
trap 'fail "line ${LINENO}: ${BASH_COMMAND}"' ERR

# again WHAT COMMAND…: run it until it works, with a longer pause each time.
again() {
  local what="$1" try=1 pause="${PAUSE}" said
  shift
  while ! said="$("$@" 2>&1)"; do
    if ((try >= RETRIES)); then
      fail "${what} did not work in ${RETRIES} tries: $(tail -n 1 <<<"${said}")"
    fi
    say "${what}: try ${try} of ${RETRIES} failed, again in ${pause} s: $(tail -n 1 <<<"${said}")"
    sleep "${pause}"
    try=$((try + 1))
    pause=$((pause * 2))
  done
}

# metadata KEY: print its value, or nothing where there is none; no answer at all is a failure.
metadata() {
  local status try
  for ((try = 1; try <= RETRIES; try++)); do
    status="$(curl --silent --show-error --max-time 10 --header 'Metadata-Flavor: Google' \
      --output "${WORK}/metadata" --write-out '%{http_code}' "${METADATA}/$1" 2>"${WORK}/curl" || true)"
    case "${status}" in
      200) cat "${WORK}/metadata" && return 0 ;;
      404) return 0 ;;
    esac
    ((try < RETRIES)) && sleep "${PAUSE}"
  done
  fail "the metadata server does not say what $1 is: status ${status:-none} $(tail -n 1 "${WORK}/curl")"
}

needed() {
  local value
  value="$(metadata "$1")"
  [[ -n "${value}" ]] || fail "the machine has no metadata '$1'; clusters that airflow-dataops makes have it"
  printf '%s' "${value}"
}

# write FILE: replace it by standard input, unless it says just that.
write() {
  mkdir -p "$(dirname "$1")"
  cat >"$1.new"
  if cmp --silent "$1.new" "$1"; then
    rm "$1.new"
  else
    mv "$1.new" "$1"
  fi
}

python_of_version() {
  local candidate found seen=""
  for candidate in "${DATAOPS_PYTHON:-}" /opt/conda/default/bin/python /opt/conda/miniconda3/bin/python "python$1" python3; do
    if [[ -z "${candidate}" ]] || ! command -v "${candidate}" >/dev/null; then
      continue
    fi
    found="$("${candidate}" -c 'import sys; print("%d.%d" % sys.version_info[:2])')"
    if [[ "${found}" == "$1" ]]; then
      command -v "${candidate}"
      return 0
    fi
    seen="${seen} ${candidate}=${found}"
  done
  fail "the environment is made for Python $1, and this image has${seen:- none}: build it with \`dataops package --python\`"
}

install_environment() {
  local uri="$1" tarball="${WORK}/environment.tar.gz" new="${HOME_DIR}/env.new" version python
  if [[ -f "${ENVIRONMENT}/.uri" && "$(<"${ENVIRONMENT}/.uri")" == "${uri}" ]]; then
    say "the environment is there already"
    return 0
  fi
  again "fetching ${uri}" gcloud storage cp "${uri}" "${tarball}"
  rm -rf "${new}" "${WORK}/unpacked"
  mkdir -p "${WORK}/unpacked" "${HOME_DIR}"
  tar --extract --gzip --no-same-owner --file "${tarball}" --directory "${WORK}/unpacked" ||
    fail "${uri} is no tarball of \`dataops package\`"
  [[ -f "${WORK}/unpacked/dataops-env.json" ]] || fail "${uri} has no dataops-env.json: it is not from \`dataops package\`"
  version="$(sed -n 's/.*"python": *"\([0-9.]*\)".*/\1/p' "${WORK}/unpacked/dataops-env.json")"
  python="$(python_of_version "${version}")"
  "${python}" -m venv --without-pip --symlinks "${new}" || fail "${python} cannot make a virtual environment"
  cp -a "${WORK}/unpacked/site-packages/." "${new}/lib/python${version}/site-packages/"
  "${new}/bin/python" -I -c 'import airflow_dataops.jobs.dask_driver, distributed' >"${WORK}/import" 2>&1 ||
    fail "the environment does not work: $(tail -n 1 "${WORK}/import")"
  printf '%s' "${uri}" >"${new}/.uri"
  chmod -R go+rX "${new}"
  rm -rf "${ENVIRONMENT}"
  mv "${new}" "${ENVIRONMENT}"
  say "the environment is installed, on ${python}"
}

mount_nfs() {
  local server="$1" share="$2" point="$3" fstab="${ROOT}/etc/fstab"
  # hard: an outage stops the work and does not break it. _netdev and nofail: a reboot waits for the network, and does not end in an
  # emergency shell; the services below start only with the mount.
  local options="vers=4.1,proto=tcp,hard,timeo=600,retrans=3,noresvport,_netdev,nofail,x-systemd.mount-timeout=120"
  if ! command -v mount.nfs4 >/dev/null; then
    say "the image has no NFS client; it is installed, which needs a Debian mirror"
    again "installing nfs-common (take an image that has it, where there is no internet)" \
      env DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends nfs-common
  fi
  mkdir -p "${ROOT}${point}" "$(dirname "${fstab}")"
  touch "${fstab}"
  { grep -v '# dataops$' "${fstab}" || true; } >"${fstab}.new"
  printf '%s:%s %s nfs4 %s 0 0 # dataops\n' "${server}" "${share}" "${point}" "${options}" >>"${fstab}.new"
  mv "${fstab}.new" "${fstab}"
  systemctl daemon-reload
  if mountpoint --quiet "${ROOT}${point}"; then
    say "${point} is mounted already"
  else
    again "mounting ${server}:${share} on ${point} (is it NFS 4.1, in the same VPC, with port 2049 open?)" \
      mount "${point}"
  fi
}

unit() {
  local description="$1" command="$2" mount="$3"
  cat <<UNIT
[Unit]
Description=${description}
Wants=network-online.target
After=network-online.target
StartLimitIntervalSec=0
${mount:+RequiresMountsFor=${mount}}

[Service]
User=dataops
Group=dataops
EnvironmentFile=/etc/dataops/dask.env
StateDirectory=dataops
WorkingDirectory=/var/lib/dataops
Environment=HOME=/var/lib/dataops
ExecStart=/opt/dataops/env/bin/python ${command}
Restart=always
RestartSec=3
LimitNOFILE=65536
NoNewPrivileges=yes
ProtectSystem=full

[Install]
WantedBy=multi-user.target
UNIT
}

start_service() {
  local name="$1" try
  systemctl daemon-reload
  systemctl enable "${name}" >/dev/null 2>&1 || fail "systemctl cannot enable ${name}"
  systemctl restart "${name}" || fail "${name} cannot be started: journalctl -u ${name}"
  for ((try = 1; try <= RETRIES; try++)); do
    systemctl is-active --quiet "${name}" && return 0
    sleep "${PAUSE}"
  done
  fail "${name} does not run: $(journalctl --unit "${name}" --lines 1 --no-pager --output cat 2>/dev/null || true)"
}

start_dask() {
  local role="$1" master="$2" mount="$3"
  id dataops >/dev/null 2>&1 || useradd --system --home-dir /var/lib/dataops --shell /usr/sbin/nologin dataops
  write "${SETTINGS}/dask.env" <<<"DASK_DISTRIBUTED__SCHEDULER__NO_WORKERS_TIMEOUT=3600s"
  if [[ "${role}" == Master ]]; then
    unit "Dask scheduler" "-m distributed.cli.dask_scheduler --port ${SCHEDULER_PORT} --dashboard-address :${DASHBOARD_PORT} --no-show" \
      "${mount}" | write "${UNITS}/dataops-dask-scheduler.service"
    start_service dataops-dask-scheduler.service
  else
    # A worker that hears nothing from its scheduler for so long ends, and is started anew. The rest of the memory is the system's.
    unit "Dask worker" "-m distributed.cli.dask_worker tcp://${master}:${SCHEDULER_PORT} --nworkers 1 --memory-limit 0.85 --death-timeout 300 --local-directory /var/lib/dataops --name %H" \
      "${mount}" | write "${UNITS}/dataops-dask-worker.service"
    start_service dataops-dask-worker.service
  fi
}

# knox_service ROLE NAME ROUTES: print the definition of a service for Knox, the Component Gateway's proxy.
knox_service() {
  cat <<XML
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<service role="$1" name="$2" version="${KNOX_VERSION}">
  <policies>
    <policy role="webappsec"/>
    <policy role="authentication" name="Anonymous"/>
    <policy role="rewrite"/>
    <policy role="authorization"/>
  </policies>
  <routes>
$3
  </routes>
</service>
XML
}

# Dask's pages name each other relative to where they are, so that bodies pass as they are; only a redirect names a path from the root.
define_knox_services() {
  local dask="${KNOX}/data/services/dask/${KNOX_VERSION}" daskws="${KNOX}/data/services/daskws/${KNOX_VERSION}" out
  out='<rewrite apply="DASK/dask/outbound/body" to="response.body"/><rewrite apply="DASK/dask/outbound/headers" to="response.headers"/>'
  knox_service DASK dask "    <route path=\"/dask\"><rewrite apply=\"DASK/dask/inbound/root\" to=\"request.url\"/>${out}</route>
    <route path=\"/dask/**\"><rewrite apply=\"DASK/dask/inbound/path\" to=\"request.url\"/>${out}</route>
    <route path=\"/dask/**?**\"><rewrite apply=\"DASK/dask/inbound/path\" to=\"request.url\"/>${out}</route>" |
    write "${dask}/service.xml"
  write "${dask}/rewrite.xml" <<'XML'
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<rules>
  <rule dir="IN" name="DASK/dask/inbound/root" pattern="*://*:*/**/dask"><rewrite template="{$serviceUrl[DASK]}/"/></rule>
  <rule dir="IN" name="DASK/dask/inbound/path" pattern="*://*:*/**/dask/{path=**}?{**}">
    <rewrite template="{$serviceUrl[DASK]}/{path=**}?{**}"/>
  </rule>
  <rule dir="OUT" name="DASK/dask/outbound/location" flow="OR">
    <match pattern="*://*:*/{path=**}?{**}"><rewrite template="{$frontend[path]}/dask/{path=**}?{**}"/></match>
    <match pattern="/{path=**}?{**}"><rewrite template="{$frontend[path]}/dask/{path=**}?{**}"/></match>
  </rule>
  <filter name="DASK/dask/outbound/headers">
    <content type="application/x-http-headers"><apply path="Location" rule="DASK/dask/outbound/location"/></content>
  </filter>
  <filter name="DASK/dask/outbound/body"><content type="text/html"/></filter>
</rules>
XML
  knox_service DASKWS daskws '    <route path="/dask/**/ws"><rewrite apply="DASKWS/daskws/inbound" to="request.url"/></route>' |
    write "${daskws}/service.xml"
  write "${daskws}/rewrite.xml" <<'XML'
<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<rules>
  <rule dir="IN" name="DASKWS/daskws/inbound" pattern="*://*:*/**/dask/{path=**}/ws">
    <rewrite template="{$serviceUrl[DASKWS]}/{path=**}/ws"/>
  </rule>
</rules>
XML
  chmod -R go+rX "${dask}" "${daskws}"
}

# with_block FILE TAG BLOCK: print an XML file with our block before its closing tag, instead of the one that an earlier run put there.
with_block() {
  awk -v tag="$2" -v block="<!-- dataops: begin -->
$3
<!-- dataops: end -->" '
    /<!-- dataops: begin -->/ { own = 1 }
    !own && (at = index($0, tag)) {
      if (substr($0, 1, at - 1) ~ /[^ \t]/) print substr($0, 1, at - 1)
      print block
      $0 = substr($0, at)
    }
    !own { print }
    /<!-- dataops: end -->/ { own = 0 }' "$1"
}

# Dask's first message over the web socket is larger than Knox takes by itself. What the image has set stays as it is.
websocket_settings() {
  local pair
  for pair in feature.enabled=true max.text.buffer.size=8388608 max.binary.buffer.size=8388608; do
    if ! sed '/<!-- dataops: begin -->/,/<!-- dataops: end -->/d' "$1" | grep -q "gateway.websocket.${pair%=*}<"; then
      printf '<property><name>gateway.websocket.%s</name><value>%s</value></property>\n' "${pair%=*}" "${pair#*=}"
    fi
  done
}

# route_dashboard MASTER: let the Component Gateway show Dask's dashboard at /gateway/default/dask/. A cluster is as good without it, so
# that what goes wrong is told and is no failure.
route_dashboard() {
  local conf="${ROOT}/etc/knox/conf" address="$1:${DASHBOARD_PORT}" topology site
  topology="${conf}/topologies/default.xml"
  site="${conf}/gateway-site.xml"
  if [[ ! -d "${KNOX}/data/services" || ! -f "${topology}" || ! -f "${site}" ]]; then
    say "no Component Gateway here, so no route to the dashboard"
    return 0
  fi
  with_block "${topology}" '</topology>' "<service><role>DASK</role><url>http://${address}</url></service>
<service><role>DASKWS</role><url>ws://${address}</url></service>" >"${WORK}/topology"
  with_block "${site}" '</configuration>' "$(websocket_settings "${site}")" >"${WORK}/site"
  define_knox_services
  if cmp --silent "${WORK}/topology" "${topology}" && cmp --silent "${WORK}/site" "${site}"; then
    say "the dashboard has its route already"
    return 0
  fi
  # Knox deploys a topology that changes at once, with the services that it knew when it started: it has to be away meanwhile.
  if systemctl stop knox; then
    cat "${WORK}/topology" >"${topology}" # the files keep their owners and modes
    cat "${WORK}/site" >"${site}"
    rm -rf "${KNOX}"/data/deployments/default.topo.*
  fi
  if systemctl start knox && grep -q '<role>DASKWS</role>' "${topology}"; then
    say "the dashboard is at /gateway/default/dask/status of the Component Gateway"
  else
    say "the dashboard has no route through the Component Gateway: journalctl -u knox"
  fi
}

main() {
  local role master runtime uri server share point=""
  role="$(needed dataproc-role)"
  runtime="$(needed dataops-dask-runtime)"
  uri="$(needed dataops-environment-uri)"
  server="$(metadata dataops-nfs-server)"
  case "${runtime}" in
    standalone | yarn) ;;
    *) fail "metadata dataops-dask-runtime is '${runtime}'; known are standalone and yarn" ;;
  esac
  case "${role}" in
    Master | Worker) ;;
    *) fail "metadata dataproc-role is '${role}'; known are Master and Worker" ;;
  esac
  if [[ -n "${server}" ]]; then
    share="$(needed dataops-nfs-export)"
    point="$(needed dataops-nfs-mount-point)"
    mount_nfs "${server}" "${share}" "${point}"
  fi
  install_environment "${uri}"
  master="$(needed dataproc-master)"
  if [[ "${runtime}" == standalone ]]; then
    start_dask "${role}" "${master}" "${point}"
  fi
  if [[ "${role}" == Master ]]; then
    route_dashboard "${master}"
  fi
  say "ready: ${role}, ${runtime}"
}

main "$@"
