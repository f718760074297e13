#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Makes an authority for tests, and what it signs: a folder for each Secret of the manifests, with its files, one for Kafka's brokers, and one
# for clients of the API. For production take the company's authority, or cert-manager: here the authority's key lies beside the certificates.
#   infra/edge/make_test_ca.sh FOLDER [API-NAMES] [KAFKA-NAMES] [DAYS]
# Names have commas between them, and may be IP addresses. Without them: those of the Service, and kafka-1 to kafka-3.example.com; 30 days.
set -euo pipefail
[ $# -ge 1 ] || { sed -n '3,6s/^# \{0,1\}//p' "$0" >&2; exit 2; }

umask 077
mkdir "$1" # a folder that is there is left alone: its certificates may be in use
cd "$1"
api=${2:-metadata-api.edge.svc,metadata-api.edge.svc.cluster.local,metadata.example.com,localhost,127.0.0.1}
kafka=${3:-kafka-1.example.com,kafka-2.example.com,kafka-3.example.com}
days=${4:-30}

names() { # a,b -> DNS:a,IP:1.2.3.4
  local name found=()
  for name in ${1//,/ }; do
    if [[ $name =~ ^[0-9.]+$|: ]]; then found+=("IP:$name"); else found+=("DNS:$name"); fi
  done
  (IFS=,; echo "${found[*]}")
}

key() { openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out "$1" 2> /dev/null; }

sign() { # folder, common name, use, further lines of the certificate
  mkdir -p "$1"
  key "$1/tls.key"
  openssl req -new -key "$1/tls.key" -subj "/CN=$2" -out request.pem
  printf '%s\n' "basicConstraints=critical,CA:FALSE" "keyUsage=critical,digitalSignature" "extendedKeyUsage=$3" \
    "subjectKeyIdentifier=hash" "authorityKeyIdentifier=keyid" ${4+"$4"} > extensions
  openssl x509 -req -in request.pem -CA ca.crt -CAkey ca.key -CAcreateserial -days "$days" -sha256 -extfile extensions -out "$1/tls.crt" 2> /dev/null
  cp ca.crt "$1/ca.crt"
  rm request.pem extensions
}

properties() { # what librdkafka reads in a pod
  printf '%s\n' security.protocol=SSL ssl.ca.location=/etc/metadata/kafka/ca.crt ssl.certificate.location=/etc/metadata/kafka/tls.crt \
    ssl.key.location=/etc/metadata/kafka/tls.key > "$1/kafka.properties"
}

key ca.key
openssl req -x509 -new -key ca.key -subj "/CN=edge test authority" -days "$days" -sha256 -out ca.crt \
  -addext "basicConstraints=critical,CA:TRUE" -addext "keyUsage=critical,keyCertSign,cRLSign" 2> /dev/null

sign metadata-api-tls metadata-api serverAuth "subjectAltName=$(names "$api")"
for program in api worker topics; do
  sign "metadata-$program-kafka" "metadata-$program" clientAuth
  properties "metadata-$program-kafka"
done
for client in notebooks airflow; do
  sign "clients/$client" "$client" clientAuth
  cat "clients/$client/tls.crt" "clients/$client/tls.key" > "clients/$client/both.pem" # as MetadataClient(cert=…) takes it
done

sign kafka kafka serverAuth,clientAuth "subjectAltName=$(names "$kafka")"
cat kafka/tls.key kafka/tls.crt > kafka/keystore.pem
cat > kafka/server.properties <<PROPERTIES
ssl.keystore.type=PEM
ssl.keystore.location=$PWD/kafka/keystore.pem
ssl.truststore.type=PEM
ssl.truststore.location=$PWD/kafka/ca.crt
ssl.client.auth=required
ssl.principal.mapping.rules=RULE:^CN=([^,]+).*\$/\$1/,DEFAULT
PROPERTIES

mkdir metadata-api-tokens
openssl rand -hex 24 > metadata-api-tokens/tokens
rm -f ca.srl
find . -type f | sort
