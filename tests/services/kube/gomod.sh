#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Another version of Kubernetes: gomod.sh v1.34.4 > go.mod && go mod tidy
# k8s.io/kubernetes requires its staging modules as v0.0.0 and replaces them by ./staging/src/...; a replace in a
# dependency is ignored, so each gets a replace to its published tag (v1.A.B -> v0.A.B) here.
set -e
version=$1
staging=v0.${version#v1.}
# `cd /`: beside a go.mod that is still empty, go refuses
mod=$(cd / && go mod download -json "k8s.io/kubernetes@$version" | sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
echo "module airflow-dataops.test/kube"
echo
grep -E '^go ' "$mod"
grep -E '^godebug' "$mod" || true # godebug of a dependency is ignored too
echo
echo "require k8s.io/kubernetes $version"
echo
echo "replace ("
sed -n 's#^[[:space:]]*\(k8s.io/[^ ]*\) => ./staging/.*#\1#p' "$mod" | while read -r module; do
  echo "	$module => $module $staging"
done
echo ")"
