# SPDX-License-Identifier: Apache-2.0
# examples/compose with Docker Compose, whichever version is here. Its database is the tests' image, and the containers
# have no network: this engine has none.

load lib

setup_file() {
  export EXAMPLE=$BATS_TEST_DIRNAME/../../examples/compose/compose.yaml DB_IMAGE=test-image
  cat >"$BATS_FILE_TMPDIR/no-network.yaml" <<END
version: "3.9"
services:
  db: {network_mode: none}
  dev-db: {network_mode: none}
END
}

# From version 2 on Compose is a part of the docker command.
compose() {
  local command=(docker-compose)
  ! docker compose version >/dev/null 2>&1 || command=(docker compose)
  "${command[@]}" --file "$EXAMPLE" --file "$BATS_FILE_TMPDIR/no-network.yaml" "$@"
}

# seed: the snapshot that README.md tells to make
seed() {
  volume shop
  run_in shop 'echo loaded >table'
  snapshot shop shop-seed
}

# containers PROJECT [SERVICE]: their IDs, one a line
containers() { compose --project-name "$1" --profile dev ps -q "${2:-db}"; }

# table CONTAINER [SCRIPT]: what its database holds, after the script
table() { inside "$1" "cd /var/lib/postgresql/data && ${2:-true} && cat table"; }

@test "every test run has a database of its own, all at once, and the snapshot stays as it is" {
  local one two
  seed
  compose --project-name one up -d
  compose --project-name two up -d
  one=$(containers one)
  two=$(containers two)
  prints $'loaded\none' table "$one" 'echo one >>table'
  prints $'loaded\ntwo' table "$two" 'echo two >>table'
  prints $'loaded\none' table "$one"
  compose --project-name one down -v
  prints $'loaded\ntwo' table "$two"
  compose --project-name two down -v
  only_volumes shop shop-seed
  prints loaded run_in shop-seed 'cat table'
}

@test "each replica of a service has a clone of its own" {
  local id number=0
  seed
  compose --project-name many up -d --scale db=3
  for id in $(containers many); do
    number=$((number + 1))
    prints $'loaded\n'$number table "$id" "echo $number >>table"
  done
  prints 3 echo "$number"
  prints 3 status shop-seed clones
}

@test "a test run that starts again begins with the snapshot" {
  seed
  compose --project-name run up -d
  prints $'loaded\nlost' table "$(containers run)" 'echo lost >>table'
  compose --project-name run restart -t 5
  prints loaded table "$(containers run)"
  compose --project-name run down
  compose --project-name run up -d
  prints loaded table "$(containers run)"
}

@test "the copy for development is kept over down and up, and goes with down -v" {
  seed
  compose --project-name work --profile dev up -d
  prints $'loaded\nmine' table "$(containers work dev-db)" 'echo mine >>table'
  compose --project-name work --profile dev down
  only_volumes shop shop-seed work_dev
  prints '"shop-seed"' status work_dev source
  compose --project-name work --profile dev up -d
  prints $'loaded\nmine' table "$(containers work dev-db)"
  prints loaded table "$(containers work)"
  compose --project-name work --profile dev down -v
  only_volumes shop shop-seed
}

@test "without the snapshot nothing is made" {
  refused "shop-seed" compose --project-name none --profile dev up -d
  only_volumes
  prints '' docker ps -aq
}
