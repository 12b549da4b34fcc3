# SPDX-License-Identifier: Apache-2.0
# Services of a swarm of one node. A swarm makes network interfaces, so its engine has a network namespace of its own.

load lib

setup_file() {
  local here=$BATS_TEST_DIRNAME/../..
  docker save test-image -o "$BATS_FILE_TMPDIR/image.tar"
  export ENGINE=$ENGINE-swarm
  # shellcheck disable=SC2016 # for the inner shell
  unshare --net sh -c 'busybox ip link set lo up && exec "$@"' sh "$here/scripts/private-engine" start "$ENGINE" >/dev/null
  export DOCKER_HOST=unix://$ENGINE/docker.sock DOCKER_CONFIG=$ENGINE/cli
  docker load -i "$BATS_FILE_TMPDIR/image.tar"
  docker plugin create snapclone "${SNAPCLONE_PLUGIN_DIR:-$here/build/plugin}"
  docker plugin enable snapclone
  PLUGIN_ID=$(docker plugin inspect -f '{{.Id}}' snapclone)
  export PLUGIN_ID PLUGIN_DATA=$ENGINE/data/plugins/$PLUGIN_ID/propagated-mount
  docker swarm init --advertise-addr 127.0.0.1 --listen-addr 127.0.0.1:2377
}

teardown_file() { engine stop; }

# The engine removes a service's containers itself, some time after the service.
teardown() {
  docker service ls -q | xargs -r docker service rm
  eventually no_containers || true # finish() removes what is left
  finish
}

no_containers() { [[ -z $(docker ps -aq) ]]; }

# service NAME REPLICAS MOUNT [OPTION...]
service() {
  docker service create --detach --quiet --no-resolve-image --name "$1" --replicas "$2" \
    --mount "type=volume,target=/data,volume-driver=snapclone:latest,$3" "${@:4}" test-image
  eventually runs "$1" "$2"
}

# tasks SERVICE: the IDs of its running containers
tasks() { docker ps -q --no-trunc --filter "label=com.docker.swarm.service.name=$1"; }

runs() { [[ $(tasks "$1" | wc -l) -eq $2 ]]; }

# task_other_than SERVICE CONTAINER: it has one task, which is not that
task_other_than() { runs "$1" 1 && [[ $(tasks "$1") != "$2" ]]; }

seed() {
  volume db
  run_in db 'echo original >file'
  snapshot db seed
}

@test "each replica of a service has a clone of its own, and no more are left when it is gone" {
  local id ids
  seed
  service web 3 source=seed
  ids=$(tasks web)
  for id in $ids; do
    prints original inside "$id" "cat /data/file"
    inside "$id" 'hostname >/data/file'
  done
  for id in $ids; do prints "${id:0:12}" inside "$id" "cat /data/file"; done
  prints 3 status seed clones
  docker service rm web
  eventually prints 0 status seed clones >/dev/null
  prints original run_in seed 'cat file'
}

@test "a task that takes the place of one that died begins with the snapshot" {
  local first
  seed
  service web 1 source=seed --restart-delay 0s
  first=$(tasks web)
  inside "$first" 'echo changed >/data/file'
  docker kill "$first"
  eventually task_other_than web "$first"
  prints original inside "$(tasks web)" 'cat /data/file'
}

@test "a service's own volume is made with its options, and is kept for the next task" {
  local first
  seed
  service worker 1 source=dev,volume-opt=clone-of=seed --restart-delay 0s
  first=$(tasks worker)
  inside "$first" 'echo kept >>/data/file'
  prints '"seed"' status dev source
  docker kill "$first"
  eventually task_other_than worker "$first"
  prints $'original\nkept' inside "$(tasks worker)" 'cat /data/file'
}

@test "a clone named after its slot is kept for the next task in that slot, and for no other" {
  local first second
  seed
  service worker 2 'source=of-{{.Service.Name}}-{{.Task.Slot}},volume-opt=clone-of=seed' --restart-delay 0s
  first=$(slot worker 1)
  second=$(slot worker 2)
  inside "$first" 'echo first >>/data/file'
  inside "$second" 'echo second >>/data/file'
  docker kill "$first"
  eventually slot_other_than "$first"
  prints $'original\nfirst' inside "$(slot worker 1)" 'cat /data/file'
  prints $'original\nsecond' inside "$second" 'cat /data/file'
  only_volumes db seed of-worker-1 of-worker-2
}

# slot SERVICE NUMBER: the container that runs there
slot() { docker ps -q --no-trunc --filter "name=$1.$2."; }

slot_other_than() { [[ -n $(slot worker 1) && $(slot worker 1) != "$1" ]]; }

@test "the page about swarms works" {
  docker tag test-image my-image
  run_page.py "$BATS_TEST_DIRNAME/../../docs/swarm.md" /dev/null
  only_volumes
}
