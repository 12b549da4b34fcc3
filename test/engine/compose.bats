# SPDX-License-Identifier: Apache-2.0
# examples/compose with Docker Compose, whichever version is here. Its database is the tests' image, and the containers
# have no network: this engine has none.

load lib

setup_file() {
  export EXAMPLE=$BATS_TEST_DIRNAME/../../examples/compose DB_IMAGE=test-image
  no_network db compose.yaml
  no_network dev-db dev.yaml
}

# no_network SERVICE FILE
no_network() { printf 'version: "3.9"\nservices: {%s: {network_mode: none}}\n' "$1" >"$BATS_FILE_TMPDIR/$2"; }

# compose [-f FILE] ARGUMENT...: with that file of the example, or compose.yaml. From version 2 on Compose is a part of
# the docker command.
compose() {
  local file=compose.yaml command=(docker-compose)
  ! command docker compose version >/dev/null 2>&1 || command=(command docker compose)
  if [[ $1 == -f ]]; then
    file=$2
    shift 2
  fi
  "${command[@]}" --file "$EXAMPLE/$file" --file "$BATS_FILE_TMPDIR/$file" "$@"
}

dev() { compose -f dev.yaml "$@"; }

# seed: the snapshot that README.md tells to make
seed() {
  volume shop
  run_in shop 'echo loaded >table'
  snapshot shop shop-seed
}

# containers PROJECT: their IDs, one a line
containers() { compose --project-name "$1" ps -q db; }

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
  compose --project-name one down
  prints $'loaded\ntwo' table "$two"
  compose --project-name two down
  only_volumes shop shop-seed
  prints loaded run_in shop-seed 'cat table'
}

@test "a test run leaves no volume behind, neither while it runs nor after a plain down" {
  seed
  compose --project-name run up -d
  only_volumes shop shop-seed
  compose --project-name run down
  only_volumes shop shop-seed
  eventually no_leftovers
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
  dev --project-name work up -d
  prints $'loaded\nmine' table "$(dev --project-name work ps -q dev-db)" 'echo mine >>table'
  dev --project-name work down
  only_volumes shop shop-seed work_dev
  prints '"shop-seed"' status work_dev source
  dev --project-name work up -d
  compose --project-name run up -d
  prints $'loaded\nmine' table "$(dev --project-name work ps -q dev-db)"
  prints loaded table "$(containers run)"
  dev --project-name work down -v
  only_volumes shop shop-seed
}

# An engine that removed many containers at once may go on listing one of them, which it does not find any more.
no_new_containers() { prints '' comm -13 before <(docker ps -aq | sort); }

@test "without the snapshot nothing is made" {
  docker ps -aq | sort >before
  refused "shop-seed" compose --project-name none up -d
  refused "shop-seed" dev --project-name none up -d
  only_volumes
  no_new_containers
}

@test "the commands of the page work, and leave nothing behind" {
  {
    # shellcheck disable=SC2016 # for the page's shell
    echo 'docker() { if [[ $1 == compose ]]; then compose "${@:2}"; else command docker "$@"; fi; }'
    declare -f compose
  } >prelude
  docker ps -aq | sort >before
  run_page.py "$EXAMPLE/README.md" prelude postgres:17="$DB_IMAGE"
  only_volumes
  no_new_containers
}
