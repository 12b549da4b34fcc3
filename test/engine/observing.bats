# SPDX-License-Identifier: Apache-2.0
# What a person and a monitoring system can see: Status in docker volume inspect, and metrics.

load lib
load pools

# in_status VOLUME TEXT: its Status has that
in_status() { docker volume inspect -f '{{json .Status}}' "$1" | grep -qF -- "$2"; }

# use_of VOLUME FIELD
use_of() { status "$1" "disk_use.$2"; }

# At least so many, and not much more: xfs gives a file that grows more room than it needs.
takes_megabytes() {
  local bytes
  bytes=$(use_of "$1" "$2") && [[ $bytes =~ ^[0-9]+$ ]] && ((bytes >= $3 * 1048576 && bytes < 2 * $3 * 1048576))
}

@test "Status says what a volume is, where it comes from, how old it is and why its pool has this backend" {
  volume db
  snapshot db seed -o target=/data
  clone_of seed dev
  in_status seed '"kind":"snapshot"'
  in_status seed '"source":"db"'
  in_status seed '"target":"/data"'
  in_status dev '"lineage":["seed","db"]'
  docker volume inspect -f '{{.Status.age}}' seed | grep -qE '^[0-9]+ s$'
  in_status seed '"backend":"overlay"'
  in_status seed '"backend_reason":"it '
}

@test "Status says what a volume and a snapshot's clones take, measured in the background" {
  another
  docker plugin enable "$DRIVER"
  volume db
  run_in db 'dd if=/dev/urandom of=file bs=1M count=3; sync'
  snapshot db seed
  run_in db 'dd if=/dev/urandom of=more bs=1M count=2; sync'
  start box -v seed:/data
  inside box 'dd if=/dev/urandom of=/data/own bs=1M count=5'
  sync -f "$POOL"
  eventually takes_megabytes seed clones_bytes 5
  takes_megabytes db own_bytes 2
  use_of seed measured_ago | grep -qE '^"[0-9]+ s"$'
}

# figure VOLUME FIELD: a number of its Status
figure() { status "$1" "$2" | grep -xE '[0-9]+'; }

@test "Status says what volumes share, and what the pool takes, has free and is about to give back" {
  another
  docker plugin enable "$DRIVER"
  volume db
  run_in db 'dd if=/dev/urandom of=file bs=1M count=3; sync'
  snapshot db seed
  sync -f "$POOL"
  eventually takes_megabytes seed shared_bytes 3
  takes_megabytes seed total_bytes 3
  (($(figure seed disk_use.own_bytes) + $(figure seed disk_use.shared_bytes) == $(figure seed disk_use.total_bytes)))
  eventually figure seed pool.used_bytes
  (($(figure seed pool.used_bytes) + $(figure seed pool.free_bytes) <= $(figure seed pool.size_bytes)))
  (($(figure seed pool.waiting_bytes) <= $(figure seed pool.used_bytes)))
  status seed pool.reflinks | grep -qxE 'true|false'
}

# Where files share content the first write copies none, and nothing is said.
@test "Status of a snapshot names the file whose first write copies most, where a first write copies" {
  another
  docker plugin enable "$DRIVER"
  volume db
  run_in db 'mkdir base; dd if=/dev/urandom of=base/big bs=1M count=3; dd if=/dev/urandom of=small bs=1M count=1; sync'
  snapshot db seed
  sync -f "$POOL"
  eventually in_status seed '"disk_use"'
  if [[ $(status seed pool.reflinks) == true ]]; then
    in_status seed first_write && return 1
    return 0
  fi
  eventually in_status seed '"first_write":{"copied_bytes":3145728,"largest_file":"base/big","size_bytes":3145728}'
}

@test "metrics are off unless asked for, and then a scraper can read them through a node exporter" {
  local here=$PWD/visible port exporter name
  another METRICS=on
  docker plugin enable "$DRIVER"
  volume db
  snapshot db seed
  start box -v seed:/data
  [[ ! -e $PLUGIN_DATA/metrics ]]
  # The engine's directory is root's alone: what is mounted elsewhere can be reached by others.
  mkdir "$here"
  eventually test -e "$(propagated "$DRIVER")/metrics/snapclone.prom"
  mount --bind "$(propagated "$DRIVER")/metrics" "$here"
  chmod 0711 . .. ../.. || true
  port=$(/usr/bin/python3 -c 'import socket; print(socket.create_server(("127.0.0.1", 0)).getsockname()[1])')
  timeout 120 prometheus-node-exporter --collector.disable-defaults --collector.textfile \
    --collector.textfile.directory="$here" --web.listen-address="127.0.0.1:$port" >exporter.log 2>&1 3>&- &
  exporter=$!
  eventually scraped "$port" 'snapclone_live_clones 1'
  scraped "$port" 'snapclone_requests_total{result="success",verb="Mount"} 1'
  scraped "$port" 'snapclone_volumes{kind="snapshot"} 1'
  for name in size free used waiting; do scraped "$port" "snapclone_pool_${name}_bytes"; done
  scraped "$port" 'node_textfile_scrape_error 0'
  kill "$exporter"
  umount "$here"
}

# scraped PORT TEXT
scraped() { curl -sf "http://127.0.0.1:$1/metrics" | grep -qF -- "$2"; }

@test "a setting with an unknown value has its default, and the log says so" {
  another METRICS=yes LOG_LEVEL=verbose BACKEND=zfs
  docker plugin enable "$DRIVER"
  volume db
  show_log | grep -qF 'METRICS=yes is not known: it is on or off; using off'
  show_log | grep -qF 'LOG_LEVEL=verbose is not known: it is debug, info, warning or error; using info'
  show_log | grep -qF 'BACKEND=zfs is not known: it is btrfs, overlay or copy; using the one that fits the pool'
}
