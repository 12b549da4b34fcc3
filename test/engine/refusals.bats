# SPDX-License-Identifier: Apache-2.0
# What cannot be done is said in a sentence, and changes nothing.

load lib

# The pool as it is, to prove that nothing changed.
pool() {
  find "$PLUGIN_DATA/pool" ! -path '*/clones/*' ! -path '*/mounts/*' ! -path '*/trash*' -printf '%P %y %s\n' | sort
}

# changes_nothing SENTENCE COMMAND...
changes_nothing() {
  local volumes
  volumes=$(docker volume ls -q)
  pool >before
  refused "$@"
  pool | diff before -
  prints "$volumes" docker volume ls -q
}

@test "a snapshot of an unknown volume is refused" {
  changes_nothing 'snapclone has no volume "nope" to make a snapshot of' snapshot nope seed
}

@test "a clone of an unknown volume is refused" {
  changes_nothing 'snapclone has no volume "nope" to make a clone of' clone_of nope dev
}

@test "a snapshot of a volume of another driver is refused" {
  docker volume create local-volume
  changes_nothing 'snapclone has no volume "local-volume" to make a snapshot of' snapshot local-volume seed
}

@test "a snapshot of itself is refused" {
  changes_nothing 'snapclone has no volume "seed" to make a snapshot of' snapshot seed seed
}

@test "an unknown option is refused with the known ones" {
  changes_nothing 'unknown option "foo": the options are access, clone-of, live, medium, size, snapshot-of, target' volume db -o foo=bar
}

@test "an unknown option beside known ones is refused" {
  volume db
  changes_nothing 'unknown option "ttl"' snapshot db seed -o ttl=1h
}

@test "options without a meaning together are refused" {
  volume db
  changes_nothing 'snapshot-of' volume both -o snapshot-of=db -o clone-of=db
  changes_nothing 'access' volume plain -o access=ro
  changes_nothing 'access' volume dev -o clone-of=db -o access=ro
}

@test "an unknown value of access is refused" {
  volume db
  changes_nothing 'access' snapshot db seed -o access=sometimes
}

@test "names that could be paths are refused" {
  local name
  for name in . .. a/b ../../etc/x /etc x/../y 'a\b'; do
    changes_nothing "is not allowed: use 2 to 200 letters" volume "$name"
  done
}

@test "names that are too long or too short are refused" {
  changes_nothing "is not allowed: use 2 to 200 letters" volume "$(printf 'x%.0s' {1..300})"
  changes_nothing "is not allowed: use 2 to 200 letters" volume "$(printf 'x%.0s' {1..201})"
  changes_nothing "is not allowed: use 2 to 200 letters" volume x
}

@test "names with other characters are refused" {
  local name
  for name in 'with space' $'new\nline' 'quote"' "apo'strophe" 'Grüße' -dash .hidden _under 'a@b' 'a:b'; do
    changes_nothing "is not allowed: use 2 to 200 letters" docker volume create -d snapclone -- "$name"
  done
}

@test "an empty name is refused; the engine never sends one but makes a name up" {
  changes_nothing 'volume name "" is not allowed' ask Create '{"Name": ""}'
}

@test "names of every allowed kind are accepted" {
  local name
  for name in ab 0a A.b_c-d "$(printf 'x%.0s' {1..200})"; do
    volume "$name"
    prints fits run_in "$name" 'echo fits >file; cat file'
  done
}

@test "source names that could be paths are refused" {
  local name
  volume db
  for name in '' . .. ../db a/../db /db; do
    changes_nothing "is not allowed" snapshot "$name" seed
    changes_nothing "is not allowed" clone_of "$name" dev
  done
}

@test "a name that is refused in -v starts no container" {
  changes_nothing "is not allowed" \
    docker run --rm --network none --volume-driver snapclone -v 'a@b:/data' test-image true
}

@test "mounting, removing and looking up an unknown volume is refused" {
  changes_nothing 'there is no volume "nope"' ask Mount '{"Name": "nope", "ID": "abc"}'
  changes_nothing 'there is no volume "nope"' ask Remove '{"Name": "nope"}'
  changes_nothing 'there is no volume "nope"' ask Get '{"Name": "nope"}'
}

@test "a Mount without a body is refused and makes no clone" {
  changes_nothing 'Mount: the request has no body' ask Mount
}

@test "mount IDs that could be paths are refused" {
  volume db
  snapshot db seed
  changes_nothing 'is not allowed' ask Mount '{"Name": "seed", "ID": "../../x"}'
  changes_nothing 'is not allowed' ask Mount '{"Name": "seed", "ID": ""}'
}
