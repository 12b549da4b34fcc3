# SPDX-License-Identifier: Apache-2.0
# Where a snapshot is meant to be mounted is declared, and judged when it is mounted.

load lib

seed() {
  volume db
  run_in db 'echo original >file'
}

# refused_at_mount SENTENCE TARGET...: a snapshot declared for it can be made, and not mounted
refused_at_mount() {
  local sentence=$1 target
  for target in "${@:2}"; do
    snapshot db seed -o "target=$target"
    refused "$sentence" docker run --rm --network none -v seed:/data test-image true || {
      echo "target: $target"
      return 1
    }
    prints 0 status seed clones
    no_leftovers
    docker volume rm seed
  done
}

@test "a snapshot whose target is the container's root is refused at Mount, in every spelling" {
  seed
  refused_at_mount '"seed" cannot be mounted at the container'"'"'s root' / // /// /. /./ /.. /../.. /foo/.. /foo/../ \
    /foo/bar/../.. /foo/../.. "\\" "/\\"
}

@test "a snapshot whose target is relative or empty is refused at Mount" {
  seed
  refused_at_mount 'must be absolute' foo . ./x ' /' ''
}

@test "a snapshot whose target leads out of the root or begins twice is refused at Mount" {
  seed
  refused_at_mount 'has invalid components' /../foo //foo /foo/../../bar
}

@test "a snapshot with any other target can be mounted" {
  local target
  seed
  for target in /foo /foo/ /foo//bar /foo/./bar /foo/../bar /... '/ ' /a:b; do
    snapshot db seed -o "target=$target"
    prints original run_in seed 'cat file'
    docker volume rm seed
  done
}

@test "a snapshot without a target can be mounted" {
  seed
  snapshot db seed
  prints original run_in seed 'cat file'
}

@test "a snapshot takes over its source's target" {
  volume db -o target=/
  snapshot db seed
  refused "cannot be mounted at the container's root" docker run --rm --network none -v seed:/data test-image true
  snapshot seed again
  refused "cannot be mounted at the container's root" docker run --rm --network none -v again:/data test-image true
}

@test "a snapshot's own target counts, not its source's" {
  volume db -o target=/
  snapshot db seed -o target=/data
  docker run --rm --network none -v seed:/data test-image true
  snapshot seed again -o target=/
  refused "cannot be mounted at the container's root" docker run --rm --network none -v again:/data test-image true
}

@test "a refused snapshot stays refused in --mount, :ro, --volumes-from and docker create" {
  volume db
  run_in db 'echo original >file'
  snapshot db seed -o target=/
  local sentence="cannot be mounted at the container's root"
  refused "$sentence" docker run --network none --mount type=volume,source=seed,target=/data test-image true
  refused "$sentence" docker run --network none -v seed:/data:ro test-image true
  refused "$sentence" docker create --network none -v seed:/image-data test-image
  docker create --network none --name box -v seed:/data test-image
  refused "$sentence" docker run --network none --volumes-from box test-image true
  refused "$sentence" docker start box
  eventually no_leftovers
}

@test "a refused snapshot can be made into one with another target" {
  seed
  snapshot db seed -o target=/
  snapshot seed usable -o target=/data
  prints original run_in usable 'cat file'
}
