#!/usr/bin/env bash
# Prepare the folders of compose.lab.yaml: keys, certificates, enrolment, invitation, acceptance.
# Usage: prepare-lab.sh STUDY FOLDER [ROUNDS] [LOCAL_STEPS]
# Needs `aggregator` and `site-client` on the PATH. In a real federation each hospital runs its own lines itself.
set -euo pipefail

if [ $# -lt 2 ]; then
    echo "usage: prepare-lab.sh STUDY FOLDER [ROUNDS] [LOCAL_STEPS]" >&2
    exit 2
fi
study=$(realpath "$1")
folder=$(realpath -m "$2")
rounds=${3:-20}
steps=${4:-100}
coordinator=$folder/coordinator
federation=$coordinator/federation.yaml
sites=(north east south)

if [ -e "$folder" ]; then
    echo "error: $folder exists already" >&2
    exit 2
fi
mkdir -p "$coordinator"
cp "$study" "$coordinator/study.yaml"
aggregator init --name lab --study "$coordinator/study.yaml" --address aggregator:9443 \
    --rounds "$rounds" --local-steps "$steps" --folder "$coordinator"
echo "health_port: 9444" >>"$federation"
for site in "${sites[@]}"; do
    mkdir -p "$folder/$site/data"
    site-client init --name "$site" --manifest "$folder/$site/data/data.csv" --later --folder "$folder/$site"
    echo "health_port: 50051" >>"$folder/$site/site.yaml"
    aggregator enroll "$site" "$folder/$site/$site.pub" --config "$federation"
done
aggregator invite --out "$folder/invitation.json" --config "$federation"
for site in "${sites[@]}"; do
    site-client accept "$folder/invitation.json" --config "$folder/$site/site.yaml" --yes
done
echo "Now, as root:"
echo "  chown -R 10001:10001 $coordinator"
for site in "${sites[@]}"; do
    echo "  chown -R root:root $folder/$site && chmod 0755 $folder/$site"
    echo "  chown -R 10001:10001 $folder/$site/keys && install -d -g 10001 -m 3770 $folder/$site/work"
done
